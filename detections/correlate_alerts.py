"""Episodes of correlations as alerts, and as matches of the correlations above."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from luytre.core.alert import Alert, Reason
from luytre.core.cells import MARK, fold
from luytre.core.matches import PROVINCE, RESULT, Match

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from detections.correlate_bounds import Exact
    from detections.correlate_episode import Episode, Span
    from detections.correlation import Correlation

Key = tuple[str, str, tuple[str, ...]]

PART = "correlation"
"""The part of an alert that is about many events."""

_VALUES_MAX = 5
REASONS_MAX = 20
"""Events that the reasons show; ``events`` names more."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def episode_id(key: Key, first: str) -> str:
    """Return the id of an episode: rule, organisation, group values, id of its first event."""
    return hashlib.sha256(msgspec.json.encode((*key, first))).hexdigest()


def content_digest(correlation: Correlation, key: Key, episode: Episode) -> str:
    """Return the digest of what an alert says; how and when it became known is no part of it."""
    span = episode.span
    content = (
        key,
        correlation.card.version,
        (span.first_us, span.last_us, shown(span.measured)),
        episode.size,
        [
            # What happened when never changes, except of a result.
            (match.event_id, match.time_us) if match.revision else match.event_id
            for match in episode.listed
        ],
        episode.lossy,
    )
    return hashlib.sha256(msgspec.json.encode(content)).hexdigest()


def document_id(episode: str, digest: str, revision: int | None) -> str:
    """Return the id of one state of an episode; ``revision`` if it was in this state before."""
    return hashlib.sha256(f"{episode}\n{digest}\n{revision or ''}".encode()).hexdigest()


class Identity(NamedTuple):
    """Which document of which episode an alert is, and which episodes it takes the place of."""

    document: str
    episode: str
    revision: int
    supersedes: tuple[str, ...]


def alert_of(
    correlation: Correlation,
    key: Key,
    episode: Episode,
    identity: Identity,
    detected_at: datetime,
    before: Alert | None = None,
) -> Alert:
    """Return the alert of an episode; ``before`` is what was said of it last."""
    first, span = episode.listed[0], episode.span
    event = dict(zip(correlation.group_by, key[2], strict=True))
    event |= dict(zip(first.columns, key[2], strict=False))
    event |= {
        "luytre.correlation.type": correlation.type,
        "luytre.correlation.timespan_s": str(correlation.timespan_s),
        "luytre.correlation.events": str(episode.size),
        "luytre.correlation.measured": shown(span.measured),
        "luytre.correlation.first_fired": time_of(span.first_us).isoformat(),
        "luytre.correlation.last_fired": time_of(span.last_us).isoformat(),
    }
    if correlation.extension is not None:
        event["luytre.correlation.extension"] = correlation.extension.kind
        values = dict.fromkeys(match.value for match in episode.listed if match.value)
        if values:
            event["luytre.correlation.values"] = ", ".join(list(values)[:_VALUES_MAX])
    if episode.lossy:
        event["luytre.correlation.folded"] = "true"
    return Alert(
        id=identity.document,
        rule=correlation.card,
        event_id=first.event_id,
        organization_id=key[1],
        seen_at=time_of(first.time_us),
        ingested_at=time_of(first.ingested_us),
        detected_at=detected_at,
        part=PART,
        reasons=(_condition(correlation, episode), *_met(correlation, episode, before)),
        event=event,
        original=b"",
        versions={"rules": correlation.card.version},
        episode=identity.episode,
        revision=identity.revision,
        supersedes=identity.supersedes,
        events=tuple([match.event_id for match in episode.listed]),
    )


def _condition(correlation: Correlation, episode: Episode) -> Reason:
    """Return the condition with what was measured."""
    field = ", ".join(correlation.condition.fields)
    return Reason(
        selection="condition",
        field=field,
        column=field,
        operation=correlation.type,
        pattern=correlation.condition.text,
        value=shown(episode.span.measured),
    )


def _met(correlation: Correlation, episode: Episode, before: Alert | None) -> list[Reason]:
    """Return each listed event with the rules it met.

    An episode that grows keeps its first events, and to say them anew was half the cost of it.
    """
    reasons: list[Reason] = []
    known = iter(() if before is None else before.reasons[1:])
    for match in episode.listed[:REASONS_MAX]:
        same = next(known, None)
        if same is not None and same.value == match.event_id and not match.revision:
            reasons.append(same)
            continue
        # A match that was made when the correlation had more rules may name one that is gone.
        rules = [correlation.rules[p] for p in match.met if p < len(correlation.rules)]
        at = time_of(match.time_us).isoformat()
        reasons.append(
            Reason(", ".join(rules), "@timestamp", "event.id", "matched", at, match.event_id)
        )
    return reasons


def shown(measured: Exact) -> str:
    """Return a measured number as people read it: up to six decimals."""
    millionths = round(measured * 10**6)
    whole, part = divmod(abs(millionths), 10**6)
    return f"{'-' if millionths < 0 else ''}{whole}.{part:06}".rstrip("0").rstrip(".")


def time_of(time_us: int) -> datetime:
    """Return microseconds since 1970 as a time."""
    return _EPOCH + timedelta(microseconds=time_us)


class Parents:
    """The correlations that count one correlation's results, and the matches they get of them."""

    def __init__(self, correlation: Correlation, above: Sequence[Correlation]) -> None:
        self._correlation = correlation
        self._above = [(c, c.rules.index(correlation.card.id)) for c in above]

    def __bool__(self) -> bool:
        return bool(self._above)

    @property
    def steady(self) -> bool:
        """Whether all that the correlations above read is what this one groups by."""
        return set(self._correlation.carried) <= set(self._correlation.group_by)

    def matches(
        self, key: Key, span: Span, first: Match, episode: str, carried: Iterable[tuple[str, ...]]
    ) -> list[Match]:
        """Return the matches of an episode: one for each group that its events belong to above."""
        stream = f"{RESULT}{key[0]}/{episode_id(key, '')[:16]}"
        found: dict[Key, Match] = {}
        for values in carried:
            fields = dict(zip(self._correlation.carried, values, strict=True))
            for above, place in self._above:
                match = _result(above, place, fields, self._correlation.card.id)
                if match is None:
                    continue
                match = msgspec.structs.replace(
                    match,
                    organization=PROVINCE if above.province_wide else key[1],
                    event_id=episode,
                    time_us=span.first_us,
                    ingested_us=first.ingested_us,
                    stream=stream,
                )
                found.setdefault(match.key, match)
        return list(found.values())


def _result(above: Correlation, place: int, fields: Mapping[str, str], rule: str) -> Match | None:
    def values(names: Sequence[str]) -> list[str]:
        return [fields.get(above.field(name, rule), "") for name in names]

    group = values(above.group_by)
    if not all(group):
        return None
    valued = values(above.condition.fields)
    return Match(
        rule=above.card.id,
        organization="",
        group=tuple(map(fold, group)),
        event_id="",
        time_us=0,
        ingested_us=0,
        stream="",
        met=(place,),
        value=MARK.join(valued) if all(valued) else "",
        carried=tuple(values(above.carried)),
        columns=above.group_by,
    )
