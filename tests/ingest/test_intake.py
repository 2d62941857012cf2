"""From records to batches: nothing lost, nothing raised, identities kept."""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.dead_letter import replay_messages
from ingest.intake import REJECTED, Intake
from ingest.ledger import Ledger, SeenSequences
from ingest.logsources import HINTS
from luytre.core.batch import Batch, TopicPartition
from luytre.core.cells import NULL
from luytre.core.ecs import ENVELOPE, PROVENANCE, REJECTS
from luytre.core.message import Message, Record
from tests.ingest.logsources.samples import RECEIVED, read, record, time

SSHD = b"Mar  1 11:59:00 web-1 sshd[42]: Accepted password for ann from 192.0.2.7 port 1 ssh2"


def message(lines: Sequence[bytes], *, first: int = 0, offset: int = 0, **headers: str) -> Record:
    known = {
        "stream": "office-1/f", "first_seq": str(first), "count": str(len(lines)),
        "origin": "o", "position": "seq", "organization": "xa-1",
    }  # fmt: skip
    value = Message(b"k", b"\n".join(lines), known | headers)
    return Record("events", 3, offset, RECEIVED, value)


def nothing(_part: object) -> frozenset[str]:
    return frozenset()


def test_no_records_are_no_batches() -> None:
    assert Intake(nothing)([]) == []


def test_batches_have_the_envelope_and_the_needed_columns_in_order() -> None:
    needed = frozenset({"user.name", "no.such.column", "event.dataset"})

    [batch] = Intake(lambda _part: needed)([message([SSHD])])

    added = {"user.name": pl.String(), "event.dataset": pl.String()}
    assert dict(batch.events.schema) == ENVELOPE | PROVENANCE | added
    assert batch.events["user.name"].to_list() == ["ann"]
    assert batch.events["event.dataset"].to_list() == ["linux.sshd"]
    assert batch.rejects.schema == pl.Schema(REJECTS)


def test_envelope() -> None:
    [batch] = Intake(nothing)([message([SSHD], first=7, offset=5)])

    digest = hashlib.sha256(SSHD).hexdigest()
    assert batch.events.row(0, named=True) == {
        "event.id": hashlib.sha256(f"o\n7\n{digest}".encode()).hexdigest(),
        "@timestamp": datetime(2026, 3, 1, 11, 59, tzinfo=UTC),
        "event.ingested": RECEIVED,
        "organization.id": "xa-1",
        "event.original": SSHD,
        "luytre.stream": "office-1/f",
        "luytre.sequence": 7,
        "log.topic": "events",
        "log.partition": 3,
        "log.offset": 5,
        "luytre.origin": "o",
        "luytre.position": "7",
        "luytre.hint": "auto",
        "luytre.zone": None,
        "luytre.path": None,
    }


def test_every_batch_carries_the_next_offset_of_every_partition() -> None:
    other = Record("events", 1, 8, RECEIVED, Message(b"", b'{"a":1}'))

    batches = Intake(nothing)([message([SSHD], offset=5), other])

    assert [b.part.name for b in batches] == ["linux/sshd", "json"]
    places = {TopicPartition("events", 3): 6, TopicPartition("events", 1): 9}
    assert all(b.offsets == places for b in batches)


def test_rejects_ride_on_the_first_batch() -> None:
    batches = Intake(nothing)([message([b"junk", SSHD, b'{"a":1}', b"more"])])

    assert [b.rejects.height for b in batches] == [2, 0]
    assert batches[0].rejects["event.original"].to_list() == [b"junk", b"more"]
    assert batches[0].rejects["luytre.sequence"].to_list() == [0, 3]


def test_rejects_alone_are_a_batch() -> None:
    [batch] = Intake(nothing)([message([b"junk"])])

    assert batch.part == REJECTED
    assert batch.events.schema == pl.Schema(ENVELOPE)
    assert batch.rejects.height == 1


def test_what_the_shipper_refused_is_a_reject_with_its_reason() -> None:
    [batch] = Intake(nothing)([message([b"x" * 99], framing="one", reject="too large")])

    assert batch.rejects["error.message"].to_list() == ["too large"]


def _deep(levels: int) -> bytes:
    system = '{"Channel":"Security","EventID":1,"TimeCreated":{"#attributes":{"SystemTime":"2026-01-01"}}}'
    deep = "[" * levels + "]" * levels
    return (
        f'{{"Event":{{"System":{system},"EventData":{{"Image":"x.exe","Data":{deep}}}}}}}'.encode()
    )


def test_a_deep_field_does_not_hide_its_neighbours() -> None:
    batches = Intake(lambda _part: frozenset({"Image"}))([message([_deep(200), SSHD])])

    [windows] = [batch for batch in batches if batch.part.name.startswith("windows")]
    assert windows.events["Image"].to_list() == ["x.exe"]


def test_event_data_nested_too_deeply_are_a_reject_not_a_crash() -> None:
    plain = _deep(1).replace(b"[]", b'""')

    batches = Intake(lambda _part: frozenset({"Image"}))([message([_deep(100_000), SSHD, plain])])

    assert sum(batch.height for batch in batches) == 2
    assert "nested too deeply" in batches[0].rejects["error.message"][0]
    assert batches[0].rejects["luytre.sequence"].to_list() == [0]


def test_an_odd_event_id_does_not_lend_its_part_to_another() -> None:
    lines = [b'{"Channel":"Security","EventID":%b}' % code for code in (b"true", b"1.0", b"1")]

    batches = Intake(nothing)([message([line]) for line in lines])

    found = {b.part.name: b.events.height for b in batches}
    assert found == {"windows/security/other": 2, "windows/security/1": 1}


def test_sent_again_is_taken_once(tmp_path: Any) -> None:
    intake = Intake(nothing, SeenSequences(Ledger(tmp_path / "ledger.db")).admit)

    first = intake([message([SSHD, SSHD], first=0, offset=0)])
    again = intake([message([SSHD, SSHD, SSHD], first=1, offset=1)])

    assert [b.events["luytre.sequence"].to_list() for b in first] == [[0, 1]]
    assert [b.events["luytre.sequence"].to_list() for b in again] == [[2, 3]]


def test_a_foreign_record_read_again_is_dropped(tmp_path: Any) -> None:
    intake = Intake(nothing, SeenSequences(Ledger(tmp_path / "ledger.db")).admit)
    foreign = Record("events", 1, 8, RECEIVED, Message(b"", b'{"a":1}\n{"a":2}'))

    counts = [sum(b.events.height for b in intake([foreign])) for _ in range(2)]

    assert counts == [2, 0]


def test_a_foreign_record_belongs_to_the_given_organization() -> None:
    foreign = Record("events", 1, 8, RECEIVED, Message(b"", b'{"a":1}'))

    [batch] = Intake(nothing, organization="tinh")([foreign])

    assert batch.events["organization.id"].to_list() == ["tinh"]


@pytest.mark.parametrize(
    ("line", "moment"),
    [
        pytest.param('{"time":"2026-02-03T04:05:06.1+07:00"}', "2026-02-02T21:05:06.100000", id="zone"),
        pytest.param('{"time":"2026-02-03 04:05:06,5"}', "2026-02-03T04:05:06.500000", id="comma"),
        pytest.param('{"time":1770091506}', "2026-02-03T04:05:06", id="seconds"),
        pytest.param('{"time":1770091506123}', "2026-02-03T04:05:06.123000", id="milliseconds"),
        pytest.param('{"time":"1770091506"}', "2026-02-03T04:05:06", id="seconds as text"),
        pytest.param('{"time":"1601-01-01T00:00:00Z"}', None, id="before 1990"),
        pytest.param('{"time":"9999-12-31T23:59:59Z"}', None, id="after 2100"),
        pytest.param('{"time":1e300}', None, id="a huge number"),
        pytest.param('{"time":"yesterday"}', None, id="no time"),
        pytest.param('{"time":true}', None, id="boolean"),
        pytest.param("{}", None, id="none at all"),
        pytest.param("Dec 31 23:59:59 h p: m", "2025-12-31T23:59:59", id="last year"),
        pytest.param("Mar  2 11:00:00 h p: m", "2026-03-02T11:00:00", id="a fast clock"),
        pytest.param("Mar  3 11:00:00 h p: m", "2025-03-03T11:00:00", id="two days ahead"),
        pytest.param("Feb 29 11:00:00 h p: m", "2024-02-29T11:00:00", id="29 February"),
    ],
)  # fmt: skip
def test_time(line: str, moment: str | None) -> None:
    assert time(read(line)) == (moment and moment + "+00:00")


@pytest.mark.parametrize(
    ("line", "zone", "moment"),
    [
        pytest.param("Mar  1 06:30:00 h p: m", "+07:00", "2026-02-28T23:30:00", id="RFC 3164"),
        pytest.param("<13>Mar  1 06:30:00 h p: m", "Asia/Ho_Chi_Minh", "2026-02-28T23:30:00",
                     id="RFC 3164 with a priority, zone by name"),
        pytest.param("2026-03-01T06:30:00+00:00 h p: m", "+07:00", "2026-03-01T06:30:00",
                     id="rsyslog's ISO time says its zone"),
        pytest.param("<13>1 2026-03-01T06:30:00Z h p - - - m", "+07:00", "2026-03-01T06:30:00",
                     id="RFC 5424 says its zone"),
        pytest.param("2026-03-01 06:30:00,123 INFO  [qtp-1] [name=a@b.c;oip=192.0.2.7;] security - cmd=Auth;",
                     "+07:00", "2026-02-28T23:30:00.123000", id="Zimbra"),
        pytest.param("[Sun Mar 01 06:30:00.5 2026] [core:error] [pid 1] [client 192.0.2.7:9] x",
                     "+07:00", "2026-02-28T23:30:00.500000", id="Apache error"),
        pytest.param("2026/03/01 06:30:00 [error] 1#1: *2 open() failed, client: 192.0.2.7",
                     "+07:00", "2026-02-28T23:30:00", id="nginx error"),
        pytest.param("<189>77: *Mar  1 06:30:00.123: %SYS-5-CONFIG_I: x", "+07:00",
                     "2026-02-28T23:30:00", id="Cisco"),
        pytest.param("<189>77: Mar  1 06:30:00.123 UTC: %SYS-5-CONFIG_I: x", "+07:00",
                     "2026-03-01T06:30:00", id="Cisco says UTC"),
        pytest.param('192.0.2.7 - - [01/Mar/2026:06:30:00 +0000] "GET / HTTP/1.1" 200 1',
                     "+07:00", "2026-03-01T06:30:00", id="an access log says its zone"),
        pytest.param('{"EventTime":"2026-03-01 06:30:00","EventID":4624,"Channel":"Security","Hostname":"pc"}',
                     "+07:00", "2026-02-28T23:30:00", id="NXLog EventTime"),
        pytest.param('{"time":"2026-03-01 06:30:00 UTC"}', "+07:00", "2026-03-01T06:30:00", id="UTC"),
        pytest.param('{"time":1772346600}', "+07:00", "2026-03-01T06:30:00", id="an epoch"),
        pytest.param('{"time":"2025-07-01 12:00:00"}', "Europe/Berlin", "2025-07-01T10:00:00",
                     id="summer time"),
        pytest.param('{"time":"2025-10-26 02:30:00"}', "Europe/Berlin", "2025-10-26T00:30:00",
                     id="an hour that comes twice is the first"),
        pytest.param("Jan  1 00:30:00 h p: m", "+07:00", "2025-12-31T17:30:00", id="new year"),
        pytest.param("{}", "+07:00", None, id="no time"),
        pytest.param('{"time":"0001-01-01 00:00:00"}', "+07:00", None, id="the first time of all"),
        pytest.param('{"time":"9999-12-31 23:59:59"}', "-07:00", None, id="the last time of all"),
    ],
)  # fmt: skip
def test_a_zone_moves_only_times_that_do_not_say_theirs(
    line: str, zone: str, moment: str | None
) -> None:
    utc = time(read(line))
    moved = Intake(nothing)([message([line.encode()], zone=zone)])[0].events["@timestamp"].item()

    assert moved == (moment and datetime.fromisoformat(moment).replace(tzinfo=UTC))
    assert (moved and moved.isoformat()) == utc or moment not in {None, utc}


def test_messages_of_several_zones_keep_apart() -> None:
    line = b"Mar  1 06:30:00 h p: m"
    records = [
        message([line, b"{}"], zone="+07:00"),
        message([line], offset=1, first=2),
        message([line], offset=2, first=3, zone="-01:00"),
    ]

    [batch, *others] = Intake(nothing)(records)
    times = pl.concat([batch.events, *(other.events for other in others)]).sort("luytre.sequence")

    hours = [found and found.hour for found in times["@timestamp"]]
    assert hours == [23, None, 6, 7]


def test_a_zone_that_is_not_known_here_is_a_reject_that_keeps_it() -> None:
    [batch] = Intake(nothing)([message([b"Mar  1 06:30:00 h p: m"], zone="Moon/Base")])
    [again] = replay_messages(batch.rejects)

    assert batch.rejects["error.message"].to_list() == ['no time zone is named "Moon/Base" here']
    assert again.headers["zone"] == "Moon/Base"


@pytest.mark.parametrize(
    ("raw", "cell"),
    [
        pytest.param(b'{"name":"a","name":"b"}', "b", id="the last of two keys wins"),
        pytest.param(b'{"name":"\xff"}', "\ufffd", id="not UTF-8"),
        pytest.param(b'{"name":"\\ud800x"}', "\ufffdx", id="a lone surrogate"),
        pytest.param(b'{"name":"a\tb\\u0000"}', "a\tb\0", id="control characters"),
        pytest.param(b'\xef\xbb\xbf{"name":"a"}', "a", id="a byte order mark"),
        pytest.param(b'{"name":123456789012345678901234567890}', "123456789012345678901234567890",
                     id="a long number"),
        pytest.param(b'{"name":1.50}', "1.5", id="shortest form"),
        pytest.param(b'{"name":1e400}', "inf", id="beyond any number"),
        pytest.param(b'{"name":null}', NULL, id="null"),
        pytest.param(b'{"name":[]}', "\uffff[", id="an empty list"),
        pytest.param(b'{"name":["a",["b"],{"c":1}]}', "\uffff[a\uffffb\uffff1", id="lists in lists"),
        pytest.param(b'{"name":"\xef\xbf\xbf[x"}', "\ufffd[x", id="the mark of lists"),
    ],
)  # fmt: skip
def test_hostile_json(raw: bytes, cell: str) -> None:
    [batch] = Intake(lambda _part: frozenset({"name"}))([record(raw)])

    assert batch.events["name"].to_list() == [cell]
    assert batch.events["event.original"].to_list() == [raw]


@given(
    raw=st.binary(max_size=60)
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: st.dictionaries(
            st.sampled_from(
                ["Event", "System", "EventData", "EventID", "Channel", "winlog", "event_id", "_path",
                 "ts", "event_type", "timestamp", "src_ip", "log_name", "Data", "#text", "TimeCreated"]
            ),
            inner,
            max_size=4,
        )
        | st.lists(inner, max_size=3),
        max_leaves=12,
    ).map(lambda value: json.dumps(value).encode())
    | st.tuples(
        st.sampled_from(
            ["type=EXECVE msg=audit(1.1:1): ", "Mar  1 11:59:00 h sshd[1]: ", "<13>1 - - - - - ",
             "Mar  1 11:59:00 h postfix/smtpd[1]: ", "Mar  1 11:59:00 h sudo: ", "<Event><System>",
             "2026-03-01 11:59:00,435 INFO  [a] [b] security - ", "1.1.1.1 - - [", '{"Event":']
        ),
        st.text(max_size=60),
    ).map(lambda pair: "".join(pair).encode("utf-8", "replace")),
    hint=st.sampled_from(sorted(HINTS)),
)  # fmt: skip
def test_any_bytes_end_as_event_or_reject(raw: bytes, hint: str) -> None:
    needed = frozenset({"Image", "user.name", "message", "process.name", "a0", "host.name"})
    batches: list[Batch] = Intake(lambda _part: needed)([record(raw, hint=hint)])

    assert sum(b.events.height + b.rejects.height for b in batches) == 1
    reasons = [reason for b in batches for reason in b.rejects["error.message"]]
    assert not any("decoder failed" in reason for reason in reasons)


@pytest.mark.data
@pytest.mark.parametrize(
    ("archive", "least"),
    [
        ("linux-audit", 0.7), ("zeek", 0.5), ("suricata", 0.2), ("web-access", 0.99),
        ("evtx-attack.jsonl", 1.0),
    ],
)  # fmt: skip
def test_real_logs_are_read(archive: str, least: float, shared_data: Any) -> None:
    events = rejects = 0
    for path in sorted(shared_data(archive).rglob("*")):
        if not path.is_file() or path.suffix in {".golden", ".yaml", ".md"}:
            continue
        lines = [line for line in path.read_bytes().splitlines()[:2000] if line.strip()]
        for batch in Intake(nothing)([message(lines, path=str(path))] if lines else []):
            events += batch.events.height
            rejects += batch.rejects.height

    print(f"{archive}: {events} events, {rejects} rejects")  # noqa: T201 - what one asks for
    assert events >= least * (events + rejects)
