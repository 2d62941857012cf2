"""One sample line of every shape that a log source reads, made up for these tests."""

import json
from datetime import UTC, datetime
from typing import Any

import polars as pl

from ingest.intake import Intake
from luytre.core.batch import Batch
from luytre.core.message import Message, Record

RECEIVED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def record(payload: bytes, **headers: str) -> Record:
    """Return a record of one of our shippers that holds one event."""
    known = {
        "stream": "office-1/file", "first_seq": "7", "count": "1", "origin": "office-1/file",
        "position": "bytes:100", "organization": "xa-1", "framing": "one",
    }  # fmt: skip
    return Record("events", 3, 0, RECEIVED, Message(b"k", payload, known | headers))


def read(line: bytes | str | dict[str, Any], hint: str = "auto", **headers: str) -> Batch:
    """Return the only batch of one line; every column that any test asks for is needed."""
    if isinstance(line, dict):
        line = json.dumps(line)
    payload = line.encode() if isinstance(line, str) else line
    [batch] = Intake(lambda _part: NEEDED)([record(payload, hint=hint, **headers)])
    return batch


def cells(batch: Batch) -> dict[str, str]:
    """Return the cells of the only event, without the envelope and what is missing."""
    events = batch.events.select(pl.col(c) for c in batch.events.columns if c in NEEDED)
    assert events.height == 1, batch.rejects["error.message"].to_list()
    return {name: value for name, value in events.row(0, named=True).items() if value is not None}


def time(batch: Batch) -> str | None:
    """Return the time of the only event as ISO 8601."""
    value = batch.events["@timestamp"][0]
    return None if value is None else value.isoformat()


NEEDED = frozenset(
    [
        "event.code",
        "event.provider",
        "event.action",
        "event.outcome",
        "event.category",
        "event.reason",
        "event.dataset",
        "vn.egov.record_count",
        "host.name",
        "message",
        "process.name",
        "process.pid",
        "process.executable",
        "process.command_line",
        "process.parent.executable",
        "process.parent.pid",
        "process.working_directory",
        "process.title",
        "user.name",
        "user.id",
        "user.domain",
        "user.target.name",
        "user.target.id",
        "source.ip",
        "source.port",
        "source.domain",
        "destination.ip",
        "destination.port",
        "destination.domain",
        "file.path",
        "file.hash.sha256",
        "registry.path",
        "dns.question.name",
        "dns.answers.data",
        "url.original",
        "url.path",
        "url.query",
        "url.domain",
        "http.request.method",
        "http.response.status_code",
        "http.response.body.bytes",
        "http.request.referrer",
        "http.version",
        "user_agent.original",
        "email.from.address",
        "email.to.address",
        "email.subject",
        "postfix.queue_id",
        "postfix.code",
        "postfix.status",
        "network.protocol",
        "network.transport",
        "rule.name",
        "error.message",
        "error.code",
        "log.level",
        "ssh.method",
        "log.syslog.priority",
        "cloud.region",
        "userIdentity.type",
        "requestParameters.x",
        "requestParameters",
        "Image",
        "CommandLine",
        "Channel",
        "Level",
        "Computer",
        "Provider_Name",
        "Hashes",
        "Data",
        "EventType",
        "TargetImage",
        "SubjectUserName",
        "ThreatName",
        "DetectionUser",
        "Keywords",
        "Security_UserID",
        "UserID",
        "ProcessID",
        "Task",
        "type",
        "a0",
        "a1",
        "a2",
        "SYSCALL",
        "syscall",
        "key",
        "nametype",
        "name",
        "ip",
        "cmd",
        "protocol",
        "oproto",
        "auid",
        "Z",
        "alert.severity",
        "flow.pkts_toclient",
        "outer.inner",
        "param1",
        "Binary",
        "ContextInfo",
        "PSVersion",
    ]
)
