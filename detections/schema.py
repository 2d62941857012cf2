"""The schemas of the Sigma specification 2.1: what is written otherwise, with its line.

Source: the JSON schemas of rules (2.0.0), correlations (2.1.0), and filters (2.0.0), and their
texts. What cannot run is refused when it is loaded; here is what runs although it is no good
Sigma, so that other tools may read it otherwise or not at all.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

from detections.remarks import Remark, remark
from luytre.core.alert import LEVELS

if TYPE_CHECKING:
    from luytre.core.yamlfile import Document, Place

Said = Iterator[tuple["Place", str, str]]
"""Where, what is wrong, and what to do about it."""
Check = Callable[[Any], Said]

TITLE_MAX, TEXT_MAX, TIMESPAN_MAX = 256, 65_535, 10
STATUSES = ("stable", "test", "experimental", "deprecated", "unsupported")
RELATIONS = ("derived", "obsolete", "merged", "renamed", "similar")
_DATE = re.compile(r"\d{4}-(0[1-9]|1[012])-(0[1-9]|[12][0-9]|3[01])")
_TAG = re.compile(r"[a-z0-9_-]+\.[a-z0-9._-]+")
_TAG_REMEDY = "write namespace.name in lower case"


def remarks(document: Document, rule: str) -> Iterator[Remark]:
    """Yield what a document of a rule, a correlation, or a filter has that the schemas do not."""
    if not isinstance(document.data, dict):
        return
    for key, check in _checks(document.data).items():
        if key in document.data:
            for place, problem, remedy in check(document.data[key]):
                yield remark("schema", document, (key, *place), rule, f"{key} {problem}", remedy)


def _checks(data: Mapping[Any, Any]) -> Mapping[str, Check]:
    if "correlation" in data:
        check = _extension if "luytre" in data else _correlation
        return {**_COMMON, **_CORRELATION, "correlation": check}
    return {**_COMMON, **_FILTER} if "filter" in data else {**_COMMON, **_RULE}


def _text(value: Any, *, longest: int = 0) -> Said:
    if not isinstance(value, str):
        yield (), "is not text", "write it in quotes"
    elif longest and len(value) > longest:
        yield (), f"has more than {longest:,} characters", "shorten it"


def _uuid(value: Any) -> Said:
    try:
        uuid.UUID(str(value))
    except ValueError:
        yield (), f"{value!r:.60} is no UUID", "make one with uuidgen"


def _one_of(value: Any, *, known: tuple[str, ...]) -> Said:
    if value not in known:
        yield (), f"{value!r:.60} is not in the specification", f"use one of: {', '.join(known)}"


def _date(value: Any) -> Said:
    # YAML reads a date without quotes as a date, which is what is meant.
    if not isinstance(value, date) and not (isinstance(value, str) and _DATE.fullmatch(value)):
        yield (), f"{value!r:.60} is no date", "write YYYY-MM-DD"


def _list(value: Any, *, of: Check = _text, unique: bool = True) -> Said:
    if not isinstance(value, list):
        yield (), "is not a list", "begin each with a dash"
        return
    seen: list[Any] = []
    for index, item in enumerate(value):
        for place, problem, remedy in of(item):
            yield (index, *place), problem, remedy
        if unique and item in seen:
            yield (index,), f"has {item!r:.60} twice", "remove one"
        seen.append(item)


def _word(value: Any) -> Said:
    if not isinstance(value, str) or len(value) < 2:  # noqa: PLR2004 - the schema's minLength
        yield (), f"{value!r:.60} is no text of two or more characters", "write it out"


def _tag(value: Any) -> Said:
    if not isinstance(value, str) or not _TAG.fullmatch(value):
        yield (), f"{value!r:.60} is not written as tags are", _TAG_REMEDY


def _related(value: Any) -> Said:
    if not isinstance(value, dict) or not {"id", "type"} <= value.keys():
        yield (), "has an entry without id and type", "give both"
        return
    yield from _within("id", _uuid(value["id"]))
    yield from _within("type", _one_of(value["type"], known=RELATIONS))


def _within(key: str, said: Said) -> Said:
    for place, problem, remedy in said:
        yield (key, *place), problem, remedy


def _source(value: Any) -> Said:
    for key in ("category", "product", "service", "definition"):
        if isinstance(value, dict) and key in value:
            yield from _within(key, _text(value[key]))


def _searches(value: Any) -> Said:
    if not isinstance(value, dict):
        return
    if not isinstance(value.get("condition", ""), str):
        yield ("condition",), "has a list of conditions", "join them with `or`"


def _filter(value: Any) -> Said:
    yield from _searches(value)
    if isinstance(value, dict):
        if isinstance(value.get("rules"), list):
            yield from _within("rules", _list(value["rules"]))
        if "selection" not in value:
            yield (), 'has no search called "selection"', "other tools may ask for that name"


def _correlation(value: Any) -> Said:
    if isinstance(value, dict) and "group-by" not in value:
        yield (), 'has no "group-by"', "the schema asks for it; without it all events are one group"
    yield from _extension(value)


def _extension(value: Any) -> Said:
    # An extension may well be about all of an organisation's events, as a silence is.
    if not isinstance(value, dict):
        return
    for key in ("rules", "group-by"):
        if isinstance(value.get(key), list):
            yield from _within(key, _list(value[key]))
    if len(str(value.get("timespan", ""))) > TIMESPAN_MAX:
        yield ("timespan",), f"has more than {TIMESPAN_MAX} characters", "use a larger unit"


_TITLE: Check = partial(_text, longest=TITLE_MAX)
_COMMON: Mapping[str, Check] = {
    "title": _TITLE,
    "id": _uuid,
    "description": partial(_text, longest=TEXT_MAX),
    "date": _date,
    "modified": _date,
    "taxonomy": _TITLE,
}
_PUBLISHED: Mapping[str, Check] = {
    "status": partial(_one_of, known=STATUSES),
    "author": _text,
    "references": _list,
    "level": partial(_one_of, known=LEVELS),
}
_RULE: Mapping[str, Check] = {
    **_PUBLISHED,
    "name": _TITLE,
    "related": partial(_list, of=_related),
    "license": _text,
    "fields": _list,
    "falsepositives": partial(_list, of=_word),
    "tags": partial(_list, of=_tag),
    "scope": partial(_list, of=_word),
    "logsource": _source,
    "detection": _searches,
}
_CORRELATION: Mapping[str, Check] = {
    **_PUBLISHED,
    "name": _TITLE,
    "falsepositives": lambda value: _list(value if isinstance(value, list) else [value], of=_word),
    "correlation": _correlation,
}
_FILTER: Mapping[str, Check] = {"logsource": _source, "filter": _filter}
