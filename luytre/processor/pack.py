"""The evidence of one incident as a file: from it the alerts are made again on any machine.

The manifest names every piece of evidence with its digest, and is the same for the same incident,
whoever packs it and when. That it was packed is an entry of the history, which has the manifest's
digest; the entry, those about the incident, and the proof that all of them are under a signed
checkpoint lie beside the evidence (``custody/``). ``luytre-verify`` checks all of it offline.
"""

from __future__ import annotations

import hashlib
import zipfile
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from luytre.audit.canonical import canonical
from luytre.audit.database import CaseDatabase
from luytre.cases.read import Incidents
from luytre.core.alert import AlertStore, encode_alert
from luytre.core.database import snapshot
from luytre.core.ecs import PROVENANCE
from luytre.core.errors import NeighbourError, Refused
from luytre.processor.kept import Kept
from luytre.processor.pack_read_me import READ_ME
from luytre.store.archive import Archive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from luytre.audit.signer import SignedState
    from luytre.cases.model import Incident, Member
    from luytre.core.actor import Actor
    from luytre.core.alert import Alert
    from luytre.core.organization import Scope

VERSION = 1
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time of every file in the pack: the earliest that a zip knows, and always the same."""

BEFORE = timedelta(days=3)
"""How long before an incident's first alert the events of a correlation may lie."""

OF_ARCHIVE = (
    "event.id", "event.original", "@timestamp", "event.ingested", "organization.id",
    "luytre.stream", "luytre.sequence", "event.dataset", "host.name",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rooms:
    """Where evidence comes from."""

    cases: CaseDatabase
    alerts: AlertStore
    archive: Archive
    kept: Kept


@dataclass(frozen=True, slots=True)
class Packed:
    """What was packed: the manifest's digest, the entry that says so, and what could not be had."""

    incident: int
    manifest: str
    files: int
    alerts: int
    entry: int
    missing: tuple[str, ...]


@dataclass(slots=True)
class _Evidence:
    """What was found so far, by name in the pack; ``missing`` says what was not."""

    files: dict[str, bytes] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    plans: dict[str, Any] = field(default_factory=dict)
    plan_of: dict[str, str] = field(default_factory=dict)
    events: dict[str, dict[str, str]] = field(default_factory=dict)
    alerts: int = 0


def pack(rooms: Rooms, actor: Actor, number: int, target: Path) -> Packed:
    """Write the evidence of an incident to a new file ``target``.

    What the actor may not read is left out, and the pack says how much that is.

    Raises:
        Refused: there is no such incident, or the file exists.
        NeighbourError: the signer or a disk fails; no pack is left.
    """
    if target.exists():
        raise Refused(f"{target} exists: name a new file")
    incident = Incidents(rooms.cases).get(number, actor.scope)
    found = _gather(rooms, incident, actor.scope)
    manifest = canonical(
        {
            "files": {name: _facts(data) for name, data in sorted(found.files.items())},
            "incident": number,
            "made by": f"luytre {version('luytre')}",
            "missing": sorted(found.missing),
            "organization": incident.organization,
            "origin": rooms.cases.signed().origin,
            "v": VERSION,
        }
    )
    digest = hashlib.sha256(manifest).hexdigest()
    fresh = target.with_name(f".{target.name}.new")
    try:
        with zipfile.ZipFile(fresh, "w", zipfile.ZIP_DEFLATED) as file:
            _put(file, {**found.files, "pack.json": manifest})
            with rooms.cases.change(actor) as change:
                entry = change.record(
                    "incident.pack",
                    f"incident:{number}",
                    organization=incident.organization,
                    manifest=digest,
                    files=len(found.files),
                    to=target.name,
                )
            _put(file, dict(_custody(rooms.cases, number, entry)))
        fresh.replace(target)
    except OSError as error:
        raise NeighbourError(f"{target}: {error}") from error
    finally:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
    missing = tuple(sorted(found.missing))
    return Packed(number, digest, len(found.files), found.alerts, entry, missing)


def _gather(rooms: Rooms, incident: Incident, scope: Scope) -> _Evidence:
    incidents, found = Incidents(rooms.cases), _Evidence()
    number = incident.id
    members, hidden = incidents.members(number, scope)
    if hidden:
        found.missing.append(f"{hidden} alerts that another organisation saw")
    for member in members:
        _take(rooms, member, scope, found)
    _events(rooms.archive, incident, scope, found)
    found.files |= {
        "README.txt": READ_ME.encode(),
        "incident.json": _json(
            {
                "incident": asdict(incident),
                "alerts": [asdict(member) for member in members],
                "alerts of others": hidden,
                "comments": incidents.comments(number, scope),
                "tasks": incidents.tasks(number, scope),
                "clocks": incidents.clocks(number, scope),
            }
        ),
        "events.ndjson": b"".join(
            canonical(row) + b"\n" for _, row in sorted(found.events.items())
        ),
        "content.json": _json({"plans": found.plans, "plan of": found.plan_of}),
    }
    return found


def _take(rooms: Rooms, member: Member, scope: Scope, found: _Evidence) -> None:
    """Take an alert with all its revisions, its raw bytes, and what it was judged with."""
    documents = rooms.alerts.history(member.document, scope)
    if not documents:
        found.missing.append(f"alert {member.alert}: the store has it no more")
    for alert in documents:
        found.alerts += 1
        found.files[f"alerts/{alert.id}.json"] = encode_alert(alert)
        if alert.episode:
            found.events |= {event: {} for event in alert.events if event not in found.events}
        else:
            found.files[f"raw/{alert.event_id}"] = alert.original
            found.events[alert.event_id] = _told(alert)
        _content(rooms.kept, alert, found)


def _told(alert: Alert) -> dict[str, str]:
    """Return what the shipper said of an event: with it, its id is made again from its bytes."""
    names = (*PROVENANCE, "luytre.stream", "luytre.sequence", "host.name")
    told = {name: alert.event[name] for name in names if name in alert.event}
    return told | {
        "event.id": alert.event_id,
        "event.ingested": alert.ingested_at.isoformat(),
        "organization.id": alert.organization_id,
        "event.dataset": alert.part,
    }


def _content(kept: Kept, alert: Alert, found: _Evidence) -> None:
    plan = alert.versions.get("rules", "")
    if alert.episode:
        plan = kept.plan_of(plan, alert.detected_at)
    found.plan_of[alert.id] = plan
    also = kept.also(plan)
    wanted = [alert.rule.version]
    if also is not None:
        found.plans[plan] = msgspec.to_builtins(also)
        files = [each for each in also.mappings if len(each) == 64]  # noqa: PLR2004 - a digest
        wanted += [*also.filters, *files, *_rests_on(also.rests_on, alert.rule.version)]
    elif plan not in found.plans:
        found.plans[plan] = None
        found.missing.append(f"plan {plan}: which filters and mappings ran is not kept")
    for each in wanted:
        file = kept.file(each)
        if file is not None:
            found.files[f"content/{file.sha256}.yml"] = file.text
        else:
            found.missing.append(f"rule, filter or mapping {each}: its text is not kept")


def _rests_on(known: dict[str, tuple[str, ...]], rule: str) -> Iterator[str]:
    """Yield the versions of rules that a correlation rests on, by any way down."""
    for under in known.get(rule, ()):
        yield under
        yield from _rests_on(known, under)


def _events(archive: Archive, incident: Incident, scope: Scope, found: _Evidence) -> None:
    """Take the raw bytes of the events that correlations name from the archive."""
    wanted = sorted(event for event, told in found.events.items() if not told)
    if not wanted:
        return
    since = datetime.fromisoformat(incident.first_at) - BEFORE
    rows = archive.scan(
        scope, since=since, columns=OF_ARCHIVE, where=pl.col("event.id").is_in(wanted)
    ).collect()
    for row in rows.iter_rows(named=True):  # at most 100 for each revision of a correlation
        found.files[f"raw/{row['event.id']}"] = row.pop("event.original")
        found.events[row["event.id"]] = {k: _text(v) for k, v in row.items() if v is not None}
    for event in wanted:
        if not found.events[event]:
            del found.events[event]
            found.missing.append(f"event {event}: the archive has it no more")


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _custody(cases: CaseDatabase, number: int, packed: int) -> Iterator[tuple[str, bytes]]:
    """Yield the entries about the incident, each with the proof that the checkpoint covers it."""
    state = cases.signed()
    with snapshot(cases.connection):
        subjects = [f"incident:{one}" for one in sorted(_family(cases, number))]
        marks = ", ".join("?" * len(subjects))
        rows: Any = cases.connection.execute(
            f"SELECT seq FROM audit_entries WHERE subject IN ({marks}) AND seq < ? ORDER BY seq",  # noqa: S608
            (*subjects, state.size),
        )
        entries = [_proven(cases, int(seq), state) for (seq,) in list(rows)]
    yield "custody/entries.ndjson", b"".join(entries)
    yield "custody/checkpoint", state.note.encode()
    yield "custody/key.txt", f"{state.key}\n".encode()
    yield "custody/packed.json", canonical({"seq": packed, "size": state.size})


def _family(cases: CaseDatabase, number: int) -> set[int]:
    """Return the incident and those that its alerts were in before: merged into it, or split."""
    family, fresh = {number}, {number}
    while fresh:
        marks = ", ".join("?" * len(fresh))
        rows: Any = cases.connection.execute(
            f"SELECT id FROM incidents WHERE merged_into IN ({marks})"  # noqa: S608
            " UNION SELECT json_extract(detail, '$.after.from') FROM audit_entries"
            f" WHERE subject IN ({marks}) AND json_extract(entry, '$.action') = 'incident.split'",
            (*sorted(fresh), *(f"incident:{one}" for one in sorted(fresh))),
        )
        fresh = {int(one) for (one,) in rows if one is not None} - family
        family |= fresh
    return family


def _proven(cases: CaseDatabase, seq: int, state: SignedState) -> bytes:
    [(_, entry, detail)] = cases.book.rows(seq, seq + 1)
    proof = [node.hex() for node in cases.book.inclusion(seq, state.size)]
    return canonical({"detail": detail, "entry": entry, "proof": proof, "seq": seq}) + b"\n"


def _put(file: zipfile.ZipFile, files: dict[str, bytes]) -> None:
    for name, data in sorted(files.items()):
        about = zipfile.ZipInfo(name, EPOCH)
        about.compress_type, about.create_system = zipfile.ZIP_DEFLATED, 3
        about.external_attr = 0o600 << 16
        file.writestr(about, data, compresslevel=6)


def _facts(data: bytes) -> dict[str, object]:
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _json(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=1) + b"\n"
