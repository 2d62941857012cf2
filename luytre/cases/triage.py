"""Alerts into incidents: each alert in exactly one, with the reason, in one transaction."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from luytre.audit.canonical import stamp
from luytre.cases.entities import entities_of, organization_of, tactics_of
from luytre.cases.grouping import ALARM, around, home_of
from luytre.cases.refresh import refresh
from luytre.cases.room import DUTY
from luytre.core.actor import Actor
from luytre.core.alert import LEVELS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from luytre.audit.database import CaseDatabase, Change
    from luytre.core.alert import Alert
    from luytre.core.batch import TopicPartition
    from luytre.core.clock import Clock

BACKFILL_AFTER = timedelta(hours=1)
"""An event that arrives later was on an office's disk while the link was down: no one is paged."""
PAGE_SCORE = 60

_KEEP = """
    INSERT INTO incident_alerts (alert, incident, document, revision, organization, rule, title,
        level, tactics, asset_level, confidence, at, received_at, delay_s, reason, backfill,
        withdrawn)
    VALUES (:alert, :incident, :document, :revision, :organization, :rule, :title, :level, :tactics,
        :asset_level, :confidence, :at, :received_at, :delay_s, :reason, :backfill, :withdrawn)
    ON CONFLICT (alert) DO UPDATE SET document = :document, revision = :revision, title = :title,
        level = :level, tactics = :tactics, asset_level = :asset_level, confidence = :confidence,
        at = :at, withdrawn = :withdrawn
"""
_OPEN = """
    INSERT INTO incidents (organization, title, state, level, score, score_parts, first_at, last_at,
        received_at, opened_at, updated_at, backfill)
    VALUES (?, '', 'new', 0, 0, '[]', ?, ?, ?, ?, ?, 1) RETURNING id
"""


@dataclass(slots=True)
class _Work:
    """What one change has touched: incident numbers, with the alerts that came or were revised.

    ``moved`` are alerts by the incident that they left and the one that they went to.
    """

    opened: dict[int, list[str]] = field(default_factory=dict)
    grown: dict[int, list[str]] = field(default_factory=dict)
    revised: dict[int, list[str]] = field(default_factory=dict)
    merged: dict[int, int] = field(default_factory=dict)
    moved: dict[tuple[int, int], list[str]] = field(default_factory=dict)
    retro: set[str] = field(default_factory=set)

    def is_news(self, incident: int) -> bool:
        """Tell whether anything but what a search of the archive found touched an incident."""
        touched = (self.opened, self.grown, self.revised)
        return any(set(found.get(incident, ())) - self.retro for found in touched)


class Triage:
    """Takes alerts as they come from the log. A replay changes nothing."""

    def __init__(self, cases: CaseDatabase, clock: Clock) -> None:
        self._cases, self._clock = cases, clock

    def reached(self) -> dict[tuple[str, int], int]:
        """Return the offset behind the last alert that was taken, by topic and partition."""
        rows = self._cases.connection.execute("SELECT topic, partition, offset FROM triage_offsets")
        return {(str(t), int(str(p))): int(str(o)) for t, p, o in rows}

    def take(self, alerts: Sequence[Alert], reached: Mapping[TopicPartition, int]) -> None:
        """Put alerts into incidents, and remember how far the topic was read, in one change."""
        with self._cases.change(Actor.loop("triage")) as change:
            for place, offset in reached.items():
                change.connection.execute(
                    "INSERT INTO triage_offsets VALUES (?, ?, ?) ON CONFLICT (topic, partition)"
                    " DO UPDATE SET offset = excluded.offset",
                    (place.topic, place.partition, offset),
                )
            read = {f"{p.topic}/{p.partition}": offset for p, offset in reached.items()}
            change.record(
                "triage.read", "alerts", organization="", alerts=len(alerts), reached=read
            )
            work = _Work()
            for alert in alerts:
                self._place(change, alert, work)
            self._settle(change, work)

    def _place(self, change: Change, alert: Alert, work: _Work) -> None:
        key = alert.episode or alert.id
        work.retro.update({key} if alert.retro else ())
        connection = change.connection
        known = connection.execute(
            "SELECT incident, revision FROM incident_alerts WHERE alert = ?", (key,)
        ).fetchone()
        for older in alert.supersedes:
            connection.execute(
                "UPDATE incident_alerts SET superseded_by = ? WHERE alert = ? AND alert <> ?",
                (key, older, key),
            )
        if known is not None:
            incident, revision = int(known[0]), int(known[1])
            if alert.revision > revision:
                self._keep(change, alert, incident, "")
                work.revised.setdefault(incident, []).append(key)
            return
        self._add(change, alert, work)

    def _add(self, change: Change, alert: Alert, work: _Work) -> None:
        key, organization = alert.episode or alert.id, organization_of(alert)
        entities = entities_of(alert)
        at = alert.seen_at or alert.ingested_at
        home = home_of(change.connection, organization, entities, at, alert.rule.level)
        incident = home.incident
        if incident is None:
            now = stamp(self._clock.now())
            times = stamp(at), stamp(at), stamp(alert.ingested_at), now, now
            incident = int(change.connection.execute(_OPEN, (organization, *times)).get)
            work.opened[incident] = [key]
        else:
            listed = work.opened if incident in work.opened else work.grown
            listed.setdefault(incident, []).append(key)
        self._keep(change, alert, incident, home.reason)
        change.connection.executemany(
            "INSERT INTO incident_entities VALUES (?, ?)", [(key, entity) for entity in entities]
        )
        for other in home.joined:
            join(change, other, incident, stamp(self._clock.now()))
            work.merged[other] = incident
        # The next alert of this batch looks for its home by these times.
        change.connection.execute(
            "UPDATE incidents SET first_at = min(first_at, ?), last_at = max(last_at, ?)"
            " WHERE id = ?",
            (stamp(at), stamp(at), incident),
        )
        if LEVELS.index(alert.rule.level) >= ALARM and not alert.withdrawn:
            self._alarm(change, incident, stamp(at))
            found = around(change.connection, organization, entities, at)
            self._move(change, found, incident, work)

    def _alarm(self, change: Change, incident: int, at: str) -> None:
        change.connection.execute(
            "UPDATE incidents SET alarm_last_at = max(alarm_last_at, :at), alarm_first_at ="
            " CASE alarm_first_at WHEN '' THEN :at ELSE min(alarm_first_at, :at) END"
            " WHERE id = :id",
            {"at": at, "id": incident},
        )

    def _move(self, change: Change, found: Mapping[str, int], into: int, work: _Work) -> None:
        """Move the context of an alarm into its incident."""
        for alert, left in found.items():
            if left == into:
                continue
            change.connection.execute(
                "UPDATE incident_alerts SET incident = ?, reason = reason || ? WHERE alert = ?",
                (into, f"; what came before the alarm, from incident {left}", alert),
            )
            for lists in (work.opened, work.grown):
                if alert in lists.get(left, []):
                    lists[left].remove(alert)
            work.moved.setdefault((left, into), []).append(alert)

    def _keep(self, change: Change, alert: Alert, incident: int, reason: str) -> None:
        change.connection.execute(_KEEP, _row(alert, incident, reason))

    def _settle(self, change: Change, work: _Work) -> None:
        self._empty(change, work)
        touched = {*work.opened, *work.grown, *work.revised, *work.merged.values()}
        touched |= {incident for both in work.moved for incident in both}
        for incident in sorted(touched - work.merged.keys()):
            after = refresh(change.connection, incident, self._clock.now())
            organization = after.pop("organization")
            for action, alerts in (
                ("incident.open", work.opened.get(incident)),
                ("incident.grow", work.grown.get(incident)),
                ("incident.revise", work.revised.get(incident)),
            ):
                if alerts:
                    change.record(
                        action,
                        f"incident:{incident}",
                        organization=organization,
                        alerts=alerts,
                        after=after,
                        version=after["version"],
                    )
            if work.is_news(incident):
                self._page(change, incident, organization, after)
        for other, incident in work.merged.items():
            change.record(
                "incident.merge",
                f"incident:{other}",
                organization=self._organization(change, other),
                into=incident,
                reason="an alert shares what both are about",
            )
        for (left, into), alerts in work.moved.items():
            organization = self._organization(change, left)
            for number, way in ((left, {"into": into}), (into, {"from": left})):
                change.record(
                    "incident.split",
                    f"incident:{number}",
                    organization=organization,
                    after={**way, "alerts": alerts},
                    reason="they came before an alarm on the same machine or address",
                )

    def _empty(self, change: Change, work: _Work) -> None:
        """Close what has no alert left as a duplicate of where the last of them went."""
        came = work.moved
        work.moved = {}
        for (left, into), alerts in came.items():
            # That incident may itself have joined another since, with what came to it.
            work.moved.setdefault((left, _last(work.merged, into)), []).extend(alerts)
        for left, into in work.moved:
            sql = "SELECT count(*) FROM incident_alerts WHERE incident = ?"
            if left not in work.merged and not change.connection.execute(sql, (left,)).get:
                join(change, left, into, stamp(self._clock.now()))
                work.merged[left] = into

    def _organization(self, change: Change, incident: int) -> str:
        sql = "SELECT organization FROM incidents WHERE id = ?"
        return str(change.connection.execute(sql, (incident,)).get)

    def _page(
        self, change: Change, incident: int, organization: str, after: Mapping[str, Any]
    ) -> None:
        if after["backfill"] or after["score"] < PAGE_SCORE or after["state"] != "new":
            return
        change.connection.execute(
            "INSERT INTO notifications (at, person, organization, incident, what)"
            " SELECT ?, ?, ?, ?, ? WHERE NOT EXISTS"
            " (SELECT 1 FROM notifications WHERE incident = ? AND person = ?)",
            (stamp(self._clock.now()), DUTY, organization, incident, "opened", incident, DUTY),
        )


def _last(merged: Mapping[int, int], incident: int) -> int:
    """Return where an incident has ended after all that joined each other."""
    while incident in merged:
        incident = merged[incident]
    return incident


def join(change: Change, other: int, into: int, now: str) -> None:
    """Move all alerts of one incident into another, and close it as its duplicate."""
    change.connection.execute(
        "UPDATE incident_alerts SET incident = ?, reason = reason || ?  WHERE incident = ?",
        (into, f"; came with incident {other}", other),
    )
    change.connection.execute(
        "UPDATE incidents SET state = 'closed', disposition = 'duplicate', merged_into = ?,"
        " closed_at = ?, updated_at = ?, version = version + 1, alarm_first_at = '',"
        " alarm_last_at = '' WHERE id = ?",
        (into, now, now, other),
    )


def _row(alert: Alert, incident: int, reason: str) -> dict[str, Any]:
    delay = alert.ingested_at - alert.seen_at if alert.seen_at else None
    confidence = alert.event.get("threat.indicator.confidence", "")
    return {
        "alert": alert.episode or alert.id,
        "incident": incident,
        "document": alert.id,
        "revision": alert.revision,
        "organization": alert.organization_id,
        "rule": alert.rule.id,
        "title": alert.rule.title,
        "level": LEVELS.index(alert.rule.level),
        "tactics": msgspec.json.encode(tactics_of(alert)).decode(),
        "asset_level": max(_small(alert.event.get(f"{side}.asset.level", "")) for side in SIDES),
        "confidence": min(100, _small(confidence)),
        "at": stamp(alert.seen_at or alert.ingested_at),
        "received_at": stamp(alert.ingested_at),
        "delay_s": None if delay is None else round(delay.total_seconds()),
        "reason": reason,
        "backfill": alert.retro or (delay is not None and delay > BACKFILL_AFTER),
        "withdrawn": alert.withdrawn,
    }


SIDES = ("host", "source", "destination")


def _small(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 3 else 0  # noqa: PLR2004 - a level or a percentage
