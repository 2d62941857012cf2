"""The console's words: gettext catalogues, one ``.po`` file for each topic and language.

Messages are written in English in code and templates; English has entries only for words that other
rooms spell as a program would (``rule_admin``). Log content is never a message: only what stands in
the code is looked up (``test_words.py`` compares both).
"""

from __future__ import annotations

import gettext
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Literal

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

Language = Literal["vi", "en"]
LANGUAGES: tuple[Language, ...] = ("vi", "en")
FOLDER = Path(__file__).parent / "locale"


def catalogue(language: Language) -> Catalog:
    """Return all messages of a language: those of every topic's file."""
    every = Catalog(locale=language)
    for path in sorted((FOLDER / language).glob("*.po")):
        with path.open("rb") as stream:
            read = list(read_po(stream, locale=language, abort_invalid=True))
        for message in filter(lambda each: each.id, read):
            every[message.id] = message
    return every


@lru_cache(maxsize=len(LANGUAGES))
def translations(language: Language) -> gettext.NullTranslations:
    """Return what translates messages into a language."""
    compiled = BytesIO()
    write_mo(compiled, catalogue(language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def preferred(accepted: str, default: Language) -> Language:
    """Return the language that a browser's Accept-Language header asks for."""
    wishes: list[tuple[float, Language]] = []
    for part in accepted[:200].split(","):
        tag, _, quality = part.strip().partition(";q=")
        known = next((each for each in LANGUAGES if tag.lower().split("-")[0] == each), None)
        try:
            weight = float(quality or 1)
        except ValueError:
            weight = 0.0
        if known and weight > 0:
            wishes.append((weight, known))
    return max(wishes, key=lambda wish: wish[0])[1] if wishes else default


def N_(message: str) -> str:  # noqa: N802 - gettext's own name for it
    """Mark a message that is translated later."""
    return message
