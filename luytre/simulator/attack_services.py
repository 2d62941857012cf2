"""Attacks on e-government: data sharing, dossiers, documents, seals."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from luytre.simulator import expected
from luytre.simulator.applications import (
    CONSUMERS,
    EVENTS,
    PLATFORM_ACCESS,
    SERIAL,
    audited,
)
from luytre.simulator.attackers import FORGER, PLATFORM_INTRUDER, SCRIPT_HOST
from luytre.simulator.journal import Plot
from luytre.simulator.scene import Scene, chance
from luytre.simulator.story import Deed, tell
from luytre.simulator.web import (
    BROWSERS,
    ONE_STOP,
    ONE_STOP_SITE,
    PLATFORM_SITE,
    combined,
    hosted,
)
from luytre.simulator.windows import CMD, SYSTEM32
from luytre.simulator.windows_events import account, process, windows_file

if TYPE_CHECKING:
    from luytre.simulator.province import Pc

SCRIPT = "python-requests/2.32.3"


def _event(
    scene: Scene, system: str, action: str, who: tuple[str, str], rules: tuple[str, ...] = (),
    **more: Any,
) -> Deed:  # fmt: skip
    user, client = who
    write = partial(
        lambda at_s, **values: audited(scene, at_s, system, action, user, client, **values), **more
    )
    return Deed(EVENTS, write, rules)


def _request(
    scene: Scene, place: tuple[str, str], client: str, request: str, status: int, agent: str,
    rules: tuple[str, ...] = (),
) -> Deed:  # fmt: skip
    file, site = place
    return Deed(
        file,
        lambda at: hosted(site, combined(scene, at, client, request, status, 512, agent)),
        rules,
    )


def data_sharing(scene: Scene) -> None:
    """Break into the sharing platform, and copy a register with a consumer's key."""
    consumer, user, client = CONSUMERS[0]
    web = partial(_request, scene, (PLATFORM_ACCESS, PLATFORM_SITE), PLATFORM_INTRUDER)
    call = partial(
        _event, scene, "lgsp", "call", (user, client), (expected.REGISTER_COPIED,),
        pii="co_ban", consumer=consumer,
    )  # fmt: skip
    tell(
        scene,
        Plot(
            "data-sharing", "Lạm dụng nền tảng chia sẻ dữ liệu (LGSP)",
            "Misuse of the data-sharing platform",
            "An intruder exploits the platform's upload, logs in to its console, and copies a "
            "register with the key of a consumer that else asks about one person at a time.",
        ),
        [
            web("GET /carbon/admin/login.jsp", 200, BROWSERS[1]),
            web("POST /fileupload/toolsAny", 200, SCRIPT, (expected.WSO2_UPLOAD,)),
            web("POST /carbon/admin/login_action.jsp", 302, BROWSERS[1], (expected.WSO2_CONSOLE,)),
            *(call(subject_count=count, record_count=count) for count in (4_800, 5_200, 5_000)),
        ],
    )  # fmt: skip


def dossiers(scene: Scene) -> None:
    """Use an officer's session by a script from outside, and export a whole procedure."""
    officer = _officer(scene, "dossiers")
    web = partial(_request, scene, (ONE_STOP, ONE_STOP_SITE), SCRIPT_HOST)
    paths = (f"GET /api/ho-so/000.00.12.H99-261123-{number:04d}" for number in (17, 18, 19))
    tell(
        scene,
        Plot(
            "dossiers", "Kết xuất hàng loạt hồ sơ công dân", "Citizens' dossiers taken",
            "A script with an officer's session reads dossiers one by one, then exports all.",
        ),
        [
            web("POST /dang-nhap", 302, SCRIPT),
            *(web(path, 200, SCRIPT, (expected.DOSSIERS_SCRIPTED,)) for path in paths),
            _event(
                scene, "dvc", "export", (officer.person.account, SCRIPT_HOST),
                (expected.DOSSIERS_EXPORTED,), pii="co_ban", record_count=1_240,
                procedure_code="1.004194",
            ),
        ],
    )  # fmt: skip


def documents(scene: Scene) -> None:
    """Download a year of official documents before leaving the office."""
    pc = _officer(scene, "documents")
    who = (pc.person.account, pc.address)
    taken = partial(_event, scene, "qlvb", "download", who, (expected.DOCUMENTS_TAKEN,))
    tell(
        scene,
        Plot(
            "documents", "Tải hàng loạt văn bản điều hành", "Official documents taken in bulk",
            "An officer logs in and downloads hundreds of documents as two files.",
        ),
        [
            _event(scene, "qlvb", "login", who),
            _event(scene, "qlvb", "view", who, record_count=40),
            taken(record_count=312),
            taken(record_count=188),
        ],
    )  # fmt: skip


def signing(scene: Scene) -> None:
    """Copy a seal's key from an office machine, and sign with it elsewhere."""
    commune = chance(scene.seed, "signing").choice(scene.province.communes)
    pc = commune.pcs[1]
    user = account(commune, pc)
    export = f"certutil -user -p 1 -exportPFX My {SERIAL} C:\\ProgramData\\k.pfx"
    sign = partial(
        _event, scene, "kyso", "sign", (pc.person.account, FORGER), (expected.SIGNED_OUTSIDE,),
        record_count=1, certificate_kind="organization",
    )  # fmt: skip
    tell(
        scene,
        Plot(
            "signing", "Đánh cắp và dùng trái phép chữ ký số cơ quan",
            "An organisation's seal is stolen and used",
            "The key of a digital seal is exported from a PC; documents are signed with it from "
            "the Internet.",
        ),
        [
            Deed(
                windows_file(commune),
                lambda at: process(scene, at, pc, user, SYSTEM32 + "certutil.exe", export, CMD),
                (expected.KEY_EXPORTED,),
            ),
            sign(certificate_serial=SERIAL),
            sign(certificate_serial=SERIAL),
        ],
    )  # fmt: skip


def _officer(scene: Scene, attack: str) -> Pc:
    dice = chance(scene.seed, attack)
    return dice.choice(dice.choice(scene.province.communes).pcs)
