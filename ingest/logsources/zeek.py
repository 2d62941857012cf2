"""Zeek's JSON logs: one part per log, told by ``_path`` or by the name of the file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ingest.decode.columns import decode_documents
from ingest.decode.jsontext import load_object
from ingest.decode.layout import Layout, Origin, Row, Unreadable
from ingest.logsources.documents import document_time, with_host
from luytre.core.batch import LogSource, Part

if TYPE_CHECKING:
    from collections.abc import Mapping

SERVICES = (
    "capture_loss", "conn", "dce_rpc", "dhcp", "dns", "dpd", "files", "ftp", "http", "irc",
    "kerberos", "known_certs", "known_hosts", "known_services", "ldap", "ldap_search", "modbus",
    "mysql", "notice", "ntlm", "ntp", "ocsp", "pe", "quic", "radius", "rdp", "rfb", "sip",
    "smb_cmd", "smb_files", "smb_mapping", "smtp", "snmp", "socks", "software", "ssh", "ssl",
    "stats", "syslog", "traceroute", "tunnel", "weird", "x509", "arp", "analyzer", "reporter",
    "loaded_scripts", "packet_filter", "cluster", "broker", "telemetry",
)  # fmt: skip

_EVERYWHERE = {
    "id.orig_h": "source.ip",
    "id.orig_p": "source.port",
    "id.resp_h": "destination.ip",
    "id.resp_p": "destination.port",
    "proto": "network.transport",
}
_COLUMNS: Mapping[str, Mapping[str, str]] = {
    "conn": {"service": "network.protocol"},
    "dns": {
        "query": "dns.question.name",
        "qtype_name": "dns.question.type",
        "record_type": "dns.question.type",
        "answers": "dns.answers.data",
        "answer": "dns.answers.data",
    },
    "http": {
        "method": "http.request.method",
        "uri": "url.original",
        "c-uri": "url.original",
        "host": "url.domain",
        "user_agent": "user_agent.original",
        "c-useragent": "user_agent.original",
        "status_code": "http.response.status_code",
        "username": "user.name",
        "referrer": "http.request.referrer",
    },
    "ssl": {"server_name": "destination.domain"},
    "ssh": {"client": "user_agent.original"},
    "smtp": {"mailfrom": "email.from.address", "rcptto": "email.to.address"},
    "ftp": {"user": "user.name"},
    "notice": {"src": "source.ip", "dst": "destination.ip", "note": "rule.name", "msg": "message"},
    "files": {"sha256": "file.hash.sha256"},
    "ntlm": {"username": "user.name", "domainname": "user.domain"},
    "rdp": {"cookie": "user.name"},
}
_CATEGORIES = {"dns": "dns"}
_TIMES = ("ts", "_write_ts")
_MARKS = frozenset(
    {"uid", "uids", "fuid", "id.orig_h", "orig_h", "certificate.serial", "note", "software_type",
     "compile_ts", "node"}
)  # fmt: skip
"""Fields of which each log has one: a file merely named conn.json is not Zeek's."""

_FILE = re.compile(r"([a-z0-9_]{1,40})(?:[._\-][\d:._\-]{1,60})?(?:\.log|\.json|\.ndjson|\.jsonl)+")


def _layout(service: str) -> Layout:
    columns = {**_EVERYWHERE, **_COLUMNS.get(service, {})}
    if service == "notice":
        columns = {n: c for n, c in columns.items() if n not in {"id.orig_h", "id.resp_h"}}
    known = service if service in SERVICES else None
    part = Part(
        f"zeek/{service}",
        (LogSource("zeek", _CATEGORIES.get(service), known),),
        columns,
        {"event.dataset": f"zeek.{service}"},
    )
    return Layout(part, decode_documents, open=True)


_OTHER = _layout("other")
_LAYOUTS = {service: _layout(service) for service in SERVICES}
LAYOUTS = (*_LAYOUTS.values(), _OTHER)


def read(raw: bytes, origin: Origin) -> Row:
    """Return the row of a line of a Zeek log. Raises ``Unreadable``."""
    document = load_object(raw)
    row = read_document(document, origin)
    if row is not None:
        return row
    if not document:
        raise Unreadable("is an empty JSON object")
    return _row(_OTHER, document, origin)


def read_document(document: dict[str, Any], origin: Origin) -> Row | None:
    """Return the row of a decoded line, None if it is not Zeek's."""
    path = document.get("_path")
    if isinstance(path, str) and not document.keys().isdisjoint({"ts", "_write_ts"}):
        return _row(_LAYOUTS.get(path, _OTHER), document, origin)
    if document.keys().isdisjoint(_MARKS) and origin.hint != "zeek":
        return None
    name = _FILE.fullmatch(re.split(r"[/\\]", origin.path)[-1].removesuffix(".gz"))
    layout = _LAYOUTS.get(name[1]) if name else None
    return _row(layout, document, origin) if layout and "ts" in document else None


def _row(layout: Layout, document: dict[str, Any], origin: Origin) -> Row:
    return Row(layout, document_time(document, _TIMES), with_host(document, "host.name", origin))
