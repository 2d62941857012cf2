"""Attacks on office machines: extortion over Remote Desktop, and logs that are switched off."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from luytre.simulator import expected
from luytre.simulator.attackers import EXTORTIONIST
from luytre.simulator.journal import Plot
from luytre.simulator.scene import Scene, chance
from luytre.simulator.story import Deed, tell
from luytre.simulator.windows import CMD, SERVICES, SHELL, SYSTEM32
from luytre.simulator.windows_events import (
    SECURITY,
    SYSMON,
    SYSTEM,
    cleared,
    event,
    process,
    windows_file,
)

if TYPE_CHECKING:
    from luytre.simulator.province import Commune, Pc

ADMINISTRATORS = "S-1-5-32-544"
LOCKER = "C:\\ProgramData\\khoa.exe"
UNPROTECT = "powershell.exe Set-MpPreference -DisableRealtimeMonitoring $true"
FORGET = "vssadmin.exe delete shadows /all /quiet"
NOTE = "HUONG_DAN_GIAI_MA.txt"
SHIPPERS = ("winlogbeat", "Sysmon64")


def ransomware(scene: Scene) -> None:
    """Log on over Remote Desktop, switch protection off, delete backups, lock files."""
    dice = chance(scene.seed, "ransomware")
    commune = dice.choice(scene.province.communes)
    pc = dice.choice(commune.pcs)
    plot = Plot(
        "ransomware", "Mã độc tống tiền qua Remote Desktop", "Ransomware over Remote Desktop",
        "Somebody logs on from the Internet, becomes administrator, switches Defender off, deletes "
        "the shadow copies, locks files, and clears the log.",
    )  # fmt: skip
    tell(scene, plot, _extortion(scene, commune, pc))


def _extortion(scene: Scene, commune: Commune, pc: Pc) -> list[Deed]:
    file, user = windows_file(commune), f"{commune.netbios}\\quantri"
    logon = {
        "TargetUserSid": "S-1-5-21-1-2-3-1001", "TargetUserName": "quantri",
        "TargetDomainName": commune.netbios, "TargetLogonId": "0x7a11c", "LogonType": "10",
        "IpAddress": EXTORTIONIST, "IpPort": "51514", "LogonProcessName": "User32 ",
    }  # fmt: skip
    member = {
        "MemberSid": "S-1-5-21-1-2-3-1120", "TargetUserName": "Administrators",
        "TargetDomainName": "Builtin", "TargetSid": ADMINISTRATORS,
        "SubjectUserSid": "S-1-5-21-1-2-3-1001", "SubjectUserName": "quantri",
    }  # fmt: skip
    service = {
        "ServiceName": "WinUpd", "ImagePath": LOCKER, "ServiceType": "user mode service",
        "StartType": "auto start", "AccountName": "LocalSystem",
    }  # fmt: skip
    say, run = partial(event, scene), partial(process, scene)
    return [
        Deed(file, lambda at: say(at, pc, SECURITY, 4624, logon), (expected.RDP_FROM_INTERNET,)),
        Deed(file, lambda at: say(at, pc, SECURITY, 4732, member), (expected.NEW_ADMINISTRATOR,)),
        Deed(
            file,
            lambda at: run(at, pc, user, SHELL, UNPROTECT, CMD),
            (expected.DEFENDER_OFF,),
        ),
        Deed(file, lambda at: say(at, pc, SYSTEM, 7045, service), (expected.ODD_SERVICE,)),
        Deed(file, lambda at: run(at, pc, "NT AUTHORITY\\SYSTEM", LOCKER, LOCKER, SERVICES)),
        Deed(
            file,
            lambda at: run(at, pc, user, SYSTEM32 + "vssadmin.exe", FORGET, LOCKER),
            (expected.SHADOWS_DELETED,),
        ),
        *(Deed(file, partial(_locked, scene, pc, name)) for name in _files(pc)),
        Deed(file, lambda at: cleared(scene, at, pc, "quantri"), (expected.LOG_CLEARED,)),
    ]


def _files(pc: Pc) -> tuple[str, ...]:
    home = f"C:\\Users\\{pc.person.account}\\Documents\\"
    names = ("Du toan 2026.xlsx.khoa", "To trinh.docx.khoa", "Ho so mot cua.zip.khoa", NOTE)
    return tuple(home + name for name in names)


def _locked(scene: Scene, pc: Pc, name: str, at_s: float) -> str:
    data = {"RuleName": "-", "Image": LOCKER, "TargetFilename": name}
    return event(scene, at_s, pc, SYSMON, 11, data)


def silence(scene: Scene) -> None:
    """Disable what writes and ships logs on a machine, which then says nothing any more."""
    commune = chance(scene.seed, "silence").choice(scene.province.communes)
    pc, file = commune.pcs[-1], windows_file(commune)
    plot = Plot(
        "silence", "Tắt ghi nhật ký trên máy trạm xã", "Logging switched off at an office PC",
        "The log shipper and Sysmon are disabled and stopped; the machine is silent from then on.",
    )  # fmt: skip
    deeds = []
    for name in SHIPPERS:
        disabled = {
            "param1": name, "param2": "auto start", "param3": "disabled", "param4": name,
        }  # fmt: skip
        stopped = {"param1": name, "param2": "stopped"}
        deeds += [
            Deed(file, partial(_service, scene, pc, 7040, disabled), (expected.LOGS_DISABLED,)),
            Deed(file, partial(_service, scene, pc, 7036, stopped)),
        ]
    last_s = tell(scene, plot, deeds)
    scene.journal.silence(file, f'"Computer": "{pc.host}"', last_s)


def _service(scene: Scene, pc: Pc, number: int, data: dict[str, str], at_s: float) -> str:
    return event(scene, at_s, pc, SYSTEM, number, data)
