"""The correlate loop: alerts for matches of the log, the same after any restart."""

import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from detections.correlate import Correlator, Lateness
from detections.correlate_place import Saved
from detections.correlate_streams import SavedStreams
from detections.correlation import Bound, Condition, Correlation
from ingest.embedded import EmbeddedLog
from luytre.core.alert import Alert, RuleCard, decode_alert
from luytre.core.batch import TopicPartition
from luytre.core.clock import SystemClock
from luytre.core.config import LogConfig
from luytre.core.matches import Bundler, Match
from luytre.core.message import ALERTS_TOPIC, MATCHES_TOPIC, Consumer, Message, Record
from luytre.processor.correlate import CorrelateSink, Reached, ReachedFile
from luytre.processor.run import Loop

NOON_US = int(datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp()) * 1_000_000
CHILD, PARENT = "many", "many-then-success"


def _rule(name: str, kind: str, rules: tuple[str, ...], at_least: int) -> Correlation:
    return Correlation(
        card=RuleCard(name, name, "high", "v1"),
        name=name,
        type="event_count" if kind == "event_count" else "temporal_ordered",
        rules=rules,
        group_by=("User",),
        timespan_s=600,
        condition=Condition("", (Bound("gte", at_least),)),
        carried=("User",) if name == CHILD else (),
    )


RULES = [
    _rule(CHILD, "event_count", ("failed",), 4),
    _rule(PARENT, "temporal_ordered", (CHILD, "success"), 2),
]


def _match(rule: str, user: str, number: int, met: int = 0) -> Match:
    time_us = NOON_US + number * 1_000_000
    return Match(
        rule=rule,
        organization="org",
        group=(user,),
        event_id=f"{rule}{user}{number}",
        time_us=time_us,
        ingested_us=time_us,
        stream="s/1",
        met=(met,),
        carried=(user,) if rule == CHILD else (),
    )


def _day() -> list[Match]:
    """Return failed logins of three users, each with a success at its end."""
    failed = [_match(CHILD, f"u{n % 3}", n * 7) for n in range(60)]
    return [*failed, *(_match(PARENT, f"u{n}", 60 * 7 + n, 1) for n in range(3))]


class PowerCut(Exception):  # noqa: N818 - named for what happened
    """Stands for the end of the process: nothing after it runs."""


class House:
    """A log in a folder; each ``correlate`` is a process of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def log(self) -> EmbeddedLog:
        settings = LogConfig(partitions=2, session_timeout_s=0.01)
        return EmbeddedLog(self._folder / "log", settings, SystemClock())

    def send(self, matches: Iterable[Match]) -> None:
        producer = self.log().producer()
        for match in matches:
            for message in Bundler().messages([match]):
                producer.send(MATCHES_TOPIC, message)
        producer.flush()

    def correlate(self, turns: int, *, reached: bool = True) -> None:
        """Read for some turns and die without a word."""
        log = self.log()
        file = ReachedFile(self._folder / ("reached" if reached else f"lost{turns}"))
        sink = CorrelateSink(
            Correlator(RULES, SystemClock(), Lateness()),
            log.producer(),
            file,
            SystemClock(),
            flush_s=0,
        )
        loop = Loop("correlate", sink, SystemClock())
        consumer = log.consumer("correlate", MATCHES_TOPIC, on_revoke=loop.on_revoke)
        with pytest.raises(PowerCut):
            loop.run(_Dying(consumer, turns), lambda: False)
        file.close()

    def alerts(self) -> set[tuple[str, str, str]]:
        """Return what is current: rule, user, and how many events."""
        newest: dict[str, Alert] = {}
        consumer = self.log().consumer("look", ALERTS_TOPIC)
        for record in (r for records in iter(lambda: consumer.poll(0), []) for r in records):
            alert = decode_alert(record.message.value)
            known = newest.get(alert.episode)
            if known is None or alert.revision > known.revision:
                newest[alert.episode] = alert
        return {
            (a.rule.id, a.event["User"], a.event["luytre.correlation.events"])
            for a in newest.values()
            if not a.withdrawn
        }


class _Dying:
    """The embedded log's consumer, a few records at a time, until the process is to die."""

    def __init__(self, consumer: Consumer, turns: int) -> None:
        self.commit, self.seek = consumer.commit, consumer.seek
        self.assignment, self.keep_alive = consumer.assignment, consumer.keep_alive
        self.close = consumer.close
        self._poll, self._left = consumer.poll, turns

    def poll(self, timeout_s: float, *, bytes_max: int = 16 * 2**20) -> Sequence[Record]:
        self._left -= 1
        if self._left < 0:
            raise PowerCut
        return self._poll(min(timeout_s, 0.01), bytes_max=min(bytes_max, 6_000))


EXPECTED = {
    *((CHILD, f"u{n}", "20") for n in range(3)),
    *((PARENT, f"u{n}", "2") for n in range(3)),
}


@pytest.mark.parametrize(
    "lives",
    [
        pytest.param([25], id="one process"),
        pytest.param([1, 25], id="died at once"),
        pytest.param([3, 4, 5, 25], id="died several times"),
        pytest.param([25, 25], id="started again"),
    ],
)
@pytest.mark.parametrize("known", ["reached is known", "reached is lost"])
def test_alerts_are_the_same_however_often_it_dies(
    tmp_path: Path, lives: list[int], known: str
) -> None:
    house = House(tmp_path)
    matches = _day()
    random.Random(1).shuffle(matches)
    house.send(matches)

    for turns in lives:
        house.correlate(turns, reached=known == "reached is known")

    assert house.alerts() == EXPECTED


def test_commits_the_lowest_offset_that_is_needed(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.send(_match(CHILD, "u0", n) for n in range(20))
    house.correlate(15)
    committed = house.log().topics().committed("correlate", MATCHES_TOPIC)

    # An hour and a day later nothing can meet these any more.
    house.send([_match(CHILD, "u0", 90_000 + n * 3_600) for n in range(2)])
    house.correlate(15)
    later = house.log().topics().committed("correlate", MATCHES_TOPIC)

    assert max(committed.values()) == 0
    assert max(later.values()) >= 20


def test_a_damaged_message_is_passed_over(tmp_path: Path) -> None:
    house = House(tmp_path)
    producer = house.log().producer()
    producer.send(MATCHES_TOPIC, Message(b"k", b"no json"))
    producer.flush()
    house.send(_day())

    house.correlate(25)

    assert house.alerts() == EXPECTED


def test_reached_is_kept(tmp_path: Path) -> None:
    place = TopicPartition(MATCHES_TOPIC, 1)
    file = ReachedFile(tmp_path / "reached")
    assert file.load() == {}
    streams = SavedStreams([("org", "s/1", 5, 6)], {"org": 4})
    reached = Reached(7, Saved(1, streams, {"org": 3}, [("r", "org", ("u",), 2)]))

    file.save({place: reached})
    file.close()

    assert ReachedFile(tmp_path / "reached").load() == {place: reached}
