"""Everyday Windows events of commune offices: programs, logons, administrators who script."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from luytre.simulator.province import ADMIN_PC, DOMAIN, FILE_SERVER, RESOLVER, Commune, Pc, citizen
from luytre.simulator.scene import Scene, chance, likely
from luytre.simulator.windows_events import (
    POWERSHELL,
    SECURITY,
    SYSMON,
    SYSTEM,
    account,
    connection,
    event,
    lsass_access,
    process,
    windows_file,
)

if TYPE_CHECKING:
    from random import Random

SYSTEM32 = "C:\\Windows\\System32\\"
OFFICE = "C:\\Program Files\\Microsoft Office\\root\\Office16\\"
EXPLORER = "C:\\Windows\\explorer.exe"
SERVICES, SVCHOST = SYSTEM32 + "services.exe", SYSTEM32 + "svchost.exe"
CMD, SHELL = SYSTEM32 + "cmd.exe", SYSTEM32 + "WindowsPowerShell\\v1.0\\powershell.exe"
CHROME = "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe"
AGENT = "C:\\Program Files\\OCS Inventory Agent\\OCSInventory.exe"
ZALO_FILES = "C:\\Users\\{user}\\Documents\\Zalo Received Files\\"
DOCUMENTS = ("Cong van 212.docx", "To trinh.docx", "Bao cao thang.docx", "Danh sach.docx")

# image, command line, parent: what a day in an office consists of.
PROGRAMS = (
    (CHROME, f'"{CHROME}" --type=renderer --lang=vi', CHROME),
    (CHROME, f'"{CHROME}" https://dichvucong.{DOMAIN}/', EXPLORER),
    (OFFICE + "WINWORD.EXE", f'"{OFFICE}WINWORD.EXE" /n "D:\\Van ban\\To trinh.docx"', EXPLORER),
    (OFFICE + "EXCEL.EXE", f'"{OFFICE}EXCEL.EXE" "D:\\Ke toan\\Du toan 2026.xlsx"', EXPLORER),
    ("C:\\Windows\\splwow64.exe", "C:\\Windows\\splwow64.exe 8192", OFFICE + "EXCEL.EXE"),
    ("C:\\UniKey\\UniKeyNT.exe", '"C:\\UniKey\\UniKeyNT.exe"', EXPLORER),
    (SVCHOST, f"{SVCHOST} -k netsvcs -p -s Schedule", SERVICES),
    (SYSTEM32 + "taskhostw.exe", "taskhostw.exe", SVCHOST),
    (SYSTEM32 + "SearchProtocolHost.exe", "SearchProtocolHost.exe Global\\UsGthr", SVCHOST),
    (SYSTEM32 + "conhost.exe", "conhost.exe 0xffffffff -ForceV1", CMD),
    (SYSTEM32 + "wscript.exe", "wscript.exe \\\\dc01\\netlogon\\map.vbs", EXPLORER),
)

STATE_OF_SPOOLER = base64.b64encode("Get-Service -Name Spooler".encode("utf-16-le")).decode()
TERMINAL_SERVER = "HKLM\\System\\CurrentControlSet\\Control\\Terminal Server"
USER_KEY = "HKU\\S-1-5-21-1-2-3-1105\\Software\\Microsoft\\"

# What happens now and then, near enough to an attack to tempt a bad rule.
SELDOM = (
    (CHROME, f'"{CHROME}" https://qlvb.{DOMAIN}/', OFFICE + "WINWORD.EXE"),
    (SYSTEM32 + "rundll32.exe", "rundll32.exe printui.dll,PrintUIEntry /il", EXPLORER),
    (SHELL, f"powershell.exe -EncodedCommand {STATE_OF_SPOOLER}", AGENT),
    (SHELL, "powershell.exe -ExecutionPolicy Bypass -File C:\\ProgramData\\OCS\\scan.ps1", SVCHOST),
    (SHELL, "powershell.exe Add-MpPreference -ExclusionPath 'C:\\Program Files\\MISA'", CMD),
    (SYSTEM32 + "vssadmin.exe", "vssadmin list shadows", CMD),
    (SYSTEM32 + "wbadmin.exe", "wbadmin start backup -backupTarget:E: -include:C: -quiet", SVCHOST),
    (SYSTEM32 + "net.exe", "net user", CMD),
    (SYSTEM32 + "whoami.exe", "whoami /groups", CMD),
    (SYSTEM32 + "tasklist.exe", 'tasklist /fi "imagename eq lsass.exe"', CMD),
    (SYSTEM32 + "certutil.exe", "certutil -dump D:\\kyso\\chung-thu.cer", CMD),
    (SYSTEM32 + "reg.exe", f'reg query "{TERMINAL_SERVER}" /v fDenyTSConnections', CMD),
)
DEFENDER = "C:\\ProgramData\\Microsoft\\Windows Defender\\Platform\\4.18.26100.1\\MsMpEng.exe"
SCRIPTS = (
    "Get-Service -Name Spooler | Select-Object Status",
    "Get-ChildItem C:\\ProgramData\\OCS -Recurse | Measure-Object",
    "Test-NetConnection dichvucong.minhha.example -Port 443",
)


def offices(scene: Scene) -> None:
    """Write what every machine of every commune reports to its collector."""
    for commune in scene.province.communes:
        for pc in commune.pcs:
            _machine(scene, commune, pc)


def _machine(scene: Scene, commune: Commune, pc: Pc) -> None:
    dice = chance(scene.seed, f"windows/{pc.host}")
    for at_s in scene.times(dice, 14):
        scene.journal.add(windows_file(commune), at_s, _program(scene, dice, commune, pc, at_s))
    for at_s in scene.times(dice, 26):
        line = _background(scene, dice, commune, pc, at_s)
        scene.journal.add(windows_file(commune), at_s, line)


def _program(scene: Scene, dice: Random, commune: Commune, pc: Pc, at_s: float) -> str:
    user = account(commune, pc)
    kind = dice.choices(("seldom", "zalo", "work"), (3, 6, 91))[0]
    if kind == "seldom":
        image, command, parent = dice.choice(SELDOM)
        user = f"{commune.netbios}\\quantri"
    elif kind == "zalo":
        image, parent = OFFICE + "WINWORD.EXE", EXPLORER
        folder = ZALO_FILES.format(user=pc.person.account)
        command = f'"{image}" /n "{folder}{dice.choice(DOCUMENTS)}"'
    else:
        image, command, parent = dice.choice(PROGRAMS)
    return process(scene, at_s, pc, user, image, command, parent)


def _background(scene: Scene, dice: Random, commune: Commune, pc: Pc, at_s: float) -> str:
    writers = (_connection, _name, _logon, _file, _registry, _lsass, _script, _service)
    writer = dice.choices(writers, (26, 20, 14, 12, 12, 6, 6, 4))[0]
    return writer(scene, dice, commune, pc, at_s)


def _connection(scene: Scene, dice: Random, commune: Commune, pc: Pc, at_s: float) -> str:
    host, port = dice.choice(((FILE_SERVER, 445), (citizen(dice), 443), (RESOLVER, 53)))
    return connection(scene, at_s, pc, account(commune, pc), CHROME, host, port)


def _lsass(scene: Scene, dice: Random, _commune: Commune, pc: Pc, at_s: float) -> str:
    """Return one of the two that read LSASS every day."""
    image, rights = dice.choice(((SVCHOST, "0x1fffff"), (DEFENDER, "0x1010")))
    return lsass_access(scene, at_s, pc, image, rights)


def _script(scene: Scene, dice: Random, _commune: Commune, pc: Pc, at_s: float) -> str:
    text = {"ScriptBlockText": dice.choice(SCRIPTS), "Path": ""}
    return event(scene, at_s, pc, POWERSHELL, 4104, {"MessageNumber": 1, "MessageTotal": 1, **text})


def _name(scene: Scene, dice: Random, commune: Commune, pc: Pc, at_s: float) -> str:
    query = f"{dice.choice(('dichvucong', 'qlvb', 'mail01', 'wpad'))}.{DOMAIN}"
    data = {"QueryName": query, "QueryStatus": "0", "QueryResults": "::ffff:10.1.2.15;"}
    return event(
        scene, at_s, pc, SYSMON, 22, {**data, "Image": CHROME, "User": account(commune, pc)}
    )


def _logon(scene: Scene, dice: Random, commune: Commune, pc: Pc, at_s: float) -> str:
    """Return a logon: at the keyboard, over the network, by a service, or by remote help."""
    kind, client, name = dice.choice((
        ("2", "127.0.0.1", pc.person.account), ("7", "127.0.0.1", pc.person.account),
        ("3", commune.pcs[0].address, pc.person.account), ("5", "-", "SYSTEM"),
        ("10", ADMIN_PC, "quantri"),
    ))  # fmt: skip
    number = dice.choice((4624, 4624, 4634))
    data = {
        "TargetUserSid": "S-1-5-21-1-2-3-1105", "TargetUserName": name,
        "TargetDomainName": commune.netbios, "TargetLogonId": "0x4f2c1", "LogonType": kind,
    }  # fmt: skip
    more = {"IpAddress": client, "IpPort": "0", "LogonProcessName": "User32 "}
    opened = 4624
    return event(scene, at_s, pc, SECURITY, number, data | (more if number == opened else {}))


def _file(scene: Scene, dice: Random, commune: Commune, pc: Pc, at_s: float) -> str:
    home = f"C:\\Users\\{pc.person.account}\\"
    target = dice.choice((
        f"{home}AppData\\Local\\Temp\\~WRD{dice.randrange(9999):04d}.tmp",
        f"{home}Downloads\\Cong van {dice.randrange(999)}.pdf",
        ZALO_FILES.format(user=pc.person.account) + dice.choice(DOCUMENTS),
    ))  # fmt: skip
    data = {"Image": OFFICE + "WINWORD.EXE", "TargetFilename": target, "User": account(commune, pc)}
    return event(scene, at_s, pc, SYSMON, 11, {"RuleName": "-", **data})


def _registry(scene: Scene, dice: Random, commune: Commune, pc: Pc, at_s: float) -> str:
    image, target, details = dice.choice((
        (EXPLORER, USER_KEY + "Windows\\CurrentVersion\\Explorer\\RunMRU\\a", "notepad"),
        (SVCHOST, TERMINAL_SERVER + "\\fDenyTSConnections", "DWORD (0x00000001)"),
        (OFFICE + "WINWORD.EXE", USER_KEY + "Office\\16.0\\Word\\MTTF", "DWORD (0x000000b4)"),
    ))  # fmt: skip
    data = {
        "Image": image,
        "TargetObject": target,
        "Details": details,
        "User": account(commune, pc),
    }
    return event(scene, at_s, pc, SYSMON, 13, {"RuleName": "-", "EventType": "SetValue", **data})


def _service(scene: Scene, dice: Random, _commune: Commune, pc: Pc, at_s: float) -> str:
    """Return a service that changes its state or, now and then, is installed by an update."""
    if likely(dice, 0.2):
        updater = '"C:\\Program Files (x86)\\Google\\GoogleUpdater\\updater.exe" --windows-service'
        data = {"ServiceName": "GoogleUpdaterService", "ImagePath": updater}
        data |= {"ServiceType": "user mode service", "StartType": "auto start"}
        return event(scene, at_s, pc, SYSTEM, 7045, data | {"AccountName": "LocalSystem"})
    state = {"param1": "Windows Update", "param2": dice.choice(("running", "stopped"))}
    return event(scene, at_s, pc, SYSTEM, 7036, state)
