"""Attacks on the centre's servers: a database that leaves, the gazette, the portal, mailboxes."""

from __future__ import annotations

from functools import partial

from luytre.simulator import expected, network
from luytre.simulator.applications import EVENTS, audited
from luytre.simulator.attackers import DROP, FORGER, MAIL_THIEF, PROBER, SPOOFER
from luytre.simulator.audited import AUDIT, EXECVE, OPENAT, UNLINKAT, syscall
from luytre.simulator.journal import Plot
from luytre.simulator.linux import syslog
from luytre.simulator.mail import AGENT, POSTFIX, SITE, SUBMISSION, ZIMBRA, audit
from luytre.simulator.province import (
    DATABASE_HOST,
    DATABASE_SERVER,
    DOMAIN,
    MAIL_HOST,
    WEB_HOST,
    stranger,
)
from luytre.simulator.scene import Scene, chance
from luytre.simulator.story import Deed, tell
from luytre.simulator.web import PORTAL, combined

WEB_ACCOUNT, STAFF = 33, 1_003
STOLEN_BYTES = 412_000_000


def database(scene: Scene) -> None:
    """Export health records, dump the database behind them, and send the dump away."""
    pc = chance(scene.seed, "database").choice(scene.province.communes).pcs[2]
    run = partial(syscall, scene, host=DATABASE_HOST, key="exec", login=STAFF, user=STAFF)
    tell(
        scene,
        Plot(
            "database", "Đánh cắp cơ sở dữ liệu y tế", "A health database is stolen",
            "Somebody exports thousands of health records, dumps the database in a login session, "
            "and sends 412 MB to an address on the Internet.",
        ),
        [
            Deed(
                EVENTS,
                lambda at: audited(
                    scene, at, "csdl_yte", "export", pc.person.account, pc.address,
                    pii="nhay_cam", record_count=5_200,
                ),
                (expected.SENSITIVE_READ,),
            ),
            Deed(AUDIT, lambda at: run(at, program="/usr/bin/psql", number=EXECVE)),
            Deed(
                AUDIT,
                lambda at: run(at, program="/usr/bin/pg_dump", number=EXECVE),
                (expected.DATABASE_DUMPED,),
            ),
            Deed(AUDIT, lambda at: run(at, program="/usr/bin/zstd", number=EXECVE)),
            Deed(
                network.CONN,
                lambda at: network.session(
                    scene, at, DATABASE_SERVER, DROP, 443, service="ssl", sent=STOLEN_BYTES
                ),
                (expected.MUCH_SENT,),
            ),
        ],
    )  # fmt: skip


def gazette(scene: Scene) -> None:
    """Replace and remove published numbers of the e-gazette behind the publisher's back."""
    run = partial(syscall, scene, host=WEB_HOST, key="cong-bao", login=4_294_967_295)
    rules = (expected.GAZETTE_CHANGED,)
    tell(
        scene,
        Plot(
            "gazette", "Sửa công báo điện tử đã phát hành", "The published gazette is changed",
            "The web account overwrites two published files and removes a third.",
        ),
        [
            Deed(
                PORTAL,
                lambda at: combined(
                    scene, at, FORGER, "GET /cong-bao/2026/so-118.pdf", 200, 88_211, "curl/8.5.0"
                ),
            ),
            *(
                Deed(
                    AUDIT,
                    partial(run, program=program, number=number, user=WEB_ACCOUNT),
                    rules,
                )
                for program, number in (
                    ("/usr/bin/cp", OPENAT), ("/usr/bin/cp", OPENAT), ("/usr/bin/rm", UNLINKAT),
                )
            ),
        ],
    )  # fmt: skip


def portal_probe(scene: Scene) -> None:
    """Try the portal with tools until it answers, and take its secrets."""
    tool, rules = "sqlmap/1.8.4#stable (https://sqlmap.org)", (expected.TOOL_ANSWERED,)
    get = partial(combined, scene, client=PROBER, size=5_120)
    tell(
        scene,
        Plot(
            "portal-probe", "Dò quét và lấy tệp cấu hình cổng thông tin",
            "The portal is probed and its secrets are taken",
            "An attack tool gets answers from a search form; a configuration file and a database "
            "dump are downloaded.",
        ),
        [
            Deed(PORTAL, partial(get, request=request, status=status, agent=agent), found)
            for request, status, agent, found in (
                ("GET /tra-cuu?ma=1%27", 500, tool, rules),
                ("GET /tra-cuu?ma=1%20AND%201=1", 200, tool, rules),
                ("GET /.env", 200, "curl/8.5.0", (expected.SETTINGS_ANSWERED,)),
                ("GET /backup.sql.gz", 200, "curl/8.5.0", (expected.SETTINGS_ANSWERED,)),
            )
        ],
    )  # fmt: skip


def mailbox(scene: Scene) -> None:
    """Guess an official's password from many addresses, read the mail, and send in the name."""
    dice = chance(scene.seed, "mailbox")
    box = dice.choice(scene.province.people).mailbox
    login = partial(_login, scene, box)
    sent = f"4F2A1C0041: client=unknown[{MAIL_THIEF}], sasl_method=LOGIN, sasl_username={box}"
    tell(
        scene,
        Plot(
            "mailbox", "Chiếm đoạt hộp thư công vụ", "A mailbox is taken over",
            "A password is guessed from many addresses; then the mailbox is opened and used from "
            "an address on the indicator list.",
        ),
        [
            *(Deed(ZIMBRA, partial(login, stranger(dice), wrong=True)) for _ in range(20)),
            Deed(ZIMBRA, partial(login, MAIL_THIEF), (expected.ZIMBRA_INDICATOR,)),
            Deed(
                POSTFIX,
                lambda at: syslog(scene, at, MAIL_HOST, f"postfix/{SUBMISSION}[901]", sent),
                (expected.SASL_INDICATOR,),
            ),
        ],
    )  # fmt: skip


def _login(scene: Scene, box: str, client: str, at_s: float, *, wrong: bool = False) -> str:
    context = f"name={box};oip={client};ua={AGENT};"
    text = f"cmd=Auth; account={box}; protocol=soap;"
    if wrong:
        text += f" error=authentication failed for [{box}], invalid password;"
    level = "WARN" if wrong else "INFO"
    return audit(scene, at_s, f"{SITE}/service/soap/AuthRequest", context, text, level=level)


def spoofed_leader(scene: Scene) -> None:
    """Send mail in a leader's name with a disk image."""
    box = chance(scene.seed, "spoofed-leader").choice(scene.province.people).mailbox
    ends = (
        f"from mail-x.example.net[{SPOOFER}]; from=<cttinh.2026@gmail.com> to=<{box}> "
        "proto=ESMTP helo=<mail-x.example.net>"
    )
    headers = (
        ('From: "Chu tich UBND tinh" <cttinh.2026@gmail.com>', expected.LEADER_SPOOFED),
        (
            'Content-Disposition: attachment; filename="Cong van 123.iso"',
            expected.IMAGE_ATTACHED,
        ),
    )
    tell(
        scene,
        Plot(
            "spoofed-leader", f"Thư mạo danh lãnh đạo gửi vào {DOMAIN}",
            "Mail in a leader's name", "A free mailer's mail in the chairman's name brings an ISO.",
        ),
        [
            Deed(
                POSTFIX,
                partial(_cleanup, scene, f"4F2A1C0021: warning: header {header} {ends}"),
                (rule,),
            )
            for header, rule in headers
        ],
    )  # fmt: skip


def _cleanup(scene: Scene, text: str, at_s: float) -> str:
    return syslog(scene, at_s, MAIL_HOST, "postfix/cleanup[812]", text)
