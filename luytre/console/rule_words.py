"""What rules are called in Vietnamese: the ``custom.title_vi`` of their files.

An alert keeps its rule's title as it was when it fired, in English; the Vietnamese one is that of
the rule file as it is now, looked up by the rule's id, or by the title where only that is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import detections
from luytre.core.yamlfile import read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable

BUILT_IN = Path(detections.__file__).parent / "rules"


@dataclass(frozen=True, slots=True)
class RuleWords:
    """Vietnamese titles by English ones, and titles with descriptions by rule ids."""

    titles: dict[str, str]
    rules: dict[str, tuple[str, str]]

    @classmethod
    def read(cls, folders: Iterable[Path]) -> RuleWords:
        """Read rule files; one that cannot be read has no Vietnamese, and is others' to refuse."""
        titles: dict[str, str] = {}
        rules: dict[str, tuple[str, str]] = {}
        for path in _files((BUILT_IN, *folders)):
            # To look for the word first saves parsing thousands of rules that have none.
            if b"title_vi" not in path.read_bytes():
                continue
            for document in read_yaml(path)[0]:
                data = document.data if isinstance(document.data, dict) else {}
                custom = data.get("custom")
                if isinstance(custom, dict) and "title_vi" in custom:
                    title = str(custom["title_vi"])
                    titles[str(data.get("title", ""))] = title
                    rules[str(data.get("id", ""))] = title, str(custom.get("description_vi", ""))
        return cls(titles, rules)

    def title(self, title: str, rule: str = "") -> str:
        """Return a rule's title in Vietnamese, or what was given; an incident's begins with one."""
        if rule in self.rules:
            return self.rules[rule][0]
        if title in self.titles:
            return self.titles[title]
        name, colon, about = title.rpartition(": ")
        return f"{self.titles[name]}{colon}{about}" if name in self.titles else title

    def description(self, description: str, rule: str) -> str:
        """Return a rule's description in Vietnamese, or what was given."""
        return self.rules.get(rule, ("", ""))[1] or description


def _files(folders: Iterable[Path]) -> Iterable[Path]:
    for folder in folders:
        if folder.is_file():
            yield folder
        elif folder.is_dir():
            yield from sorted(folder.rglob("*.yml"))
