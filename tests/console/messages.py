"""The messages of the console's code and templates, and what of them a language lacks.

``python -m tests.console.messages`` prints entries for the missing ones, to be put into a ``.po`` file.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po

import luytre.console
from luytre.console.words import FOLDER, catalogue

ROOM = Path(luytre.console.__file__).parent
KEYWORDS = {"_": None, "N_": None, "gettext": None, "ngettext": (1, 2), "say": None}
METHODS = {".py": "python", ".html": "jinja2.ext:babel_extract"}
Message = str | tuple[str, ...]


def used() -> dict[Message, str]:
    """Return every message with a place where it is used."""
    found: dict[Message, str] = {}
    for path in sorted(ROOM.rglob("*")):
        if path.suffix in METHODS:
            found.update(dict(_of(path)))
    return found


def _of(path: Path) -> Iterator[tuple[Message, str]]:
    for line, message, _, _ in extract_from_file(METHODS[path.suffix], path, keywords=KEYWORDS):
        if message:
            yield message, f"{path.relative_to(ROOM)}:{line}"


def entries() -> dict[Any, list[tuple[str, Any]]]:
    """Return each message of the Vietnamese files with its file and translation."""
    found: dict[Any, list[tuple[str, Any]]] = {}
    for path in sorted((FOLDER / "vi").glob("*.po")):
        with path.open("rb") as stream:
            for message in read_po(stream, locale="vi"):
                if message.id and not message.fuzzy:
                    found.setdefault(message.id, []).append((path.name, message.string))
    return found


def missing() -> dict[Message, str]:
    """Return the messages that have no Vietnamese."""
    known = {m.id for m in catalogue("vi") if m.id and m.string and not m.fuzzy}
    return {message: place for message, place in used().items() if message not in known}


def main() -> None:
    for message, place in missing().items():
        single, *plural = [message] if isinstance(message, str) else message
        _say(f"\n#: {place}\nmsgid {_quoted(single)}")
        if plural:
            _say(f'msgid_plural {_quoted(plural[0])}\nmsgstr[0] ""')
        else:
            _say('msgstr ""')


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


if __name__ == "__main__":
    main()
