"""Suricata's EVE JSON: one part per event type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ingest.decode.columns import decode_documents
from ingest.decode.jsontext import load_object
from ingest.decode.layout import Layout, Origin, Row, Unreadable
from ingest.logsources.documents import document_time, with_host
from luytre.core.batch import LogSource, Part

if TYPE_CHECKING:
    from collections.abc import Mapping

SERVICES = (
    "alert", "anomaly", "dcerpc", "dhcp", "dnp3", "dns", "drop", "fileinfo", "flow", "ftp", "http",
    "http2", "ike", "krb5", "ldap", "mdns", "mqtt", "netflow", "nfs", "pgsql", "quic", "rdp",
    "rfb", "sip", "smb", "smtp", "snmp", "ssh", "stats", "tftp", "tls", "websocket",
)  # fmt: skip

_EVERYWHERE = {
    "src_ip": "source.ip",
    "src_port": "source.port",
    "dest_ip": "destination.ip",
    "dst_ip": "destination.ip",
    "dest_port": "destination.port",
    "dst_port": "destination.port",
    "proto": "network.transport",
    "app_proto": "network.protocol",
    "host": "host.name",
    "alert.signature": "rule.name",
    "alert.signature_id": "rule.id",
    "alert.category": "rule.category",
    "http.hostname": "url.domain",
    "http.url": "url.original",
    "http.http_method": "http.request.method",
    "http.http_user_agent": "user_agent.original",
    "http.status": "http.response.status_code",
    "tls.sni": "destination.domain",
}
_COLUMNS: Mapping[str, Mapping[str, str]] = {
    "dns": {
        "dns.rrname": "dns.question.name",
        "dns.queries.rrname": "dns.question.name",
        "query": "dns.question.name",
        "dns.rrtype": "dns.question.type",
        "dns.queries.rrtype": "dns.question.type",
        "record_type": "dns.question.type",
    },
    "fileinfo": {"fileinfo.filename": "file.path", "fileinfo.sha256": "file.hash.sha256"},
    "smtp": {"smtp.mail_from": "email.from.address", "smtp.rcpt_to": "email.to.address"},
}
_CATEGORIES = {"dns": "dns"}


def _layout(service: str) -> Layout:
    known = service if service in SERVICES else None
    part = Part(
        f"suricata/{service}",
        (LogSource("suricata", _CATEGORIES.get(service), known),),
        {**_EVERYWHERE, **_COLUMNS.get(service, {})},
        {"event.dataset": f"suricata.{service}"},
    )
    return Layout(part, decode_documents, open=True)


_OTHER = _layout("other")
_LAYOUTS = {service: _layout(service) for service in SERVICES}
LAYOUTS = (*_LAYOUTS.values(), _OTHER)


def read(raw: bytes, origin: Origin) -> Row:
    """Return the row of an EVE line. Raises ``Unreadable``."""
    document = load_object(raw)
    kind = document.get("event_type")
    if not isinstance(kind, str):
        raise Unreadable("is JSON but not Suricata's EVE: it has no event_type")
    return _row(kind, document, origin)


def read_document(document: dict[str, Any], origin: Origin) -> Row | None:
    """Return the row of a decoded line, None if it is not EVE."""
    kind = document.get("event_type")
    known = isinstance(kind, str) and "timestamp" in document
    if not known or not ({"flow_id", "src_ip", "stats"} & document.keys()):
        return None
    return _row(str(kind), document, origin)


def _row(kind: str, document: dict[str, Any], origin: Origin) -> Row:
    layout = _LAYOUTS.get(kind, _OTHER)
    return Row(layout, document_time(document, ("timestamp",)), with_host(document, "host", origin))
