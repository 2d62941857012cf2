"""What of a group's episodes has been sent, and what must be sent now that they have changed.

An episode that appears, changes its beginning, or vanishes is sent at once. One that only grows is
sent again when it has doubled, and with the next flush. So the number of documents stays small
however long an attack lasts, and which episodes were ever sent follows from the log alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import msgspec

from detections.correlate_alerts import (
    Identity,
    Key,
    alert_of,
    content_digest,
    document_id,
    episode_id,
)
from detections.correlate_episode import Span
from luytre.core.alert import Alert
from luytre.core.matches import Match

if TYPE_CHECKING:
    from detections.correlate_alerts import Parents
    from detections.correlate_episode import Episode
    from detections.correlate_group import Group
    from detections.correlation import Correlation
    from detections.extension_silence import SilenceGroup
    from luytre.core.clock import Clock

_WITHDRAWN = "withdrawn"
_PAST_MAX = 16
"""Former states of one episode that are remembered, in case it comes back to one."""


AnyGroup: TypeAlias = "Group | SilenceGroup"


@dataclass(frozen=True, slots=True)
class Found:
    """Alerts for people, and matches for the correlations above."""

    alerts: list[Alert]
    matches: list[Match]

    def add(self, other: Found) -> None:
        self.alerts.extend(other.alerts)
        self.matches.extend(other.matches)


class Now(NamedTuple):
    """Where the log is read: a time that grows with every message, by which revisions are numbered.

    What lies before ``since_offset`` was read by an earlier start.
    """

    us: int
    since_offset: int


@dataclass(slots=True)
class _Sent:
    """What was last sent of an episode: ``size`` and ``span`` then, and its former states.

    ``seen`` is the span as the group had it last. ``was_known``: it may have been sent, and
    withdrawn, by an earlier start.
    """

    first: str
    episode: str
    span: Span
    size: int
    seen: Span | None = None
    was_known: bool = False
    latest: Alert | None = None
    digest: str = ""
    revision: int = 0
    past: list[str] = field(default_factory=list)
    results: dict[Key, Match] = field(default_factory=dict)
    dirty: bool = True
    covers: list[str] = field(default_factory=list)


class Publisher:
    """Sends what one group shows. Its list of what was sent runs beside ``group.spans``."""

    def __init__(self, correlation: Correlation, key: Key, parents: Parents, clock: Clock) -> None:
        self._correlation, self._key, self._parents = correlation, key, parents
        self._clock = clock
        self._sent: list[_Sent] = []
        self._gone: dict[str, _Sent] = {}
        self._now = Now(0, 0)

    def ended(self, spans: int) -> None:
        """Forget the first ``spans``, which are over."""
        del self._sent[:spans]

    def settled(self, group: AnyGroup, horizon_us: int) -> None:
        """Take as sent what had ended before ``horizon_us``: an earlier start saw to it."""
        for sent, span in zip(self._sent, group.spans, strict=True):
            if group.closed(span, horizon_us):
                sent.dirty = False

    def touch(self) -> None:
        """Have the oldest episode sent with the next flush: it was counted beside the others."""
        for sent in self._sent[:1]:
            sent.dirty = True

    def update(self, group: AnyGroup, found: Found, *, at: Now, silent: bool) -> bool:
        """Send what has appeared or vanished, or doubled; tell whether something has only grown."""
        self._now = at
        if group.grew and self._sent:
            return self._update_last(group, found, silent=silent)
        since = group.changed
        known = {sent.first: sent for sent in self._sent[since:]}
        now: list[_Sent] = []
        for span in group.spans[since:]:
            first = group.first(span).event_id
            sent = known.pop(first, None) or self._new(first, span, group)
            sent.dirty |= group.replaced or sent.span != span or sent.size != group.size(span)
            sent.seen = span
            now.append(sent)
        group.replaced = False
        self._sent[since:] = now
        gone = list(known.values())
        for sent, span in zip(now, group.spans[since:], strict=True):
            sent.covers = [other.episode for other in gone if _covers(group, span, other.span)]
            if sent.dirty:
                self._grown(sent, span, group, found, silent=silent)
        for other in gone:
            self._withdraw(other, found, silent=silent)
        return any(sent.dirty for sent in now)

    def _update_last(self, group: AnyGroup, found: Found, *, silent: bool) -> bool:
        """Do what ``update`` does where only the last episode can have grown."""
        sent, span = self._sent[-1], group.spans[-1]
        if span is not sent.seen:
            sent.seen, sent.covers, sent.dirty = span, [], True
            if self._parents or silent or group.most >= 2 * sent.size:
                self._grown(sent, span, group, found, silent=silent)
        return sent.dirty

    def _new(self, first: str, span: Span, group: AnyGroup) -> _Sent:
        back = self._gone.pop(first, None)
        if back is not None:
            return back
        was_known = group.first_offset(span) < self._now.since_offset
        return _Sent(first, episode_id(self._key, first), span, 0, was_known=was_known)

    def _grown(
        self, sent: _Sent, span: Span, group: AnyGroup, found: Found, *, silent: bool
    ) -> None:
        size = group.size(span)
        if silent:
            # What was sent is not known exactly: the next flush sends it, once more or anew.
            sent.span, sent.size = span, size
            return
        if size >= 2 * sent.size or sent.covers:
            self._send(sent, span, group, found)
        elif self._parents and not (self._parents.steady and sent.span.first_us == span.first_us):
            self._send_results(sent, span, group, found)

    def flush(self, group: AnyGroup, found: Found, at: Now) -> None:
        """Send what has grown."""
        self._now = at
        for sent, span in zip(self._sent, group.spans, strict=True):
            if sent.dirty:
                self._send(sent, span, group, found)

    def _send(self, sent: _Sent, span: Span, group: AnyGroup, found: Found) -> None:
        sent.dirty = False
        sent.span, sent.size = span, group.size(span)
        if self._correlation.alerts:
            self._send_alert(sent, group.episode(span), found)
        if self._parents:
            self._send_results(sent, span, group, found)

    def _send_alert(self, sent: _Sent, episode: Episode, found: Found) -> None:
        digest = content_digest(self._correlation, self._key, episode)
        if digest == sent.digest:
            return
        back = digest in sent.past or sent.was_known
        sent.past = [*sent.past[-_PAST_MAX:], sent.digest] if sent.digest else []
        sent.digest = digest
        sent.revision = max(self._now.us, sent.revision + 1)
        identity = Identity(
            document_id(sent.episode, digest, sent.revision if back else None),
            sent.episode,
            sent.revision,
            tuple(sorted(sent.covers)),
        )
        now = self._clock.now()
        sent.latest = alert_of(self._correlation, self._key, episode, identity, now, sent.latest)
        found.alerts.append(sent.latest)

    def _withdraw(self, sent: _Sent, found: Found, *, silent: bool) -> None:
        if silent:
            return
        sent.size, sent.dirty = 0, True
        sent.revision = max(self._now.us, sent.revision + 1)
        if sent.latest is not None:
            sent.past.append(sent.digest)
            sent.digest = _WITHDRAWN
            sent.latest = replace(
                sent.latest,
                id=document_id(sent.episode, _WITHDRAWN, sent.revision),
                revision=sent.revision,
                detected_at=self._clock.now(),
                withdrawn=True,
            )
            found.alerts.append(sent.latest)
        self._replace_results(sent, {}, found)
        self._gone[sent.first] = sent
        while len(self._gone) > _PAST_MAX:
            del self._gone[next(iter(self._gone))]

    def _send_results(self, sent: _Sent, span: Span, group: AnyGroup, found: Found) -> None:
        carried = group.carried(span)
        first = group.first(span)
        matches = self._parents.matches(self._key, span, first, sent.episode, carried)
        now = {
            match.key: msgspec.structs.replace(match, revision=self._now.us) for match in matches
        }
        self._replace_results(sent, now, found)

    def _replace_results(self, sent: _Sent, now: dict[Key, Match], found: Found) -> None:
        """Send the results that are new or at another time, and withdraw those that are no more."""
        for key, old in sent.results.items():
            match = now.get(key)
            if match is None and old.withdrawn:
                now[key] = old
            elif match is None:
                revision = max(self._now.us, old.revision + 1)
                now[key] = msgspec.structs.replace(old, revision=revision, withdrawn=True)
            elif match == msgspec.structs.replace(old, revision=match.revision):
                now[key] = old
            else:
                revision = max(match.revision, old.revision + 1)
                now[key] = msgspec.structs.replace(match, revision=revision)
        found.matches.extend(m for key, m in now.items() if m is not sent.results.get(key))
        sent.results = now


def _covers(group: AnyGroup, span: Span, other: Span) -> bool:
    return span.first_us - group.timespan_us < other.first_us <= span.last_us
