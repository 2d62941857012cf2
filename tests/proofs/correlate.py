"""Proof: one log, whatever way it arrives, gives one set of current alerts: the replay's in order.

A way is a shuffle within each stream's lateness, offices that are offline for hours, duplicates,
batches cut at random, and crashes after which the state is read again from what was committed.
"""

import hashlib
import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from detections.correlate import Correlator, Lateness
from detections.correlation import Bound, Condition, Correlation, Extension, Operator, Type
from detections.correlation_condition import parse_expression
from luytre.core.alert import Alert, RuleCard, decode_alert
from luytre.core.batch import TopicPartition
from luytre.core.clock import ManualClock
from luytre.core.matches import Bundler, Match
from luytre.core.message import ALERTS_TOPIC, MATCHES_TOPIC, Message, Record
from luytre.processor.correlate import CorrelateSink, Reached
from luytre.processor.correlate_once import correlate_once

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
S = 1_000_000
NOON_US = int(NOON.timestamp()) * S
LATE_S = 900
EVENTS = 150
PARTITIONS = 3
RESTARTS, SETTLES = 0.1, 0.3
STREAMS = ("hq/1", "hq/2", "office/1", "office/2", "office/3")
RULES = ("a", "b", "c")


@dataclass(slots=True)
class Outcome:
    """How many ways there were, what happened in them, and which of them differ."""

    ways: int = 0
    matches: int = 0
    arrivals: int = 0
    restarts: int = 0
    documents: int = 0
    withdrawn: int = 0
    alerts: int = 0
    digest: str = ""
    differing: list[str] = field(default_factory=list)


def rules() -> list[Correlation]:
    """Return a correlation of every type, and two of which one rests on the other."""
    plain = [
        _rule("count", "event_count", ("gte", 4)),
        _rule("few", "event_count", ("lt", 2), timespan_s=300),
        _rule("values", "value_count", ("gte", 3)),
        _rule("sum", "value_sum", ("gt", 12.5)),
        _rule("mean", "value_avg", ("gte", 6)),
        _rule("share", "value_percentile", ("lte", 25)),
        _rule("high", "value_percentile", ("gt", 6), percentile=90),
        _rule("median", "value_median", ("gte", 5)),
        _rule("all", "temporal", ("gte", 3)),
        _rule("not", "temporal", expression="a and not (b or c)", timespan_s=120),
        _rule("chain", "temporal_ordered", ("gte", 3)),
    ]
    child = _rule("child", "event_count", ("gte", 3), group_by="Host", carried=("User",))
    parent = _rule("parent", "temporal_ordered", ("gte", 2), timespan_s=1_800, rules=("child", "a"))
    return [*plain, *ours(), child, parent]


def ours() -> list[Correlation]:
    """Return rules that go beyond Sigma."""
    new = _rule("new", "value_count", ("gte", 2), timespan_s=7_200)
    spike = _rule("spike", "event_count", ("gte", 3), timespan_s=900)
    silence = _rule("silence", "event_count", ("lt", 1), timespan_s=1_200)
    return [
        replace(new, extension=Extension("first_seen", learning_s=1_800, at_most=1)),
        replace(spike, extension=Extension("spike", 1_800, baseline_s=7_200, factor=1.5)),
        replace(silence, extension=Extension("silence")),
    ]


def _rule(
    name: str,
    kind: Type,
    *bounds: tuple[Operator, float],
    timespan_s: int = 600,
    percentile: float | None = None,
    expression: str = "",
    group_by: str = "User",
    carried: tuple[str, ...] = (),
    rules: tuple[str, ...] = RULES,
) -> Correlation:
    fields = ("F",) if kind.startswith("value") else ()
    tree = parse_expression(expression, RULES) if expression else None
    condition = Condition("", tuple(Bound(*b) for b in bounds), fields, percentile, tree)
    card = RuleCard(name, name, "high", "v1")
    return Correlation(card, name, kind, rules, (group_by,), timespan_s, condition, carried=carried)


def log(correlations: Sequence[Correlation], seed: int) -> list[Match]:
    """Return some hours of matches in order: bursts and pauses, ties, two organisations."""
    dice = random.Random(seed)
    second, found = 0.0, list[Match]()
    for number in range(EVENTS):
        second += dice.choice([0, 1, 5, 20, 60, 120, 300, 599, 600, 601])
        time_us = NOON_US + int(second) * S
        user, host = dice.choice("uuv"), dice.choice("hi")
        place = dice.choice([0, 0, 1, 2])
        stream = dice.choice(STREAMS)
        event = hashlib.sha256(f"{seed}/{number}".encode()).hexdigest()
        value = dice.choice(["", "1", "2.5", "7", "9", "x"])
        for rule in correlations:
            if rule.name == "parent" and place:
                continue
            found.append(
                Match(
                    rule=rule.card.id,
                    organization="o1" if stream < "office/2" else "o2",
                    group=(host if rule.name == "child" else user,),
                    event_id=event,
                    time_us=time_us,
                    ingested_us=time_us,
                    stream=stream,
                    met=(1,) if rule.name == "parent" else (place,),
                    value=value,
                    carried=(user,) if rule.carried else (),
                )
            )
    return found


def prove(ways: int, seed: int, first: int = 0) -> Outcome:
    """Run a log through many ways, numbered from ``first``, and compare with the replay."""
    correlations = rules()
    matches = log(correlations, seed)
    expected = current(correlate_once(correlations, matches, ManualClock()))
    outcome = Outcome(matches=len(matches), alerts=len(expected))
    outcome.digest = hashlib.sha256(json.dumps(sorted(expected.items())).encode()).hexdigest()
    for way in range(first, first + ways):
        house = House(correlations, random.Random(f"{seed}/{way}"))
        house.play(matches)
        found = current(house.alerts())
        outcome.ways += 1
        outcome.arrivals += house.arrivals
        outcome.restarts += house.restarts
        outcome.documents += len(house.sent)
        outcome.withdrawn += sum(alert.withdrawn for alert in house.alerts())
        if found != expected:
            outcome.differing.append(f"way {seed}/{way}: {_difference(expected, found)}")
    return outcome


def _difference(expected: Mapping[str, str], found: Mapping[str, str]) -> str:
    keys = [e for e in expected.keys() | found.keys() if expected.get(e) != found.get(e)]
    return "; ".join(f"{expected.get(key)} became {found.get(key)}" for key in sorted(keys)[:2])


def current(alerts: Iterable[Alert]) -> dict[str, str]:
    """Return what a store shows of each episode: how it is known and when are no part of it."""
    newest: dict[str, Alert] = {}
    for alert in alerts:
        known = newest.get(alert.episode)
        if known is None or alert.revision > known.revision:
            newest[alert.episode] = alert
    return {
        episode: json.dumps(
            [
                alert.rule.id,
                alert.organization_id,
                alert.event_id,
                dict(alert.event),
                list(alert.events),
                [[r.selection, r.pattern, r.value] for r in alert.reasons],
                str(alert.seen_at),
            ]
        )
        for episode, alert in newest.items()
        # Who is silent in the end is so by different clocks: the replay has that of the events.
        if not alert.withdrawn and not (alert.rule.id == "silence" and len(alert.events) == 1)
    }


def place_of(message: Message) -> int:
    """Return the partition of a message, as any producer would choose it: by its key."""
    return int(hashlib.sha256(message.key).hexdigest(), 16) % PARTITIONS


class House:
    """One way: a log with a clock of its own, and the correlate loop that dies now and then."""

    def __init__(self, correlations: Sequence[Correlation], dice: random.Random) -> None:
        self._correlations, self._dice = correlations, dice
        self._clock = ManualClock(NOON)
        self._places = [TopicPartition(MATCHES_TOPIC, n) for n in range(PARTITIONS)]
        self._topic: dict[TopicPartition, list[Record]] = {place: [] for place in self._places}
        self._next = dict.fromkeys(self._places, 0)
        self._committed: dict[TopicPartition, int] = {}
        self._reached: dict[TopicPartition, Reached] = {}
        self.sent: list[bytes] = []
        self.arrivals = self.restarts = 0
        self._now = NOON
        self._bundler = Bundler()
        self._sink = self._started()

    # The log: what the sink needs of it.
    def send(self, topic: str, message: Message) -> None:
        if topic == ALERTS_TOPIC:
            self.sent.append(message.value)
            return
        place = self._places[place_of(message)]
        log = self._topic[place]
        log.append(Record(*place, len(log), self._now, message))

    def flush(self) -> None:
        """All is there at once."""

    def close(self) -> None:
        """Nothing is open."""

    # How far it was read: ``Memory``.
    def load(self) -> Mapping[TopicPartition, Reached]:
        return dict(self._reached)

    def save(self, reached: Mapping[TopicPartition, Reached]) -> None:
        self._reached.update(reached)

    def alerts(self) -> list[Alert]:
        """Return every document that was sent, in order."""
        return [decode_alert(value) for value in self.sent]

    def play(self, matches: Sequence[Match]) -> None:
        """Let the log arrive, and read it."""
        for at_us, batch in arrivals(matches, self._dice):
            now = NOON + timedelta(microseconds=at_us - NOON_US)
            self._clock.advance(max(0.0, (now - self._now).total_seconds()))
            self._now = self._clock.now()
            for message in self._bundler.messages(batch):
                self.send(MATCHES_TOPIC, message)
            self._read()
            if not self.arrivals:  # a house that has run for a while
                self._committed.update(self._sink.settle(drain=True))
            elif self._dice.random() < SETTLES:
                self._commit()
            self.arrivals += len(batch)
            if self._dice.random() < RESTARTS:
                self._sink = self._started()
                self.restarts += 1
        while self._read():
            self._commit()
        self._commit()
        while self._read():  # results of what was sent last
            self._commit()

    def _started(self) -> CorrelateSink:
        self._next.update(dict.fromkeys(self._places, 0) | self._committed)
        correlator = Correlator(self._correlations, self._clock, Lateness(LATE_S))
        return CorrelateSink(correlator, self, self, self._clock, flush_s=0)

    def _commit(self) -> None:
        offsets = self._sink.settle(drain=True)
        if self._dice.random() < 0.9:  # else it died before it could commit
            self._committed.update(offsets)

    def _read(self) -> bool:
        records = []
        for place in self._places:
            new = self._topic[place][self._next[place] :]
            records += new[: self._dice.choice([1, 5, 100]) if self.arrivals else None]
        self._sink.write(records)
        for record in records:
            self._next[TopicPartition(record.topic, record.partition)] = record.offset + 1
        return bool(records)


def arrivals(matches: Sequence[Match], dice: random.Random) -> Iterator[tuple[int, list[Match]]]:
    """Yield batches of the log as they may arrive, each with the time of the log's clock."""
    behind = {stream: dice.choice([0, 0, 600, 3_600, 5 * 3_600]) for stream in STREAMS}
    at = {}
    for match in matches:
        delay_s = behind[match.stream] + dice.uniform(0, LATE_S)
        at[match.event_id] = match.time_us + int(delay_s * S)
    order = sorted(matches, key=lambda match: (at[match.event_id], dice.random()))
    # Who was never heard of cannot be waited for: every stream is heard in every partition first.
    first = {(m.stream, place_of(Bundler().messages([m])[0])): m for m in reversed(matches)}
    yield max(at[match.event_id] for match in first.values()), list(first.values())
    order = [match for match in order if match not in first.values()]
    for again in dice.sample(order, len(order) // 10):
        place = order.index(again)
        order.insert(dice.randint(place, min(len(order), place + 200)), again)
    while order:
        size = dice.choice([1, 3, 10, 50, 300])
        yield max(at[match.event_id] for match in order[:size]), order[:size]
        order = order[size:]
