"""ECS names of Windows fields, per service and event id.

Two fields of one part never share a column unless they are the same thing under two names, so a
rule always meets the exact text of the field that it names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.decode.layout import Derived
from ingest.logsources.windows_channels import SYSMON
from luytre.core.ecs import ARCHIVED

if TYPE_CHECKING:
    from collections.abc import Mapping

_SYSTEM = {
    "EventID": "event.code",
    "Provider_Name": "event.provider",
    "Computer": "host.name",
    "Message": "message",
}
"""From the System element, in every part."""

_SYSMON = {
    "Image": "process.executable",
    "CommandLine": "process.command_line",
    "CurrentDirectory": "process.working_directory",
    "ProcessId": "process.pid",
    "ProcessGuid": "process.entity_id",
    "OriginalFileName": "process.pe.original_file_name",
    "IntegrityLevel": "process.integrity_level",
    "ParentImage": "process.parent.executable",
    "ParentCommandLine": "process.parent.command_line",
    "ParentProcessId": "process.parent.pid",
    "ParentProcessGuid": "process.parent.entity_id",
    "User": "user.name",
    "TargetFilename": "file.path",
    "TargetObject": "registry.path",
    "Details": "registry.data.strings",
    "ImageLoaded": "dll.path",
    "SourceIp": "source.ip",
    "SourcePort": "source.port",
    "SourceHostname": "source.domain",
    "DestinationIp": "destination.ip",
    "DestinationPort": "destination.port",
    "DestinationHostname": "destination.domain",
    "Protocol": "network.transport",
    "QueryName": "dns.question.name",
}
_SYSMON_SOURCE = {
    "SourceImage": "process.executable",
    "SourceProcessId": "process.pid",
    "SourceUser": "user.name",
}
"""Events 8 and 10 have no Image: the source acts."""

_SUBJECT = {
    "SubjectUserName": "user.name",
    "SubjectDomainName": "user.domain",
    "SubjectUserSid": "user.id",
    "TargetUserName": "user.target.name",
    "TargetDomainName": "user.target.domain",
    "TargetUserSid": "user.target.id",
}
_TARGET_ACTS = {
    "TargetUserName": "user.name",
    "TargetDomainName": "user.domain",
    "TargetUserSid": "user.id",
}
_SECURITY = {
    "ProcessName": "process.executable",
    "ProcessId": "process.pid",
    "IpAddress": "source.ip",
    "IpPort": "source.port",
    "WorkstationName": "source.domain",
    "ServiceName": "service.name",
}
_LOGON_IDS = frozenset({4624, 4625, 4634, 4647, 4768, 4769, 4770, 4771, 4776})
"""Events in which the target is the one who logs on."""

_SECURITY_4688 = {
    "NewProcessName": "process.executable",
    "Image": "process.executable",
    "CommandLine": "process.command_line",
    "NewProcessId": "process.pid",
    "ParentProcessName": "process.parent.executable",
    "ParentImage": "process.parent.executable",
    "ProcessId": "process.parent.pid",
}
_SECURITY_FILTERING = {
    "Application": "process.executable",
    "ProcessID": "process.pid",
    "ProcessId": "process.pid",
    "SourceAddress": "source.ip",
    "SourcePort": "source.port",
    "DestAddress": "destination.ip",
    "DestPort": "destination.port",
}
_FILTERING_IDS = frozenset(range(5150, 5160))

_SERVICES: Mapping[str, Mapping[str, str]] = {
    "powershell": {"Path": "file.path"},
    "taskscheduler": {"UserName": "user.name"},
    "dns-client": {"QueryName": "dns.question.name"},
    "dns-server-analytic": {"QNAME": "dns.question.name"},
    "terminalservices-localsessionmanager": {"User": "user.name", "Address": "source.ip"},
    "system": {"ServiceName": "service.name"},
    "kernel-file": {"FileName": "file.path"},
}

_DEFENDER = {
    "ThreatName": "ThreatName",
    "Signature": "ThreatName",
    "Path": "file.path",
    "Filename": "file.path",
    "ProcessName": "process.executable",
}
_DEFENDER_BLANKS = (
    "Action ID", "Action Name", "Additional Actions ID", "Additional Actions String",
    "Category ID", "Category Name", "Changed Type", "Detection ID", "Detection Time",
    "Detection User", "Domain", "Engine Version", "Error Code", "Error Description",
    "Execution ID", "Execution Name", "Feature ID", "Feature Name", "New Value", "Old Value",
    "Origin ID", "Origin Name", "Post Clean Status", "Pre Execution Status", "Process Name",
    "Product Name", "Product Version", "Remediation User", "Scan ID", "Scan Parameters",
    "Scan Parameters Index", "Scan Resources", "Scan Type", "Scan Type Index",
    "Security intelligence Version", "Severity ID", "Severity Name", "Source ID", "Source Name",
    "Status Code", "Status Description", "Threat ID", "Threat Name", "Type ID", "Type Name",
    "Involved File", "Target Commandline", "Parent Commandline", "Inhibition Flags",
)  # fmt: skip
"""Names that Defender writes with blanks; Sigma writes them without, or with underscores."""

_OUTCOMES: Mapping[int, tuple[str, str, str]] = {
    4624: ("logged-in", "authentication", "success"),
    4625: ("logon-failed", "authentication", "failure"),
    4634: ("logged-out", "authentication", "success"),
    4647: ("logged-out", "authentication", "success"),
    4648: ("logged-in-explicit", "authentication", "success"),
    4672: ("logged-in-special", "iam", "success"),
    4688: ("created-process", "process", "success"),
    4697: ("service-installed", "configuration", "success"),
    4698: ("scheduled-task-created", "configuration", "success"),
    4720: ("added-user-account", "iam", "success"),
    4726: ("deleted-user-account", "iam", "success"),
    4728: ("added-member-to-group", "iam", "success"),
    4732: ("added-member-to-group", "iam", "success"),
    4740: ("locked-out-user-account", "iam", "success"),
    4756: ("added-member-to-group", "iam", "success"),
    4771: ("kerberos-preauth-failed", "authentication", "failure"),
    1102: ("audit-log-cleared", "iam", "success"),
}
"""Security event id -> event.action, event.category, event.outcome (as Winlogbeat has them)."""


def windows_columns(service: str | None, event_id: int | None) -> dict[str, str]:
    """Return field -> column of one part."""
    columns = dict(_SYSTEM)
    if service == SYSMON:
        columns |= _SYSMON
        if event_id in {8, 10}:
            taken = set(_SYSMON_SOURCE.values())
            columns = {n: c for n, c in columns.items() if c not in taken} | _SYSMON_SOURCE
    elif service == "security":
        columns |= _security_columns(event_id)
    elif service == "windefend":
        columns |= _defender_columns()
    else:
        columns |= _SERVICES.get(service or "", {})
    return columns


def _defender_columns() -> dict[str, str]:
    columns = dict(_DEFENDER)
    for name in _DEFENDER_BLANKS:
        close = name.replace(" ", "")
        column = _DEFENDER.get(close, close)
        columns |= dict.fromkeys((close, name, name.replace(" ", "_")), column)
    return columns


def _security_columns(event_id: int | None) -> dict[str, str]:
    people = _TARGET_ACTS if event_id in _LOGON_IDS else _SUBJECT
    if event_id == 4688:  # noqa: PLR2004
        return {**people, **_SECURITY_4688}
    if event_id in _FILTERING_IDS:
        return {**people, **_SECURITY_FILTERING}
    return {**people, **_SECURITY}


def windows_constants(service: str | None, event_id: int | None) -> dict[str, str]:
    """Return the columns that are the same in every event of one part."""
    constants = {"event.dataset": f"windows.{service or 'other'}"}
    if event_id is not None:
        constants["event.code"] = str(event_id)
    if service == "security" and event_id is not None and event_id in _OUTCOMES:
        names = ("event.action", "event.category", "event.outcome")
        constants |= dict(zip(names, _OUTCOMES[event_id], strict=True))
    return constants


def file_name(path: str) -> str:
    """Return the last part of a Windows or POSIX path."""
    return path[max(path.rfind("\\"), path.rfind("/")) + 1 :]


def hash_of(hashes: str, name: str) -> str | None:
    """Return one hash of Sysmon's ``SHA1=..,SHA256=..``, in lower case."""
    for pair in hashes.split(","):
        key, _, value = pair.partition("=")
        if key.strip().upper() == name:
            return value.strip().lower()
    return None


DERIVED: Mapping[str, Derived] = {
    "process.name": Derived("process.executable", file_name),
    "process.parent.name": Derived("process.parent.executable", file_name),
    "file.hash.md5": Derived("Hashes", lambda text: hash_of(text, "MD5")),
    "file.hash.sha1": Derived("Hashes", lambda text: hash_of(text, "SHA1")),
    "file.hash.sha256": Derived("Hashes", lambda text: hash_of(text, "SHA256")),
}
"""Columns computed from another one, for enrichment and people; no rule names them."""

ECS_NAMES = frozenset(
    {
        *ARCHIVED,
        *DERIVED,
        *(column for names in (_SYSTEM, _SYSMON, _SECURITY, _SUBJECT) for column in names.values()),
    }
)
"""No field of a Windows event has such a name, so a part that maps none to it cannot have it."""
