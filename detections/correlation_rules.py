"""One YAML document read as a Sigma correlation rule: the rule, or every fault with its line.

Source: Sigma Correlation Rules Specification 2.1.0. ``luytre: {scope: province}`` is our own: it
lets a correlation count events of all organisations together, which none does by default.
"""

from __future__ import annotations

import difflib
import hashlib
import uuid
from typing import TYPE_CHECKING, Any

import msgspec

from detections.correlation import TEMPORAL, TYPES, Correlation, Type
from detections.correlation_condition import names_in, read_condition
from detections.correlation_resolve import resolve
from detections.correlation_time import seconds_of
from detections.extension_rules import read_extension, told
from luytre.core.alert import LEVELS, Level, RuleCard

if TYPE_CHECKING:
    from collections.abc import Iterable

    from luytre.core.errors import Fault
    from luytre.core.yamlfile import Document

__all__ = ["read_correlation", "resolve"]

RULES_MAX = 64
GROUP_MAX = 16
TIMESPAN_MAX_S = 31 * 86_400
DEFAULT_LEVEL: Level = "medium"
_TITLE_MAX = 256
_KEYS = ("type", "rules", "group-by", "timespan", "condition", "aliases", "generate")
_SCOPES = ("organization", "province")
_STATUSES = ("stable", "test", "experimental", "deprecated")
_NAMESPACE = uuid.UUID("0d8a6f0e-5a4b-5a0e-9d5c-7e1b8f3d9c42")


def read_correlation(document: Document) -> tuple[Correlation | None, list[Fault]]:
    """Return the correlation of a document, or None and all its faults, by line.

    What its rules are is not looked up here: ``resolve`` does, once all rules are known.
    """
    data = document.data
    if not isinstance(data, dict) or not isinstance(data.get("correlation"), dict):
        problem, remedy = '"correlation" is not a map', "write type, rules, timespan, condition"
        return None, [document.fault(("correlation",), problem, remedy)]
    reader = _Reader(document, data, data["correlation"])
    correlation = reader.read()
    faults = sorted(reader.faults, key=lambda fault: fault.line)
    return (None if faults else correlation), faults


class _Reader:
    """Reads the keys of one document and gathers what is wrong with them."""

    def __init__(self, document: Document, data: dict[Any, Any], inner: dict[Any, Any]) -> None:
        self._document, self._data, self._inner = document, data, inner
        self.faults: list[Fault] = []

    def read(self) -> Correlation | None:
        self._known()
        card = self._card()
        kind = self._type()
        rules = self._rules(kind)
        condition = None
        if kind is not None and rules:
            condition, faults = read_condition(self._document, kind, rules)
            self.faults += faults
        group_by, timespan_s = self._texts("group-by", GROUP_MAX), self._timespan()
        aliases, generate, province_wide = self._aliases(rules), self._generate(), self._scope()
        extension, faults = read_extension(self._document, kind, condition, timespan_s)
        self.faults += faults
        if self.faults or kind is None or condition is None:
            return None
        if extension is not None:
            text = told(extension, timespan_s, condition.text)
            condition = msgspec.structs.replace(condition, text=text)
        places = [("correlation", "rules", place) for place in range(len(rules))]
        name = self._data.get("name")
        return Correlation(
            card=card,
            name=name if isinstance(name, str) else "",
            type=kind,
            rules=rules,
            group_by=group_by,
            timespan_s=timespan_s,
            condition=condition,
            aliases=aliases,
            generate=generate,
            province_wide=province_wide,
            extension=extension,
            lines=tuple(map(self._document.line, places)),
        )

    def _fault(self, place: tuple[str | int, ...], problem: str, remedy: str = "") -> None:
        self.faults.append(self._document.fault(place, problem, remedy))

    def _known(self) -> None:
        for key in self._inner:
            if key not in _KEYS:
                near = difflib.get_close_matches(str(key), _KEYS, 1)
                remedy = f'did you mean "{near[0]}"?' if near else f"known are {', '.join(_KEYS)}"
                place = ("correlation", key if isinstance(key, str | int) else str(key))
                self._fault(place, f'unknown key "{key}" in the correlation', remedy)
        for key in ("detection", "logsource"):
            if key in self._data:
                self._fault(
                    (key,), f'a correlation has no "{key}"', "make it a document of its own"
                )

    def _card(self) -> RuleCard:
        data = self._data
        title, level = data.get("title"), data.get("level", DEFAULT_LEVEL)
        if not isinstance(title, str) or not 0 < len(title) <= _TITLE_MAX:
            self._fault(("title",), f"the title is no text of 1 to {_TITLE_MAX} characters")
        if level not in LEVELS:
            self._fault(("level",), f'unknown level "{level}"', f"use one of: {', '.join(LEVELS)}")
        if data.get("status", "test") not in _STATUSES:
            remedy = f"use one of: {', '.join(_STATUSES)}"
            self._fault(("status",), f'the status "{data["status"]}" does not run', remedy)
        for key in ("id", "name", "description", "author", "license"):
            if not isinstance(data.get(key), str | None):
                self._fault((key,), f'"{key}" is not text', "write it in quotes")
        encoded = msgspec.json.encode(_plain(data))
        seed = f"{title}\n{data.get('name')}\n{self._document.path.name}"
        return RuleCard(
            id=str(data.get("id") or uuid.uuid5(_NAMESPACE, seed)),
            title=str(title),
            level=next((known for known in LEVELS if known == level), DEFAULT_LEVEL),
            version=hashlib.sha256(encoded).hexdigest(),
            status=str(data.get("status") or ""),
            description=str(data.get("description") or ""),
            author=str(data.get("author") or ""),
            licence=str(data.get("license") or ""),
            path=str(self._document.path),
            tags=self._tags(),
            references=_texts_of(data.get("references")),
            false_positives=_texts_of(data.get("falsepositives")),
        )

    def _tags(self) -> tuple[str, ...]:
        tags = self._data.get("tags") or []
        if not isinstance(tags, list):
            self._fault(("tags",), '"tags" is not a list')
            return ()
        for place, tag in enumerate(tags):
            if not isinstance(tag, str) or "." not in tag:
                self._fault(("tags", place), f'"{tag}" is no tag', "write it as namespace.name")
        return tuple(map(str, tags))

    def _type(self) -> Type | None:
        written = self._inner.get("type")
        found = next((known for known in TYPES if known == written), None)
        if found is None:
            near = difflib.get_close_matches(str(written), TYPES, 1)
            remedy = f'did you mean "{near[0]}"?' if near else f"use one of: {', '.join(TYPES)}"
            problem = "is missing" if written is None else f'"{written}" is unknown'
            self._fault(("correlation", "type"), f"the correlation type {problem}", remedy)
        return found

    def _rules(self, kind: Type | None) -> tuple[str, ...]:
        condition = self._inner.get("condition")
        if self._inner.get("rules") is None and kind in TEMPORAL and isinstance(condition, str):
            return tuple(names_in(condition)[:RULES_MAX])
        rules = self._texts("rules", RULES_MAX)
        if not rules and not any(f.problem.startswith('"rules"') for f in self.faults):
            self._fault(("correlation", "rules"), "names no rules", "list their ids or names")
        return rules

    def _texts(self, key: str, most: int) -> tuple[str, ...]:
        """Return a list of texts, or the one text that stands for a list of one."""
        value = self._inner.get(key)
        items = [] if value is None else [value] if isinstance(value, str) else value
        if not isinstance(items, list):
            self._fault(("correlation", key), f'"{key}" is not a list of texts')
            return ()
        for place, item in enumerate(items[:most]):
            if not isinstance(item, str) or not item:
                self._fault(("correlation", key, place), f"{item!r} is not text", "use quotes")
            elif item in items[:place]:
                self._fault(("correlation", key, place), f'"{item}" is there twice')
        if len(items) > most:
            self._fault(("correlation", key), f'"{key}" has more than {most} entries')
        return tuple(map(str, items))

    def _timespan(self) -> int:
        value = self._inner.get("timespan")
        place = ("correlation", "timespan")
        found = seconds_of(value)
        seconds = found or 0
        if found is None:
            remedy = "write a number and s, m, h, d, w, or M, as 15m"
            problem = "is missing" if value is None else f"{value!r} cannot be read"
            self._fault(place, f"the timespan {problem}", remedy)
        elif not 0 < seconds <= TIMESPAN_MAX_S:
            self._fault(place, f"the timespan {value} is not within 1s to 31d")
        return seconds

    def _aliases(self, rules: Iterable[str]) -> dict[str, dict[str, str]]:
        value = self._inner.get("aliases") or {}
        if not isinstance(value, dict):
            self._fault(("correlation", "aliases"), '"aliases" is not a map')
            return {}
        known = set(rules)
        for name, fields in value.items():
            place = ("correlation", "aliases", str(name))
            if not isinstance(name, str) or not isinstance(fields, dict) or not fields:
                self._fault(place, f'the alias "{name}" is no map of rules to fields')
                continue
            for rule, field in fields.items():
                if rule not in known:
                    remedy = "an alias is for rules of the list"
                    self._fault((*place, str(rule)), f'"{rule}" is none of the rules', remedy)
                elif not isinstance(field, str) or not field:
                    self._fault((*place, rule), f"the field {field!r} is not text")
        return {name: dict(fields) for name, fields in value.items() if isinstance(fields, dict)}

    def _generate(self) -> bool:
        # The schema has it beside "correlation", pySigma inside; both are in use.
        inside = "generate" in self._inner
        value = self._inner.get("generate", self._data.get("generate", False))
        if not isinstance(value, bool):
            place = ("correlation", "generate") if inside else ("generate",)
            self._fault(place, '"generate" is neither true nor false')
        return bool(value)

    def _scope(self) -> bool:
        ours = self._data.get("luytre") or {}
        scope = ours.get("scope", _SCOPES[0]) if isinstance(ours, dict) else None
        if scope not in _SCOPES:
            remedy = "write luytre: {scope: province}, or nothing"
            self._fault(("luytre", "scope"), f"the scope {scope!r} is unknown", remedy)
        return scope == "province"


def _plain(value: Any) -> Any:
    """Return what JSON can say of YAML's plain data."""
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _texts_of(value: Any) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [value]
    return tuple(str(item) for item in items if item is not None)
