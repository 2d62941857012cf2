"""The evidence of one incident as a file: from it the alerts are made again on any machine.

The manifest names every piece of evidence with its digest, and is the same for the same incident,
whoever packs it and when. That it was packed is an entry of the history, which has the manifest's
digest and says which entries are about the incident; all of them, and the proof that they are under
a signed checkpoint, lie beside the evidence (``custody/``). ``luytre-verify`` checks it offline.
"""

from __future__ import annotations

import hashlib
import zipfile
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from luytre.audit.canonical import canonical
from luytre.audit.database import CaseDatabase
from luytre.cases.read import Incidents
from luytre.core.alert import AlertStore, encode_alert
from luytre.core.ecs import PROVENANCE
from luytre.core.errors import NeighbourError, Refused
from luytre.core.log import get_logger
from luytre.processor.kept import Kept
from luytre.processor.pack_custody import custody, entries_about, ranges
from luytre.processor.pack_read_me import READ_ME
from luytre.processor.retention import BEFORE
from luytre.store.archive import Archive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from luytre.cases.model import Incident, Member
    from luytre.core.actor import Actor
    from luytre.core.alert import Alert
    from luytre.core.organization import Scope

VERSION = 1
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time of every file in the pack: the earliest that a zip knows, and always the same."""

OF_ARCHIVE = (
    "event.id", "event.original", "@timestamp", "event.ingested", "organization.id",
    "luytre.stream", "luytre.sequence", "event.dataset", "host.name",
)  # fmt: skip


log = get_logger("pack")


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
                history = entries_about(change.connection, number)
                entry = change.record(
                    "incident.pack",
                    f"incident:{number}",
                    organization=incident.organization,
                    manifest=digest,
                    files=len(found.files),
                    history=ranges(history),
                    to=target.name,
                )
            _put(file, dict(custody(rooms.cases, (*history, entry))))
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
    _from_archive(rooms.archive, incident, scope, found)
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
            size = int(alert.event.get("luytre.correlation.events") or len(alert.events))
            if size > len(alert.events):
                said = f"it names {len(alert.events)} of its {size} events"
                found.missing.append(f"alert {alert.id}: {said}")
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


def _from_archive(archive: Archive, incident: Incident, scope: Scope, found: _Evidence) -> None:
    """Take the raw bytes from the archive; where it has none, those of the alert are there.

    An alert of a correlation has no bytes of its own: its events are in the archive, or are alerts.
    """
    kept, unread = _archived(archive, incident, scope, sorted(found.events))
    for event, told in found.events.items():
        name = f"raw/{event}"
        if event in kept and found.files.setdefault(name, kept[event][0]) != kept[event][0]:
            found.missing.append(f"event {event}: the archive has other bytes than its alert")
        elif event in kept:
            # What an alert knows of the shipper is more than the archive keeps.
            told.update({**(told or kept[event][1]), "bytes": "of the archive"})
        elif told:
            found.missing.append(f"event {event}: {unread}; its bytes are the alert's copy")
        else:
            found.missing.append(f"event {event}: {unread}")
        if told:
            told.setdefault("bytes", "of the alert")
    found.events = {event: told for event, told in found.events.items() if told}


def _archived(
    archive: Archive, incident: Incident, scope: Scope, wanted: list[str]
) -> tuple[dict[str, tuple[bytes, dict[str, str]]], str]:
    """Return bytes and circumstances of those events that the archive has, and why not of all."""
    since = datetime.fromisoformat(incident.first_at) - BEFORE
    try:
        rows = archive.scan(
            scope, since=since, columns=OF_ARCHIVE, where=pl.col("event.id").is_in(wanted)
        ).collect()
    except (NeighbourError, OSError, pl.exceptions.PolarsError) as error:
        # Evidence is most wanted when something is broken: what alerts hold is still packed.
        log.error("the archive cannot be read for a pack", reason=str(error))
        return {}, "the archive cannot be read"
    kept: dict[str, tuple[bytes, dict[str, str]]] = {}
    for row in rows.iter_rows(named=True):  # the events of one incident
        raw = row.pop("event.original")
        kept[row["event.id"]] = raw, {k: _text(v) for k, v in row.items() if v is not None}
    return kept, "the archive does not have it"


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


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
