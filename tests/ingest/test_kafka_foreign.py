"""What other shippers put into Kafka becomes the same events as if ours had shipped them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from ingest.intake import Intake
from ingest.kafka_foreign import translation
from luytre.core.config_kafka import KafkaTopic

SSHD = "Failed password for root from 203.0.113.9 port 4711 ssh2"
NGINX = '203.0.113.9 - - [23/Nov/2026:06:00:00 +0000] "GET /a HTTP/1.1" 200 12 "-" "curl"'
WINLOGBEAT = {
    "@timestamp": "2026-11-23T06:00:00.000Z",
    "host": {"name": "dc-1"},
    "winlog": {
        "channel": "Security",
        "provider_name": "Microsoft-Windows-Security-Auditing",
        "event_id": "4625",
        "record_id": 7,
        "computer_name": "dc-1",
        "event_data": {"TargetUserName": "root"},
    },
}
FILEBEAT = {
    "@timestamp": "2026-11-23T06:00:01.000Z",
    "message": NGINX,
    "host": {"name": "web-1"},
    "log": {"file": {"path": "/var/log/nginx/access.log"}},
    "event": {"dataset": "nginx.access"},
}
VECTOR = {
    "appname": "sshd",
    "procid": 812,
    "facility": "auth",
    "severity": "info",
    "host": "gate-1",
    "message": SSHD,
    "source_type": "syslog",
    "timestamp": "2026-11-23T06:00:00Z",
}
RSYSLOG = {
    "@timestamp": "2026-11-23T13:00:00+07:00",
    "host": "gate-1",
    "severity": 6,
    "facility": 4,
    "syslogtag": "sshd[812]:",
    "programname": "sshd",
    "message": " " + SSHD,
}


@dataclass
class Found:
    """A message as kafka-python gives it."""

    value: bytes | None
    key: bytes | None = None
    headers: list[tuple[str, bytes]] = field(default_factory=list)
    partition: int = 0
    offset: int = 5
    timestamp: int = 1_795_413_600_000


def read(found: Found, **settings: Any) -> tuple[str, dict[str, Any]]:
    """Return the part of the one event in a message, and its cells."""
    record = translation(KafkaTopic(topic="theirs", **settings))(found)
    (batch,) = Intake(lambda _part: frozenset({"host.name", "source.ip"}))([record])
    assert batch.events.height == 1, batch.rejects["error.message"].to_list()
    return batch.part.name, batch.events.to_dicts()[0]


@pytest.mark.parametrize(
    ("message", "settings", "part", "host"),
    [
        pytest.param(
            WINLOGBEAT, {"shipper": "winlogbeat"}, "windows/security/4625", "dc-1", id="winlogbeat"
        ),
        pytest.param(
            FILEBEAT,
            {"shipper": "filebeat", "log_sources": {"nginx.access": "nginx"}},
            "nginx/access",
            "web-1",
            id="filebeat",
        ),
        pytest.param(VECTOR, {"shipper": "vector"}, "linux/sshd", "gate-1", id="vector"),
        pytest.param(RSYSLOG, {"shipper": "rsyslog"}, "linux/sshd", "gate-1", id="rsyslog JSON"),
        pytest.param(
            {**RSYSLOG, "rawmsg": f"<38>Nov 23 06:00:00 gate-1 sshd[812]: {SSHD}"},
            {"shipper": "rsyslog"},
            "linux/sshd",
            "gate-1",
            id="rsyslog JSON with the raw line",
        ),
        pytest.param(
            f"<38>Nov 23 06:00:00 gate-1 sshd[812]: {SSHD}",
            {"shipper": "raw"},
            "linux/sshd",
            "gate-1",
            id="raw syslog",
        ),
    ],
)
def test_each_shipper_is_read(message: Any, settings: dict[str, Any], part: str, host: str) -> None:
    value = message if isinstance(message, str) else json.dumps(message)

    name, event = read(Found(value.encode()), **settings)

    assert name == part
    assert event["host.name"] == host
    assert event["@timestamp"].isoformat().startswith("2026-11-23T06:00:00")


def test_the_program_and_its_number_survive_the_envelope() -> None:
    record = translation(KafkaTopic(topic="t", shipper="rsyslog"))(
        Found(json.dumps(RSYSLOG).encode())
    )

    assert record.message.value.decode() == (
        f"<38>1 2026-11-23T13:00:00+07:00 gate-1 sshd 812 - -  {SSHD}"
    )


def test_whose_it_is_says_the_configuration_and_no_header() -> None:
    forged = [
        ("organization", b"another"),
        ("stream", b"ours/1"),
        ("first_seq", b"0"),
        ("zone", b"+14:00"),
    ]
    found = Found(f"Nov 23 06:00:00 gate-1 sshd[1]: {SSHD}".encode(), headers=forged)

    _, event = read(found, organization="000.01", time_zone="Asia/Ho_Chi_Minh")

    assert event["organization.id"] == "000.01"
    assert event["luytre.stream"] == "theirs/0"
    assert event["luytre.sequence"] == 5
    assert event["@timestamp"].isoformat().startswith("2026-11-22T23:00:00")


@pytest.mark.parametrize(
    "value",
    [None, b"", b"{", b"\xff\xfe", b"[1]", b'{"message": 1.5}', b'{"message": null}', b"{" * 5000],
    ids=str,
)
@pytest.mark.parametrize("shipper", ["filebeat", "vector", "rsyslog", "winlogbeat", "raw"])
def test_what_is_no_envelope_is_passed_on_as_it_is(shipper: Any, value: bytes | None) -> None:
    record = translation(KafkaTopic(topic="t", shipper=shipper))(Found(value))

    assert record.message.value == (value or b"")
    assert record.message.headers["hint"] == "auto"


def test_values_of_an_envelope_forge_no_syslog_header() -> None:
    document = {**VECTOR, "host": "a b\n<1>1 - evil", "appname": "x y] z"}
    record = translation(KafkaTopic(topic="t", shipper="vector"))(
        Found(json.dumps(document).encode())
    )

    header = record.message.value.decode().removesuffix(f" - - {SSHD}").split(" ")
    assert header == ["<38>1", "2026-11-23T06:00:00Z", "ab<1>1-evil", "x", "812"]
