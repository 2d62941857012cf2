"""The rules of files and folders, loaded by pySigma, and every fault with file and line."""

from __future__ import annotations

import gc
import hashlib
import os
import uuid
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sigma.rule import SigmaRule

from detections.manifest import set_licence
from detections.sigmafile import read_rule
from luytre.core.alert import LEVELS, Level, RuleCard
from luytre.core.batch import LogSource
from luytre.core.errors import Fault
from luytre.core.yamlfile import BYTES_MAX, Document, read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

BUILTIN = Path(__file__).parent / "rules"
SUFFIXES = (".yml", ".yaml")
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
    """Rules in order of their files, what was refused, and the digest of all rules' content."""

    rules: tuple[LoadedRule, ...]
    faults: tuple[Fault, ...]
    digest: str


def load_rules(paths: Sequence[Path], *, builtin: bool = True) -> RuleSet:
    """Return the rules of ``paths`` (files, or folders with all below), and Luytre's own first.

    A rule with a fault is left out and never stops the others. Of two rules with one id the first
    stays.
    """
    faults: list[Fault] = []
    rules: dict[str, LoadedRule] = {}
    with _quiet():
        files = _files([BUILTIN, *paths] if builtin else paths, faults)
        for rule in (rule for path, licence in files for rule in _read(path, licence, faults)):
            first = rules.setdefault(rule.card.id, rule)
            if first is not rule:
                faults.append(_duplicate(rule, first))
    versions = sorted(f"{rule.card.id} {rule.card.version}\n" for rule in rules.values())
    digest = hashlib.sha256("".join(versions).encode()).hexdigest()
    return RuleSet(tuple(rules.values()), tuple(faults), digest)


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


def _read(path: Path, licence: str, faults: list[Fault]) -> Iterator[LoadedRule]:
    try:
        with path.open("rb") as file:
            content = file.read(BYTES_MAX + 1)
    except OSError as error:
        faults.append(Fault(path, 1, f"cannot be read: {error.strerror}"))
        return
    documents, problems = read_yaml(path, content)
    faults += problems
    if not documents and not problems:
        faults.append(Fault(path, 1, "holds no rule"))
    for document, version in zip(documents, _versions(documents, content), strict=True):
        if document.data is None:
            continue  # what a trailing "---" leaves
        sigma, problems = read_rule(document)
        faults += problems
        if sigma is not None:
            yield _loaded(document, sigma, version, licence)


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
        else str(uuid.uuid5(_NAMESPACE, f"{sigma.title}\n{logsource}")),
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


def _lower(part: str | None) -> str | None:
    return part.lower() if part else None


def _texts(values: Iterable[object]) -> tuple[str, ...]:
    return tuple(str(value) for value in values if value is not None)


def _duplicate(rule: LoadedRule, first: LoadedRule) -> Fault:
    where = f"{first.path}:{first.document.line(('id',))}"
    return rule.document.fault(
        ("id",), f"the id {rule.card.id} is taken by {where}", "give this rule an id of its own"
    )
