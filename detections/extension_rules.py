"""The part of a correlation document that goes beyond Sigma: read, or every fault with its line.

The document is a Sigma correlation that other tools can run as it stands; ``luytre`` beside it says
what Sigma has no word for. What each means is in ``docs/reference/extensions.md``.
"""

from __future__ import annotations

import difflib
import math
from typing import TYPE_CHECKING, Any, get_args

from detections.correlation import Extension, ExtensionKind
from detections.correlation_time import lasting, seconds_of

if TYPE_CHECKING:
    from detections.correlation import Condition, Type
    from luytre.core.errors import Fault
    from luytre.core.yamlfile import Document

KINDS: tuple[ExtensionKind, ...] = get_args(ExtensionKind)
BASELINE_MAX_S = 31 * 86_400
FACTOR_MAX = 10_000
AT_MOST_MAX = 1_000
_KEYS: dict[ExtensionKind, tuple[str, ...]] = {
    "first_seen": ("learning",),
    "rare": ("learning", "at_most"),
    "spike": ("learning", "baseline", "factor"),
    "silence": (),
}
_TYPES: dict[ExtensionKind, Type] = {
    "first_seen": "value_count",
    "rare": "value_percentile",
    "spike": "event_count",
    "silence": "event_count",
}
_DAY_S = 86_400


def read_extension(
    document: Document, kind: Type | None, condition: Condition | None, timespan_s: int
) -> tuple[Extension | None, list[Fault]]:
    """Return the extension of a document, None if it has none, and every fault."""
    ours = document.data.get("luytre")
    written = ours.get("extension") if isinstance(ours, dict) else None
    if written is None:
        return None, _unknown(document, ours, ("scope", "extension"))
    found = next((known for known in KINDS if known == written), None)
    if found is None:
        near = difflib.get_close_matches(str(written), KINDS, 1)
        remedy = f'did you mean "{near[0]}"?' if near else f"use one of: {', '.join(KINDS)}"
        place = ("luytre", "extension")
        return None, [document.fault(place, f'the extension "{written}" is unknown', remedy)]
    faults = _unknown(document, ours, ("scope", "extension", *_KEYS[found]))
    faults += _fits(document, found, kind, condition)
    reader = _Reader(document, ours)
    extension = _read(reader, found, timespan_s)
    faults += reader.faults
    return (None if faults else extension), faults


def _read(reader: _Reader, kind: ExtensionKind, timespan_s: int) -> Extension:
    match kind:
        case "silence":
            return Extension(kind)
        case "spike":
            baseline_s = reader.duration("baseline", 7 * _DAY_S, BASELINE_MAX_S)
            if baseline_s < timespan_s:
                reader.fault("baseline", "is shorter than the timespan", "use several timespans")
            return Extension(
                kind,
                learning_s=reader.duration("learning", baseline_s // 7, baseline_s),
                baseline_s=baseline_s,
                factor=reader.number("factor", 5, FACTOR_MAX),
            )
        case "rare":
            at_most = int(reader.number("at_most", 3, AT_MOST_MAX, whole=True))
        case _:
            at_most = 1
    learning_s = reader.duration("learning", timespan_s // 4, timespan_s)
    return Extension(kind, learning_s=learning_s, at_most=at_most)


def _unknown(document: Document, ours: Any, known: tuple[str, ...]) -> list[Fault]:
    if not isinstance(ours, dict):
        return []
    return [
        document.fault(("luytre", str(key)), f'unknown key "{key}"', f"known: {', '.join(known)}")
        for key in ours
        if key not in known
    ]


def _fits(
    document: Document, extension: ExtensionKind, kind: Type | None, condition: Condition | None
) -> list[Fault]:
    """Return what of the standard part is not the nearest form of the extension."""
    wanted = _TYPES[extension]
    if kind is not None and kind != wanted:
        remedy = f"write type: {wanted}, which other tools understand"
        return [document.fault(("correlation", "type"), f"{extension} is no {kind}", remedy)]
    if condition is None:
        return []
    bounds = [(bound.operator, bound.limit) for bound in condition.bounds]
    right, remedy = {
        "first_seen": (bounds == [("gte", 2)], "write condition: {field: ..., gte: 2}"),
        "rare": (
            condition.percentile is None and [op for op, _ in bounds] in (["lt"], ["lte"]),
            "write condition: {field: ..., lte: 1}",
        ),
        "spike": (
            len(bounds) == 1 and bounds[0][0] in ("gt", "gte"),
            "write condition: {gte: 20}, the least that is worth a look",
        ),
        "silence": (bounds in ([("lt", 1)], [("eq", 0)], [("lte", 0)]), "write condition: {lt: 1}"),
    }[extension]
    problem = f"the condition is not the one that {extension} sharpens"
    return [] if right else [document.fault(("correlation", "condition"), problem, remedy)]


class _Reader:
    def __init__(self, document: Document, ours: dict[Any, Any]) -> None:
        self._document, self._ours = document, ours
        self.faults: list[Fault] = []

    def fault(self, key: str, problem: str, remedy: str) -> None:
        self.faults.append(self._document.fault(("luytre", key), f'"{key}" {problem}', remedy))

    def duration(self, key: str, default_s: int, most_s: int) -> int:
        value = self._ours.get(key)
        if value is None:
            return default_s
        found = seconds_of(value)
        if found is None or not 0 <= found <= most_s:
            self.fault(key, f"is no duration up to {most_s} s", "write a number and s, m, h or d")
        return found or 0

    def number(self, key: str, default: float, most: float, *, whole: bool = False) -> float:
        value = self._ours.get(key, default)
        right = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        if not right or not math.isfinite(value) or not 1 <= value <= most:
            self.fault(key, f"is no {'whole ' * whole}number from 1 to {most:g}", f"as {default:g}")
            return default
        return float(value)


def told(extension: Extension, timespan_s: int, condition: str) -> str:
    """Return the condition of an extension as people read it."""
    match extension.kind:
        case "first_seen":
            return f"not seen in the {lasting(timespan_s)} before"
        case "rare":
            return f"seen at most {extension.at_most} times in {lasting(timespan_s)}"
        case "silence":
            return f"nothing for {lasting(timespan_s)}"
    mean = f"{extension.factor:g} times the own mean of {lasting(extension.baseline_s)}"
    return f"{condition} and >= {mean}"
