"""The shipper as a whole: order of durability, stopping, what it remembers."""

from __future__ import annotations

import functools
import gzip
import itertools
import re
from typing import TYPE_CHECKING

import pytest

from ingest.memory import MemoryLog
from ingest.shippers import outbox
from ingest.shippers.registry import rows
from ingest.shippers.ship import Shipper
from luytre.core.batch import TopicPartition
from luytre.core.clock import ManualClock
from luytre.core.config import FileInput, ShipConfig
from luytre.core.errors import NeighbourError
from luytre.core.message import EVENTS_TOPIC, Message
from tests.ingest.shippers.yard import Yard, take_apart

if TYPE_CHECKING:
    from pathlib import Path


class BrokenLog(MemoryLog):
    """Fails at the n-th flush, as a full disk does."""

    flushes_left = 1

    def flush(self) -> None:
        if self.flushes_left == 0:
            raise NeighbourError("disk full")
        self.flushes_left -= 1
        super().flush()


def settings_for(path: Path) -> ShipConfig:
    return ShipConfig(name="office", files=(FileInput(paths=(str(path),)),), message_events_max=10)


def test_nothing_is_remembered_that_the_log_did_not_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "FLUSH_BYTES", 200)
    path = tmp_path / "app.log"
    path.write_text("".join(f"line {number}\n" for number in range(100)))
    log = BrokenLog()
    shipper = Shipper(settings_for(path), "org", log, tmp_path, ManualClock())
    with pytest.raises(NeighbourError):
        shipper.pass_once()
    shipper.close()
    durable = take_apart(record.message for record in log.poll(0))
    again = Shipper(settings_for(path), "org", MemoryLog(), tmp_path, ManualClock())

    events = again.pass_once()
    again.close()

    assert len(durable) + events == 100
    assert 0 < len(durable) < 100


def test_a_stop_in_the_middle_of_a_backlog_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text("".join(f"line {number}\n" for number in range(1000)))
    log = MemoryLog()
    for asked in (3, 20, 200):
        shipper = Shipper(settings_for(path), "org", log, tmp_path, ManualClock())
        answers = itertools.chain([False] * asked, itertools.cycle([True]))
        shipper.run(functools.partial(next, answers))

    sent = take_apart(record.message for record in log.poll(0, bytes_max=2**40))
    assert [s.raw for s in sent] == [b"line %d" % number for number in range(1000)]
    assert [s.seq for s in sent] == list(range(1000))


def test_the_registry_says_what_was_sent(tmp_path: Path) -> None:
    yard = Yard(tmp_path)
    yard.append("app.log", "one\n\ntwo\nhal")
    yard.ship()

    (row,) = rows(tmp_path / "state")

    assert (row.organization, row.hint, row.path) == ("org", "auto", str(yard.folder / "app.log"))
    assert (row.place.seq, row.place.offset, row.size, row.finished) == (2, 9, 12, False)


def test_an_input_has_its_own_organization(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text("one\n")
    source = FileInput(paths=(str(path),), organization="commune", log_source="sshd")
    log = MemoryLog()
    shipper = Shipper(
        ShipConfig(name="office", files=(source,)), "province", log, tmp_path, ManualClock()
    )
    shipper.pass_once()
    shipper.close()

    headers = log.poll(0)[0].message.headers
    assert (headers["organization"], headers["hint"]) == ("commune", "sshd")


def test_an_inputs_zone_goes_with_its_messages(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "a.log").write_text("one\n")
    (folder / "b.log.gz").write_bytes(gzip.compress(b"two\n"))
    (folder / "c.json.gz").write_bytes(gzip.compress(b"[{},\n{}]"))
    log = MemoryLog()

    for name in ("+07:00", "Europe/Berlin"):
        source = FileInput(paths=(str(folder),), time_zone=name)
        settings = ShipConfig(name="office", files=(source,))
        shipper = Shipper(settings, "org", log, tmp_path, ManualClock())
        shipper.pass_once(final=True)
        shipper.close()
        with (folder / "a.log").open("a") as stream:
            stream.write("more\n")

    zones = [record.message.headers["zone"] for record in log.poll(0, bytes_max=2**40)]
    assert zones == ["+07:00"] * 3 + ["Europe/Berlin"]


def test_two_shippers_of_one_name_do_not_share_a_stream(tmp_path: Path) -> None:
    sent = []
    for machine in ("one", "clone"):
        (tmp_path / machine).mkdir()
        yard = Yard(tmp_path / machine)
        yard.append("app.log", "#header\nsame\n")
        yard.ship()
        sent.append(yard.sent())

    (one, *_), (clone, *_) = sent
    assert one.stream != clone.stream
    assert [s.id for s in sent[0]] == [s.id for s in sent[1]]


def test_a_shipper_keeps_its_streams_name_when_it_restarts(tmp_path: Path) -> None:
    yard = Yard(tmp_path, ("*.log",))
    yard.append("a.log", "a\n")
    yard.ship()
    yard.restart()
    yard.append("b.log", "b\n")
    yard.ship()

    shippers = {s.stream.rpartition("/")[0] for s in yard.sent()}
    assert len(shippers) == 1
    assert re.fullmatch("office/[0-9a-f]{16}", shippers.pop())


def test_the_log_in_memory_gives_back_what_was_flushed() -> None:
    log = MemoryLog(group="detect", partitions=2)
    for number in range(4):
        log.send(EVENTS_TOPIC, Message(b"key%d" % number, b"x"))
    before = log.poll(0)
    log.flush()
    first, rest = log.poll(0, bytes_max=1), log.poll(0)
    place = TopicPartition(first[0].topic, first[0].partition)
    log.commit({place: 1})
    log.seek(place, 0)

    assert (len(before), len(first), len(rest)) == (0, 1, 3)
    assert log.committed("detect", EVENTS_TOPIC) == {place: 1}
    assert log.committed("other", EVENTS_TOPIC) == {}
    assert log.poll(0)[0] == first[0]
    assert sum(log.ends(EVENTS_TOPIC).values()) == 4
    assert set(log.starts(EVENTS_TOPIC)) == log.assignment()
    assert log.names() == [EVENTS_TOPIC]
