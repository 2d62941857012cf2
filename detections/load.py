"""The rules of files and folders, loaded by pySigma, and every fault with file and line."""

from __future__ import annotations

import gc
import hashlib
import os
import uuid
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sigma.rule import SigmaRule

from detections.correlation import Correlation
from detections.correlation_rules import read_correlation, resolve
from detections.filters import LoadedFilter, read_filter, resolve_filters
from detections.manifest import set_licence
from detections.mappings import NOTHING, Adaptation
from detections.sigmafile import read_rule
from luytre.core.alert import LEVELS, Level, RuleCard
from luytre.core.batch import LogSource
from luytre.core.errors import Fault
from luytre.core.yamlfile import BYTES_MAX, Document, read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

BUILTIN = Path(__file__).parent / "rules"
SUFFIXES = (".yml", ".yaml")
NODES_MAX = 12_000
"""Of one file; the largest of SigmaHQ has 4,487."""
DEFAULT_LEVEL: Level = "medium"
_NAMESPACE = uuid.UUID("6f1d7f7a-3c1e-5a52-9a53-0a1f0c1b1e75")


@dataclass(frozen=True, slots=True, eq=False)
class LoadedRule:
    """A rule that can be evaluated: what alerts keep of it, pySigma's object, and its lines."""

    card: RuleCard
    logsource: LogSource
    sigma: SigmaRule
    path: Path
    document: Document


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules in order of their files, what was refused, and the digest of all content.

    ``correlations`` stand behind those that they rest on; ``filters`` know the ids of their rules.
    """

    rules: tuple[LoadedRule, ...]
    faults: tuple[Fault, ...]
    digest: str
    filters: tuple[LoadedFilter, ...] = ()
    correlations: tuple[Correlation, ...] = ()


@dataclass(slots=True)
class _Found:
    """What was read so far."""

    adaptation: Adaptation
    faults: list[Fault] = field(default_factory=list)
    rules: list[LoadedRule] = field(default_factory=list)
    filters: list[LoadedFilter] = field(default_factory=list)
    correlations: list[Correlation] = field(default_factory=list)

    def override(self, first: _Found) -> None:
        """Put what takes the place of others before them."""
        rules, filters = {r.card.id for r in first.rules}, {f.id for f in first.filters}
        correlations = {c.card.id for c in first.correlations}
        self.faults[:0] = first.faults
        self.rules = [*first.rules, *(r for r in self.rules if r.card.id not in rules)]
        self.filters = [*first.filters, *(f for f in self.filters if f.id not in filters)]
        others = (c for c in self.correlations if c.card.id not in correlations)
        self.correlations = [*first.correlations, *others]


def load_rules(
    paths: Sequence[Path],
    *,
    builtin: bool = True,
    adaptation: Adaptation = NOTHING,
    overrides: Sequence[Path] = (),
) -> RuleSet:
    """Return the rules of ``paths`` (files, or folders with all below), and Luytre's own first.

    A rule with a fault is left out and never stops the others. Of two rules with one id the first
    stays. Filters and correlations are looked for in the same files. What is in ``overrides`` comes
    before all, and takes the place of what has the same id elsewhere.
    """
    layers = [*([each] for each in overrides), [BUILTIN, *paths] if builtin else paths]
    found = _Found(adaptation)
    with _quiet():
        for layer in reversed(layers):
            above = _Found(adaptation)
            for path, licence in _files(layer, above.faults):
                _read(path, licence, above)
            found.override(above)
    rules = _unique(found.rules, found.faults)
    filters, unknown = resolve_filters(found.filters, rules)
    correlations, loose = resolve(found.correlations, rules)
    return RuleSet(
        rules,
        (*found.faults, *unknown, *loose),
        _digest(rules, filters, correlations, adaptation),
        filters,
        tuple(correlations),
    )


def _unique(rules: Iterable[LoadedRule], faults: list[Fault]) -> tuple[LoadedRule, ...]:
    unique: dict[str, LoadedRule] = {}
    for rule in rules:
        first = unique.setdefault(rule.card.id, rule)
        if first is not rule:
            faults.append(_duplicate(rule, first))
    return tuple(unique.values())


def _digest(
    rules: Iterable[LoadedRule],
    filters: Iterable[LoadedFilter],
    correlations: Iterable[Correlation],
    adaptation: Adaptation,
) -> str:
    versions = [f"{card.id} {card.version}\n" for card in (each.card for each in rules)]
    versions += [f"{card.id} {card.version}\n" for card in (each.card for each in correlations)]
    versions += [f"{each.id} {each.version}\n" for each in filters]
    return hashlib.sha256("".join([*sorted(versions), adaptation.digest]).encode()).hexdigest()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the garbage collector out: all that is made stays, and 3,754 rules load twice as fast.

    pySigma compiles regexes with Python's ``re`` too, whose warnings are about another dialect.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if enabled:
            gc.enable()


def _files(paths: Iterable[Path], faults: list[Fault]) -> Iterator[tuple[Path, str]]:
    """Yield each rule file once, with the licence of the set that it belongs to."""
    seen: set[tuple[str, str]] = set()
    for path in paths:
        if not path.exists():
            faults.append(Fault(path, 1, "does not exist", "check the rules' paths"))
        for folder, names in _folders(path):
            real = os.path.realpath(folder)
            licence = set_licence(folder)
            fresh = [name for name in names if (real, name) not in seen]
            seen.update((real, name) for name in fresh)
            yield from ((folder / name, licence) for name in fresh)


def _folders(path: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield each folder at or below ``path`` with its rule files; links are not followed."""
    if path.is_file():
        yield path.parent, [path.name]
        return
    for folder, folders, names in os.walk(path):
        folders.sort()
        yield Path(folder), sorted(name for name in names if name.endswith(SUFFIXES))


def _read(path: Path, licence: str, found: _Found) -> None:
    try:
        with path.open("rb") as file:
            content = file.read(BYTES_MAX + 1)
    except OSError as error:
        found.faults.append(Fault(path, 1, f"cannot be read: {error.strerror}"))
        return
    documents, problems = read_yaml(path, content, nodes_max=NODES_MAX)
    found.faults += problems
    if not documents and not problems:
        found.faults.append(Fault(path, 1, "holds no rule"))
    for document, version in zip(documents, _versions(documents, content), strict=True):
        if document.data is not None:  # what a trailing "---" leaves
            found.faults += _document(document, version, licence, found)


def _document(document: Document, version: str, licence: str, found: _Found) -> list[Fault]:
    """Add what a document is to what was found, and return its faults."""
    keys = document.data.keys() if isinstance(document.data, dict) else ()
    if "correlation" in keys:
        correlation, faults = read_correlation(document)
        found.correlations += [correlation] if correlation else []
    elif "filter" in keys:
        hiding, faults = read_filter(document, found.adaptation, version)
        found.filters += [hiding] if hiding else []
    else:
        sigma, faults = read_rule(document, found.adaptation)
        found.rules += [_loaded(document, sigma, version, licence)] if sigma else []
    return faults


def _versions(documents: Sequence[Document], content: bytes) -> list[str]:
    """Return each document's digest: of the file, or of its own lines if they are several."""
    if len(documents) <= 1:
        return [hashlib.sha256(content).hexdigest() for _ in documents]
    lines = content.splitlines(keepends=True)
    starts = [document.line(()) - 1 for document in documents]
    ends = [*starts[1:], len(lines)]
    return [
        hashlib.sha256(b"".join(_own(lines[start:end]))).hexdigest()
        for start, end in zip(starts, ends, strict=True)
    ]


def _own(lines: list[bytes]) -> list[bytes]:
    marks = [i for i, line in enumerate(lines) if line.startswith(b"---") and i]
    return lines[: marks[0]] if marks else lines


def _loaded(document: Document, sigma: SigmaRule, version: str, licence: str) -> LoadedRule:
    source = sigma.logsource
    logsource = LogSource(*map(_lower, (source.product, source.category, source.service)))
    level = str(sigma.level) if sigma.level else DEFAULT_LEVEL
    card = RuleCard(
        id=str(sigma.id)
        if sigma.id
        else str(uuid.uuid5(_NAMESPACE, f"{sigma.title}\n{_written(document)}")),
        title=sigma.title,
        level=next(known for known in LEVELS if known == level),
        version=version,
        status=str(sigma.status) if sigma.status else "",
        description=sigma.description or "",
        author=sigma.author or "",
        licence=sigma.license or licence,
        path=str(document.path),
        tags=tuple(map(str, sigma.tags)),
        references=_texts(sigma.references),
        false_positives=_texts(sigma.falsepositives),
    )
    return LoadedRule(card, logsource, sigma, document.path, document)


def _written(document: Document) -> LogSource:
    """Return the log source before any mapping: a rule's id may not hang on the deployment."""
    source = document.data["logsource"]
    return LogSource(*(_lower(source.get(part)) for part in ("product", "category", "service")))


def _lower(part: str | None) -> str | None:
    return part.lower() if part else None


def _texts(values: Iterable[object]) -> tuple[str, ...]:
    return tuple(str(value) for value in values if value is not None)


def _duplicate(rule: LoadedRule, first: LoadedRule) -> Fault:
    where = f"{first.path}:{first.document.line(('id',))}"
    return rule.document.fault(
        ("id",), f"the id {rule.card.id} is taken by {where}", "give this rule an id of its own"
    )
