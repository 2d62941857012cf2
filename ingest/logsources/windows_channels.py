"""Which Sigma log source a Windows channel and event id mean.

Source: SigmaHQ ``tests/thor.yml``, and the ``definition`` of log sources in its rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from luytre.core.batch import LogSource

if TYPE_CHECKING:
    from collections.abc import Mapping

SYSMON = "sysmon"

CHANNELS: Mapping[str, str] = {
    channel.lower(): service
    for service, channels in {
        "application": ("Application",),
        "security": ("Security",),
        "system": ("System",),
        SYSMON: ("Microsoft-Windows-Sysmon/Operational",),
        "powershell": (
            "Microsoft-Windows-PowerShell/Operational",
            "PowerShellCore/Operational",
        ),
        "powershell-classic": ("Windows PowerShell",),
        "ntlm": ("Microsoft-Windows-NTLM/Operational",),
        "taskscheduler": ("Microsoft-Windows-TaskScheduler/Operational",),
        "wmi": ("Microsoft-Windows-WMI-Activity/Operational",),
        "dhcp": ("Microsoft-Windows-DHCP-Server/Operational",),
        "dns-server": ("DNS Server",),
        "dns-server-audit": ("Microsoft-Windows-DNSServer/Audit",),
        "dns-server-analytic": (
            "Microsoft-Windows-DNSServer/Analytical",
            "Microsoft-Windows-DNS-Server/Analytical",
        ),
        "dns-client": ("Microsoft-Windows-DNS Client Events/Operational",
                       "Microsoft-Windows-DNS-Client/Operational"),
        "driver-framework": ("Microsoft-Windows-DriverFrameworks-UserMode/Operational",),
        "printservice-admin": ("Microsoft-Windows-PrintService/Admin",),
        "printservice-operational": ("Microsoft-Windows-PrintService/Operational",),
        "smbclient-security": ("Microsoft-Windows-SmbClient/Security",),
        "smbclient-connectivity": ("Microsoft-Windows-SmbClient/Connectivity",),
        "smbserver-connectivity": ("Microsoft-Windows-SMBServer/Connectivity",),
        "terminalservices-localsessionmanager": (
            "Microsoft-Windows-TerminalServices-LocalSessionManager/Operational",
        ),
        "codeintegrity-operational": ("Microsoft-Windows-CodeIntegrity/Operational",),
        "applocker": (
            "Microsoft-Windows-AppLocker/MSI and Script",
            "Microsoft-Windows-AppLocker/EXE and DLL",
            "Microsoft-Windows-AppLocker/Packaged app-Deployment",
            "Microsoft-Windows-AppLocker/Packaged app-Execution",
        ),
        "msexchange-management": ("MSExchange Management",),
        "windefend": ("Microsoft-Windows-Windows Defender/Operational",),
        "firewall-as": ("Microsoft-Windows-Windows Firewall With Advanced Security/Firewall",),
        "bits-client": ("Microsoft-Windows-Bits-Client/Operational",),
        "security-mitigations": (
            "Microsoft-Windows-Security-Mitigations/Kernel Mode",
            "Microsoft-Windows-Security-Mitigations/User Mode",
            "Microsoft-Windows-Security-Mitigations/KernelMode",
            "Microsoft-Windows-Security-Mitigations/UserMode",
        ),
        "diagnosis-scripted": ("Microsoft-Windows-Diagnosis-Scripted/Operational",),
        "shell-core": ("Microsoft-Windows-Shell-Core/Operational",),
        "openssh": ("OpenSSH/Operational",),
        "ldap": ("Microsoft-Windows-LDAP-Client/Debug",),
        "bitlocker": ("Microsoft-Windows-BitLocker/BitLocker Management",),
        "vhdmp": ("Microsoft-Windows-VHDMP/Operational",
                  "Microsoft-Windows-VHDMP-Operational"),
        "appxdeployment-server": ("Microsoft-Windows-AppXDeploymentServer/Operational",),
        "lsa-server": ("Microsoft-Windows-LSA/Operational",),
        "appxpackaging-om": ("Microsoft-Windows-AppxPackaging/Operational",),
        "appmodel-runtime": ("Microsoft-Windows-AppModel-Runtime/Admin",),
        "capi2": ("Microsoft-Windows-CAPI2/Operational",),
        "certificateservicesclient-lifecycle-system": (
            "Microsoft-Windows-CertificateServicesClient-Lifecycle-System/Operational",
        ),
        "kernel-shimengine": (
            "Microsoft-Windows-Kernel-ShimEngine/Operational",
            "Microsoft-Windows-Kernel-ShimEngine/Diagnostic",
        ),
        "application-experience": (
            "Microsoft-Windows-Application-Experience/Program-Telemetry",
            "Microsoft-Windows-Application-Experience/Program-Compatibility-Assistant",
        ),
        "ntfs": ("Microsoft-Windows-Ntfs/Operational",),
        "hyper-v-worker": ("Microsoft-Windows-Hyper-V-Worker",
                           "Microsoft-Windows-Hyper-V-Worker-Admin"),
        "kernel-event-tracing": ("Microsoft-Windows-Kernel-EventTracing",
                                 "Microsoft-Windows-Kernel-EventTracing/Admin"),
        "sense": ("Microsoft-Windows-SENSE/Operational",),
        "servicebus-client": (
            "Microsoft-ServiceBus-Client/Admin",
            "Microsoft-ServiceBus-Client/Operational",
        ),
        "iis-configuration": ("Microsoft-IIS-Configuration/Operational",),
        "kernel-file": ("Microsoft-Windows-Kernel-File/Analytic",),
    }.items()
    for channel in channels
}  # fmt: skip
"""Lower-case channel -> Sigma service."""

PROVIDERS: Mapping[str, str] = {
    "microsoft-windows-sysmon": SYSMON,
    "microsoft-windows-security-auditing": "security",
    "microsoft-windows-powershell": "powershell",
    "powershell": "powershell-classic",
    "service control manager": "system",
    "microsoft-windows-windows defender": "windefend",
    "microsoft-windows-taskscheduler": "taskscheduler",
    "microsoft-windows-wmi-activity": "wmi",
    "microsoft-windows-kernel-file": "kernel-file",
}
"""Lower-case provider -> service, where a shipper dropped the channel."""

PER_EVENT_ID = frozenset(
    {"application", "security", "system", SYSMON, "powershell", "powershell-classic", "windefend",
     "kernel-file"}
)  # fmt: skip
"""Services whose every event id is a part of its own: big, and their rules name the id."""

_SYSMON_CATEGORIES: Mapping[int, tuple[str, ...]] = {
    1: ("process_creation",), 2: ("file_change",), 3: ("network_connection",),
    4: ("sysmon_status",), 16: ("sysmon_status",), 5: ("process_termination",),
    6: ("driver_load",), 7: ("image_load",), 8: ("create_remote_thread",),
    9: ("raw_access_thread", "raw_access_read"), 10: ("process_access",), 11: ("file_event",),
    12: ("registry_event",), 13: ("registry_set", "registry_event"),
    14: ("registry_rename", "registry_event"), 15: ("create_stream_hash",),
    17: ("pipe_created",), 18: ("pipe_created",),
    19: ("wmi_event",), 20: ("wmi_event",), 21: ("wmi_event",), 22: ("dns_query",),
    23: ("file_delete",), 24: ("clipboard_change", "clipboard_capture"),
    25: ("process_tampering",), 26: ("file_delete_detected",), 27: ("file_block_executable",),
    28: ("file_block_shredding",), 29: ("file_executable_detected",), 255: ("sysmon_error",),
}  # fmt: skip

REGISTRY_EVENT_TYPES: Mapping[str, str] = {
    "CreateKey": "registry_add",
    "DeleteKey": "registry_delete",
    "DeleteValue": "registry_delete",
}
"""EventType of Sysmon's event 12 -> the category that it makes, besides registry_event."""

_ANTIVIRUS_IDS = frozenset({1006, 1007, 1008, 1009, 1010, 1011, 1012, 1017, 1018, 1019, 1115, 1116})

_CATEGORIES: Mapping[tuple[str, int], tuple[str, ...]] = {
    **{(SYSMON, event_id): names for event_id, names in _SYSMON_CATEGORIES.items()},
    **{("windefend", event_id): ("antivirus",) for event_id in _ANTIVIRUS_IDS},
    ("security", 4688): ("process_creation",),
    ("powershell", 4103): ("ps_module",),
    ("powershell", 4104): ("ps_script",),
    ("powershell-classic", 400): ("ps_classic_start",),
    ("powershell-classic", 600): ("ps_classic_provider_start",),
    ("powershell-classic", 800): ("ps_classic_script",),
    ("kernel-file", 12): ("file_access",),
    ("kernel-file", 27): ("file_rename",),
}

_ALSO_CALLED: Mapping[str, tuple[str, ...]] = {
    "dns-server-audit": ("dns-server",),
    "servicebus-client": ("microsoft-servicebus-client",),
}

_LINUX_SYSMON: Mapping[int, str] = {
    1: "process_creation", 3: "network_connection", 4: "sysmon_status", 16: "sysmon_status",
    5: "process_termination", 9: "raw_access_read", 11: "file_event", 23: "file_delete",
}  # fmt: skip
LINUX_CHANNEL = "linux-sysmon/operational"
CATEGORIZED = tuple(_CATEGORIES)
"""Services and event ids that are of a category."""
LINUX_CATEGORIZED = tuple(_LINUX_SYSMON)
"""Event ids of Sysmon for Linux that are of a category."""


def windows_logsources(
    service: str | None, event_id: int | None, event_type: str = ""
) -> tuple[LogSource, ...]:
    """Return all Sigma log sources of an event, the most specific first."""
    if service is None:
        return (LogSource("windows"),)
    names = _CATEGORIES.get((service, event_id), ()) if event_id is not None else ()
    if event_type in REGISTRY_EVENT_TYPES:
        names = (REGISTRY_EVENT_TYPES[event_type], *names)
    services = (service, *_ALSO_CALLED.get(service, ()))
    return tuple(LogSource("windows", c, s) for c in (names or (None,)) for s in services)


def linux_sysmon_logsources(event_id: int | None) -> tuple[LogSource, ...]:
    """Return the log sources of Sysmon for Linux."""
    category = _LINUX_SYSMON.get(event_id) if event_id is not None else None
    return (LogSource("linux", category, SYSMON),)
