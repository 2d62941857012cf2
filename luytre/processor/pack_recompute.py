"""Makes the alerts of a pack again from its raw bytes and its rules, and compares them.

Nothing but the pack is needed: the rules, filters and mappings are those of the pack, and the
events are decoded from their bytes. What enrichment knew (whose machine it was, what an indicator
said) is taken from the alert, since the tables of that day stay where they were; the pack says by
digest which they were.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
import zipfile
import zlib
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec
import polars as pl

import enrich
from detections.correlation_matches import matches_of, needed_columns
from detections.load import load_rules
from detections.mappings import read_adaptation
from detections.match import Engine
from detections.plan import Plan, build_plan
from ingest.intake import Intake
from luytre.core.alert import Alert
from luytre.core.clock import ManualClock
from luytre.core.ecs import ENVELOPE, PROVENANCE
from luytre.core.errors import Refused
from luytre.core.message import EVENTS_TOPIC, Message, Record
from luytre.processor.correlate_once import correlate_once
from luytre.processor.kept import Also

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from luytre.core.batch import Batch, Part

BYTES_MAX = 512 * 2**20
DIGEST = re.compile("[0-9a-f]{64}")
CONTENT = re.compile("content/([0-9a-f]{64})[.]yml")
NEEDED = ("event.id", "event.ingested", "organization.id")
UNREADABLE = (
    KeyError, OSError, EOFError, ValueError, RuntimeError, NotImplementedError, zlib.error,
    zipfile.BadZipFile,
)  # fmt: skip
"""What zipfile raises for files of all kinds of damage."""
KEPT = frozenset({*ENVELOPE, *PROVENANCE})
COMPARED = ("id", "event_id", "organization_id", "seen_at", "part", "reasons", "original")


Kind = TypeVar("Kind")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of an alert; ``differs`` is empty if it was made again just as it was.

    ``not_possible`` says why it cannot be made again from what the pack holds.
    """

    alert: str
    rule: str
    differs: tuple[str, ...] = ()
    not_possible: str = ""


class _Content(msgspec.Struct, frozen=True):
    """Which rules, filters and mappings ran together, and with which of these an alert arose."""

    plans: dict[str, Also | None]
    plan_of: dict[str, str] = msgspec.field(name="plan of")


class _File(msgspec.Struct, frozen=True):
    """What the manifest says of a file."""

    sha256: str


class _Manifest(msgspec.Struct, frozen=True):
    files: dict[str, _File]


class _Pack:
    """A pack's files, each checked against the manifest. It may come from anybody."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = zipfile.ZipFile(path)
            self._facts = self._decoded(self._bytes("pack.json"), "pack.json", _Manifest).files
        except (OSError, zipfile.BadZipFile) as error:
            raise Refused(f"{path} is no pack that can be read: {error}") from error
        self.events = dict(self._told())

    def names(self, folder: str) -> list[str]:
        return sorted(name for name in self._facts if name.startswith(folder))

    def read(self, name: str) -> bytes:
        facts = self._facts.get(name)
        if facts is None:
            raise Refused(f"the pack has no {name}")
        data = self._bytes(name)
        if hashlib.sha256(data).hexdigest() != facts.sha256:
            raise Refused(f"{name} is not what was packed: luytre-verify says more")
        return data

    def decoded(self, name: str, kind: type[Kind]) -> Kind:
        return self._decoded(self.read(name), name, kind)

    def has_text(self, digest: str) -> bool:
        return f"content/{digest}.yml" in self._facts

    def texts(self) -> Iterator[tuple[str, bytes]]:
        """Yield digest and text of each rule, filter and mapping."""
        for name in self.names("content/"):
            # The digest becomes a file's name: nothing else of the pack ever does.
            found = CONTENT.fullmatch(name)
            if found is None or found[1] != self._facts[name].sha256:
                raise Refused(f"{name} is not named after its SHA-256: this is no pack of Luytre's")
            yield found[1], self.read(name)

    def _told(self) -> Iterator[tuple[str, dict[str, str]]]:
        for line in self.read("events.ndjson").splitlines():
            told = self._decoded(line, "events.ndjson", dict[str, str])
            absent = [name for name in NEEDED if name not in told]
            if absent:
                raise Refused(f"events.ndjson has an event without {', '.join(absent)}")
            yield told["event.id"], told

    def _bytes(self, name: str) -> bytes:
        try:
            if self._file.getinfo(name).file_size > BYTES_MAX:
                raise Refused(f"{name} is larger than {BYTES_MAX} bytes")
            return self._file.read(name)
        except UNREADABLE as error:
            raise Refused(f"{name} cannot be read: {error}") from error

    def _decoded(self, data: bytes, name: str, kind: type[Kind]) -> Kind:
        try:
            return msgspec.json.decode(data, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Refused(f"{name} is not what Luytre writes: {error}") from error


def recompute(path: Path) -> list[Verdict]:
    """Return a verdict for each current alert of a pack.

    Raises:
        Refused: the file is no pack, or was altered.
    """
    pack = _Pack(path)
    alerts = [pack.decoded(name, Alert) for name in pack.names("alerts/")]
    latest: dict[str, Alert] = {}
    for alert in sorted(alerts, key=lambda alert: alert.revision):
        latest[alert.episode or alert.id] = alert
    content = pack.decoded("content.json", _Content)
    plans: dict[str, list[Alert]] = defaultdict(list)
    for alert in latest.values():
        plans[content.plan_of.get(alert.id, "")].append(alert)
    found: list[Verdict] = []
    for plan, judged in plans.items():
        also = content.plans.get(plan)
        if also is None:
            said = "the pack does not know which filters and mappings ran"
            found += [Verdict(a.id, a.rule.title, not_possible=said) for a in judged]
        elif absent := [m for m in also.mappings if DIGEST.fullmatch(m) and not pack.has_text(m)]:
            said = f"the pack does not have the mapping {absent[0]}"
            found += [Verdict(a.id, a.rule.title, not_possible=said) for a in judged]
        else:
            found += _Judge(pack, also).verdicts(judged)
    return sorted(found, key=lambda verdict: verdict.alert)


class _Judge:
    """The content that ran together, loaded anew."""

    def __init__(self, pack: _Pack, also: Also) -> None:
        self._pack, self._events = pack, pack.events
        self._plan = _plan(pack, also)
        self._numbers = {rule.card.id: n for n, rule in enumerate(self._plan.rules)}
        self._clock = ManualClock()
        self._engine = Engine(self._plan, self._clock)

    def verdicts(self, alerts: Sequence[Alert]) -> Iterator[Verdict]:
        for alert in alerts:
            yield self._of_many(alert) if alert.episode else self._of_one(alert)

    def _of_one(self, alert: Alert) -> Verdict:
        batch = self._batch(alert.event_id, alert)
        if batch is None:
            return Verdict(alert.id, alert.rule.title, ("its event is not decoded any more",))
        hits = [hit for hit in self._engine.hits(batch) if hit[1] == self._number(alert)]
        if not hits:
            return Verdict(alert.id, alert.rule.title, ("the rule does not match",))
        return Verdict(
            alert.id, alert.rule.title, _differing(alert, *self._engine.alerts(batch, hits))
        )

    def _of_many(self, alert: Alert) -> Verdict:
        size = int(alert.event.get("luytre.correlation.events") or len(alert.events))
        missing = [event for event in alert.events if event not in self._events]
        if alert.withdrawn or size > len(alert.events) or missing:
            why = (
                "it was withdrawn"
                if alert.withdrawn
                else f"the pack holds {len(alert.events) - len(missing)} of its {size} events"
            )
            return Verdict(alert.id, alert.rule.title, not_possible=why)
        matches = []
        for event in alert.events:
            batch = self._batch(event, None)
            if batch is not None:
                hits = self._engine.hits(batch)
                matches += matches_of(self._plan.correlations, batch, hits, self._plan)
        made = correlate_once(self._plan.correlations, matches, self._clock)
        same = [each for each in made if each.episode == alert.episode]
        if not same:
            return Verdict(alert.id, alert.rule.title, ("its events are no such episode",))
        differs = () if same[0].events == alert.events else ("events",)
        return Verdict(alert.id, alert.rule.title, differs)

    def _number(self, alert: Alert) -> int | None:
        number = self._numbers.get(alert.rule.id)
        is_same = number is not None and self._plan.rules[number].card.version == alert.rule.version
        return number if is_same else None

    def _batch(self, event: str, alert: Alert | None) -> Batch | None:
        """Return an event from its bytes, with what enrichment knew of it."""
        record = _record(event, self._pack.read(f"raw/{event}"), self._events[event])
        shown = frozenset(alert.event if alert else ()) - KEPT - enrich.RESERVED

        def needed(part: Part) -> frozenset[str]:
            read = self._engine.needed(part) | needed_columns(self._plan.correlations, part)
            return (read | shown) - enrich.RESERVED

        batches = [batch for batch in Intake(needed)([record]) if batch.events.height]
        if not batches:
            return None
        known = {n: v for n, v in (alert.event if alert else {}).items() if n in enrich.RESERVED}
        added = [pl.lit(value).alias(name) for name, value in known.items()]
        added += [] if "luytre.origin" in self._events[event] else [pl.lit(event).alias("event.id")]
        return batches[0].with_events(batches[0].events.with_columns(added))


def _plan(pack: _Pack, also: Also) -> Plan:
    """Return the plan of a pack's content."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind in ("rules", "mappings"):
            (folder / kind).mkdir()
        for digest, text in pack.texts():
            kind = "mappings" if digest in also.mappings else "rules"
            (folder / kind / f"{digest}.yml").write_bytes(text)
        mappings = [
            folder / "mappings" / f"{each}.yml" if DIGEST.fullmatch(each) else each
            for each in also.mappings
        ]
        adaptation = read_adaptation(also.placeholders, mappings)
        loaded = load_rules([folder / "rules"], builtin=False, adaptation=adaptation)
    wanted = set(also.filters)
    filters = [each for each in loaded.filters if each.version in wanted]
    correlations = [e for e in loaded.correlations if e.card.version in also.correlations]
    plan, _ = build_plan(loaded.rules, filters, correlations)
    return plan


def _record(event: str, raw: bytes, told: Mapping[str, str]) -> Record:
    """Return an event as the log gave it; its id is made anew where the shipper's word is kept."""
    headers = {
        "stream": told.get("luytre.stream", "pack"),
        "first_seq": told.get("luytre.sequence", "0"),
        "count": "1",
        "origin": told.get("luytre.origin", event),
        "position": f"list:{told.get('luytre.position', '0')}",
        "organization": told["organization.id"],
        "hint": told.get("luytre.hint", "auto"),
        "host": told.get("host.name", ""),
        "path": told.get("luytre.path", ""),
        "zone": told.get("luytre.zone", ""),
        "framing": "event",
        "encoding": "",
    }
    try:
        at = datetime.fromisoformat(told["event.ingested"])
    except ValueError as error:
        raise Refused(f"events.ndjson has a time that is none: {error}") from error
    return Record(EVENTS_TOPIC, 0, 0, at, Message(b"pack", raw, headers))


def _differing(was: Alert, made: Alert) -> tuple[str, ...]:
    """Return the names of what is not the same."""
    found = [name for name in COMPARED if getattr(was, name) != getattr(made, name)]
    found += ["rule"] if was.rule.version != made.rule.version else []
    cells = {name: value for name, value in was.event.items() if name not in KEPT}
    return (*found, *(name for name, value in cells.items() if made.event.get(name) != value))
