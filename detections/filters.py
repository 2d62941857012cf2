"""Sigma filters: what hides matches of rules, as people write it (Filters specification 2.1)."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sigma.conditions import ConditionAND, ConditionItem, ConditionNOT, ConditionOR, SigmaCondition
from sigma.rule import SigmaRule
from sigma.rule.detection import EmptySigmaDetections

from detections.sigmafile import read_rule
from luytre.core.batch import LogSource
from luytre.core.yamlfile import Document

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from detections.mappings import Adaptation
    from luytre.core.errors import Fault
    from luytre.core.yamlfile import Place

REFERENCES_MAX = 1_000
ANY_RULE = "any"
EXPIRES = "expires"
_NAMESPACE = uuid.UUID("0f5b1f5e-8d0c-5b0a-9c57-5f0f6a2d9c11")
_OF_RULES = ("filter", "id", "level", "status")
"""Keys of the document that its searches, read as those of a rule, do not take along."""


@dataclass(frozen=True, slots=True, eq=False)
class LoadedFilter:
    """A filter: its searches and condition are those of ``sigma``.

    ``references`` are ids or names of rules as written, None for any rule; ``rules`` are the ids
    that they mean, empty until ``resolve_filters``. ``document`` has all else that people wrote.
    Events that were received from ``expires_us`` on (since 1970) it does not hide.
    """

    id: str
    title: str
    version: str
    logsource: LogSource
    references: tuple[str, ...] | None
    sigma: SigmaRule
    path: Path
    document: Document
    rules: frozenset[str] = frozenset()
    expires_us: int | None = None

    def covers(self, rule: str) -> bool:
        """Tell whether the filter is about a rule, by id."""
        return self.references is None or rule in self.rules


def read_filter(
    document: Document, adaptation: Adaptation, version: str
) -> tuple[LoadedFilter | None, list[Fault]]:
    """Return the filter of a document, or None and all its faults, by line."""
    written = document.data["filter"]
    if not isinstance(written, dict):
        return None, [document.fault(("filter",), '"filter" is not a map', "see Sigma filters")]
    references, faults = _references(document, written.get("rules"))
    expires_us, wrong = _expiry(document)
    faults += wrong
    searches = _as_rule(document, written)
    sigma, problems = read_rule(searches, adaptation)
    faults += problems
    if not faults:
        faults += _polarity(document, written["condition"])
    if sigma is None or faults:
        return None, sorted(faults, key=lambda fault: fault.line)
    source = sigma.logsource
    parts = (part.lower() if part else None for part in _parts(source))
    made = str(uuid.uuid5(_NAMESPACE, f"{sigma.title}\n{source}"))
    return LoadedFilter(
        id=str(document.data.get("id") or made),
        title=sigma.title,
        version=version,
        logsource=LogSource(*parts),
        references=references,
        sigma=sigma,
        path=document.path,
        document=document,
        expires_us=expires_us,
    ), []


def resolve_filters(
    filters: Iterable[LoadedFilter], rules: Sequence[Any]
) -> tuple[tuple[LoadedFilter, ...], list[Fault]]:
    """Return the filters with the ids of their rules, and a fault for each that is not there."""
    known: dict[str, list[Any]] = {}
    for rule in rules:
        for name in {rule.card.id, rule.sigma.name} - {None}:
            known.setdefault(name, []).append(rule)
    faults: list[Fault] = []
    resolved: dict[str, LoadedFilter] = {}
    for each in filters:
        found = list(_found(each, known, faults))
        first = resolved.setdefault(each.id, replace(each, rules=frozenset(found)))
        if first.document is not each.document:
            where = f"{first.path}:{first.document.line(('id',))}"
            problem = f"the id {each.id} is taken by {where}"
            faults.append(each.document.fault(("id",), problem, "give this filter its own id"))
    return tuple(resolved.values()), faults


def _found(each: LoadedFilter, known: dict[str, list[Any]], faults: list[Fault]) -> Iterator[str]:
    for index, reference in enumerate(each.references or ()):
        place: Place = ("filter", "rules", index)
        rules = known.get(reference, [])
        problem = ""
        if not rules:
            problem = f'no rule has the id or name "{reference}"'
        elif len(rules) > 1:
            problem = f'{len(rules)} rules have the name "{reference}"'
        elif _apart(each.logsource, rules[0].logsource):
            problem = f'"{reference}" is about {rules[0].logsource}, the filter {each.logsource}'
        else:
            yield rules[0].card.id
        if problem:
            faults.append(each.document.fault(place, problem, "give the id of a rule"))


def _apart(mine: LogSource, other: LogSource) -> bool:
    """Tell whether no event can be of both log sources: only products exclude each other."""
    return None not in (mine.product, other.product) and mine.product != other.product


def _references(document: Document, rules: Any) -> tuple[tuple[str, ...] | None, list[Fault]]:
    remedy = f'write a list of ids or names of rules, or "{ANY_RULE}"'
    match rules:
        case str() if rules.lower() == ANY_RULE:
            return None, []
        case str():
            return (rules,), []
        case list() if len(rules) > REFERENCES_MAX:
            problem = f"the filter names more than {REFERENCES_MAX:,} rules"
            return (), [document.fault(("filter", "rules"), problem, "write several filters")]
        case list() if rules and all(isinstance(each, str) for each in rules):
            return tuple(rules), []
        case None:
            return (), [document.fault(("filter", "rules"), 'the filter has no "rules"', remedy)]
    return (), [document.fault(("filter", "rules"), '"rules" is no list of texts', remedy)]


def _expiry(document: Document) -> tuple[int | None, list[Fault]]:
    """Return when the filter ends, in microseconds since 1970; a day ends it at its beginning."""
    written = document.data.get(EXPIRES)
    if written is None:
        return None, []
    try:
        at = datetime.fromisoformat(str(written))
    except ValueError:
        problem = f'"{EXPIRES}" is no day or time'
        return None, [document.fault((EXPIRES,), problem, "write it as 2026-12-31")]
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1_000_000), []


def _as_rule(document: Document, written: dict[Any, Any]) -> Document:
    """Return the document as if its searches were those of a rule, lines and all."""
    data = {key: value for key, value in document.data.items() if key not in _OF_RULES}
    data["detection"] = {key: value for key, value in written.items() if key != "rules"}
    lines = {
        ("detection", *place[1:]) if place[:1] == ("filter",) else place: line
        for place, line in document.lines.items()
    }
    return Document(document.path, data, lines)


def _parts(source: Any) -> tuple[str | None, ...]:
    return source.product, source.category, source.service


def _polarity(document: Document, conditions: str | list[str]) -> Iterator[Fault]:
    """Refuse conditions that hold where no search does: they would hide nearly everything.

    By the specification a filter says what to hide; pySigma's says what to keep.
    """
    for condition in conditions if isinstance(conditions, list) else [conditions]:
        if _of_nothing(SigmaCondition(condition, EmptySigmaDetections()).parse(postprocess=False)):
            yield document.fault(
                ("filter", "condition"),
                f'"{condition}" holds where no search does, so it would hide nearly everything',
                'say what to hide: "selection" where pySigma has "not selection"',
            )


def _of_nothing(node: Any) -> bool:
    """Tell whether a condition holds if none of its searches does."""
    match node:
        case ConditionAND():
            return all(map(_of_nothing, node.args))
        case ConditionOR():
            return any(map(_of_nothing, node.args))
        case ConditionNOT():
            return not _of_nothing(node.args[0])
        case ConditionItem():
            return False
    raise TypeError(type(node).__name__)
