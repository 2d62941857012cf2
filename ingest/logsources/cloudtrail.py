"""AWS CloudTrail: one event a line, its nested fields by dotted paths."""

from __future__ import annotations

from typing import Any

from ingest.decode.columns import decode_documents
from ingest.decode.jsontext import load_object
from ingest.decode.layout import Layout, Origin, Row, Unreadable
from ingest.logsources.documents import document_time
from luytre.core.batch import LogSource, Part

_COLUMNS = {
    "eventName": "event.action",
    "eventSource": "event.provider",
    "errorCode": "error.code",
    "errorMessage": "error.message",
    "sourceIPAddress": "source.ip",
    "userAgent": "user_agent.original",
    "userIdentity.userName": "user.name",
    "userIdentity.principalId": "user.id",
    "awsRegion": "cloud.region",
    "recipientAccountId": "cloud.account.id",
}

LAYOUT = Layout(
    Part("aws/cloudtrail", (LogSource("aws", None, "cloudtrail"),), _COLUMNS,
         {"event.dataset": "aws.cloudtrail"}),
    decode_documents,
    open=True,
)  # fmt: skip


def read(raw: bytes, origin: Origin) -> Row:
    """Return the row of a CloudTrail event. Raises ``Unreadable``."""
    row = read_document(load_object(raw), origin)
    if row is None:
        raise Unreadable("is JSON but no CloudTrail event: it has no eventSource and eventName")
    return row


def read_document(document: dict[str, Any], _origin: Origin) -> Row | None:
    """Return the row of a decoded event, None if it is not CloudTrail's."""
    if not {"eventSource", "eventName", "awsRegion"} <= document.keys():
        return None
    return Row(LAYOUT, document_time(document, ("eventTime", "@timestamp")), document)
