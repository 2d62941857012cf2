"""Audit events of e-government applications: the contract of docs/reference/egov-events.md.

Products for dossiers, documents, signing or data sharing have no public log format. An application
that writes ECS names and `vn.egov.*` as one JSON object a line is understood at once.
"""

from __future__ import annotations

from typing import Any

from ingest.decode.columns import UNSET, decode_documents, resolve
from ingest.decode.jsontext import load_object
from ingest.decode.layout import Layout, Origin, Row, Unreadable
from ingest.logsources.documents import document_time, with_host
from luytre.core.batch import LogSource, Part

SYSTEM, ACTION = "vn.egov.system", "event.action"

LAYOUT = Layout(
    Part("egov/audit", (LogSource("egov", None, "audit"),), {}, {"event.dataset": "egov.audit"}),
    decode_documents,
    open=True,
)


def read(raw: bytes, origin: Origin) -> Row:
    """Return the row of an audit event. Raises ``Unreadable``."""
    row = read_document(load_object(raw), origin)
    if row is None:
        raise Unreadable(f"is JSON but no e-government event: it has no {SYSTEM} or {ACTION}")
    return row


def read_document(document: dict[str, Any], origin: Origin) -> Row | None:
    """Return the row of a decoded event, None if it does not follow the contract."""
    if UNSET in (resolve(document, SYSTEM), resolve(document, ACTION)):
        return None
    return Row(
        LAYOUT, document_time(document, ("@timestamp",)), with_host(document, "host.name", origin)
    )
