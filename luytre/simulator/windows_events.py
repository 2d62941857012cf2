"""Windows events as one line of JSON: the shape that a converter of EVTX files gives."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from luytre.simulator.province import Commune, Pc
    from luytre.simulator.scene import Scene

SYSMON = ("Microsoft-Windows-Sysmon/Operational", "Microsoft-Windows-Sysmon")
SECURITY = ("Security", "Microsoft-Windows-Security-Auditing")
POWERSHELL = ("Microsoft-Windows-PowerShell/Operational", "Microsoft-Windows-PowerShell")
SYSTEM = ("System", "Service Control Manager")
LSASS = "C:\\Windows\\system32\\lsass.exe"


def windows_file(commune: Commune) -> str:
    """Return where the collector of a commune writes."""
    return f"logs/windows/{commune.slug}.ndjson"


def event(
    scene: Scene, at_s: float, pc: Pc, log: tuple[str, str], number: int, data: dict[str, Any]
) -> str:
    """Return an event of ``log`` (channel, provider) with the id ``number``."""
    system = _system(scene, at_s, pc, log, number)
    return json.dumps({"Event": {"System": system, "EventData": data}})


def _system(scene: Scene, at_s: float, pc: Pc, log: tuple[str, str], number: int) -> dict[str, Any]:
    channel, provider = log
    return {
        "Provider": {"#attributes": {"Name": provider}},
        "EventID": number,
        "Level": 4,
        "TimeCreated": {"#attributes": {"SystemTime": scene.utc(at_s)}},
        "EventRecordID": 100_000 + int(at_s * 1000),
        "Channel": channel,
        "Computer": pc.host,
    }


def cleared(scene: Scene, at_s: float, pc: Pc, user: str) -> str:
    """Return that somebody cleared the Security log (1102)."""
    system = _system(scene, at_s, pc, (SECURITY[0], "Microsoft-Windows-Eventlog"), 1102)
    who = {
        "SubjectUserSid": "S-1-5-21-1-2-3-1001", "SubjectUserName": user,
        "SubjectDomainName": pc.host, "SubjectLogonId": "0x7a11c",
    }  # fmt: skip
    return json.dumps({"Event": {"System": system, "UserData": {"LogFileCleared": who}}})


def account(commune: Commune, pc: Pc) -> str:
    """Return who is logged on, with the domain."""
    return f"{commune.netbios}\\{pc.person.account}"


def process(
    scene: Scene, at_s: float, pc: Pc, user: str, image: str, command: str, parent: str,
    parent_command: str = "",
) -> str:  # fmt: skip
    """Return a process creation (Sysmon 1)."""
    number = int(at_s * 1000) % 60_000 // 4 * 4 + 1000
    return event(scene, at_s, pc, SYSMON, 1, {
        "RuleName": "-", "UtcTime": _sysmon_time(scene, at_s), "ProcessGuid": _guid(pc, at_s),
        "ProcessId": number, "Image": image, "FileVersion": "-", "Description": "-",
        "Product": "-", "Company": "-", "OriginalFileName": image.rsplit("\\", 1)[-1],
        "CommandLine": command, "CurrentDirectory": "C:\\Windows\\system32\\", "User": user,
        "LogonId": "0x4f2c1", "TerminalSessionId": 1, "IntegrityLevel": "Medium",
        "ParentProcessId": 4012, "ParentImage": parent,
        "ParentCommandLine": parent_command or f'"{parent}"', "ParentUser": user,
    })  # fmt: skip


def connection(
    scene: Scene, at_s: float, pc: Pc, user: str, image: str, destination: str, port: int
) -> str:
    """Return an outgoing connection (Sysmon 3)."""
    return event(scene, at_s, pc, SYSMON, 3, {
        "RuleName": "-", "UtcTime": _sysmon_time(scene, at_s), "ProcessGuid": _guid(pc, at_s),
        "ProcessId": 4012, "Image": image, "User": user, "Protocol": "tcp", "Initiated": "true",
        "SourceIsIpv6": "false", "SourceIp": pc.address, "SourceHostname": pc.host,
        "SourcePort": 49_152 + int(at_s * 10) % 16_000, "DestinationIsIpv6": "false",
        "DestinationIp": destination, "DestinationHostname": "-", "DestinationPort": port,
    })  # fmt: skip


def lsass_access(scene: Scene, at_s: float, pc: Pc, image: str, rights: str) -> str:
    """Return a program opening LSASS (Sysmon 10) with ``rights`` as 0x hex."""
    return event(scene, at_s, pc, SYSMON, 10, {
        "UtcTime": _sysmon_time(scene, at_s), "SourceProcessGUID": _guid(pc, at_s),
        "SourceProcessId": 4012, "SourceThreadId": 4100, "SourceImage": image,
        "TargetProcessId": 652, "TargetImage": LSASS, "GrantedAccess": rights,
        "CallTrace": "C:\\Windows\\SYSTEM32\\ntdll.dll+9d4c4|C:\\Windows\\System32\\KERNELBASE.dll"
                     "+2c13e", "SourceUser": "NT AUTHORITY\\SYSTEM",
    })  # fmt: skip


def _sysmon_time(scene: Scene, at_s: float) -> str:
    return scene.utc(at_s).replace("T", " ")[:23]


def _guid(pc: Pc, at_s: float) -> str:
    host = sum(map(ord, pc.host)) % 0xFFFF
    return f"{{5a3c{host:04x}-{int(at_s) % 0xFFFF:04x}-6742-0000-{int(at_s * 1e6) % 2**48:012x}}}"
