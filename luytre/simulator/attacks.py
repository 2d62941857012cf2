"""The attacks on the centre: a web shell, injected gambling pages, recorders, stolen passwords."""

from __future__ import annotations

from typing import TYPE_CHECKING

from luytre.simulator import expected, network
from luytre.simulator.attackers import (
    BAD_HOST,
    RECORDER_INTRUDER,
    RECORDER_MASTER,
    WEB_INTRUDER,
)
from luytre.simulator.journal import Plot
from luytre.simulator.linux import AUTH, syslog
from luytre.simulator.mail import AGENT, SITE, ZIMBRA, audit
from luytre.simulator.province import DOMAIN, WEB_HOST, citizen
from luytre.simulator.scene import Scene, chance
from luytre.simulator.web import BROWSERS, CRAWLERS, PORTAL, combined

if TYPE_CHECKING:
    from collections.abc import Callable

UPLOADED = "/documents/20181/4711/thumb.jsp"
GAMBLING = (
    "/web/guest/tai-xiu-online-uy-tin",
    "/web/guest/game-bai-doi-thuong-2026",
    "/tin-tuc/n%E1%BB%95-h%C5%A9-%C4%91%E1%BB%95i-th%C6%B0%E1%BB%9Fng.html",
    "/web/guest/8xbet-dang-nhap",
)


def begin_s(scene: Scene, name: str) -> float:
    """Return when an attack begins, such that it ends within the scene."""
    return chance(scene.seed, name).uniform(0.2, 0.5) * scene.seconds


def pace(scene: Scene, steps: int) -> Callable[[int], float]:
    """Return the time of a step since the beginning, fitting the scene."""
    step_s = min(scene.step_s, scene.seconds * 0.4 / steps)
    return lambda index: index * step_s


def web_shell(scene: Scene) -> None:
    """Upload a page to the portal and give it commands."""
    scene.journal.plot(Plot(
        "web-shell", "Tải webshell lên cổng thông tin", "Web shell on the portal",
        "An intruder uploads thumb.jsp through a form, opens it, and runs commands with it.",
    ))  # fmt: skip
    start, after = begin_s(scene, "web-shell"), pace(scene, 6)
    command = (expected.UPLOAD_ANSWERED, expected.SHELL_COMMAND)
    steps = (
        ("GET /c/portal/login", 200, ()),
        ("POST /lien-he?p_p_id=dinh_kem&p_p_lifecycle=1", 200, ()),
        (f"GET {UPLOADED}", 200, (expected.UPLOAD_ANSWERED,)),
        (f"POST {UPLOADED}?cmd=whoami", 200, command),
        (f"GET {UPLOADED}?cmd=cat%20/opt/liferay/portal-ext.properties", 200, command),
        (f"POST {UPLOADED}?cmd=id", 200, command),
    )
    for index, (request, status, rules) in enumerate(steps):
        at_s = start + after(index)
        line = combined(scene, at_s, WEB_INTRUDER, request, status, 512 + index, BROWSERS[1])
        scene.journal.incriminate("web-shell", PORTAL, at_s, line, rules)


def gambling(scene: Scene) -> None:
    """Let crawlers find injected gambling pages; visitors from a search engine are sent away."""
    scene.journal.plot(Plot(
        "gambling-pages", "Chèn nội dung cờ bạc vào cổng thông tin", "Injected gambling pages",
        "Crawlers read pages about betting on the portal; visitors are redirected to the site.",
    ))  # fmt: skip
    dice = chance(scene.seed, "gambling-pages")
    start, after = begin_s(scene, "gambling-pages"), pace(scene, 2 * len(GAMBLING))
    for index, path in enumerate(GAMBLING):
        client, agent = CRAWLERS[index % len(CRAWLERS)]
        at_s = start + after(2 * index)
        line = combined(scene, at_s, client, f"GET {path}", 200, 18_211, agent)
        rules = (expected.GAMBLING_CRAWLED,)
        scene.journal.incriminate("gambling-pages", PORTAL, at_s, line, rules)
        at_s = start + after(2 * index + 1)
        line = combined(
            scene,
            at_s,
            citizen(dice),
            f"GET {path}",
            302,
            0,
            BROWSERS[3],
            "https://www.google.com/",
        )
        rules = (expected.GAMBLING_REDIRECT,)
        scene.journal.incriminate("gambling-pages", PORTAL, at_s, line, rules)


def recorder(scene: Scene) -> None:
    """Exploit a commune's video recorder, which then calls its master and looks for others."""
    scene.journal.plot(Plot(
        "recorder", "Chiếm quyền đầu ghi camera của xã", "Video recorder taken over",
        "A recorder answers an exploit, opens a session to the Internet, and scans for telnet.",
    ))  # fmt: skip
    dice = chance(scene.seed, "recorder")
    victim = dice.choice(scene.province.communes).recorder
    start, after = begin_s(scene, "recorder"), pace(scene, 8)
    line = network.request(
        scene, start, RECORDER_INTRUDER, victim, "PUT", "/SDK/webLanguage", 200, "curl/8.5.0"
    )
    rules = (expected.CAMERA_EXPLOIT,)
    scene.journal.incriminate("recorder", network.HTTP, start, line, rules)
    at_s = start + after(1)
    line = network.session(scene, at_s, victim, RECORDER_MASTER, 6667, port_from=40_112)
    scene.journal.incriminate("recorder", network.CONN, at_s, line, (expected.CAMERA_OUT,))
    for index in range(2, 8):
        at_s = start + after(index)
        line = network.session(
            scene, at_s, victim, citizen(dice), dice.choice((23, 2323)),
            state=network.UNANSWERED, port_from=40_112 + index,
        )  # fmt: skip
        scene.journal.incriminate("recorder", network.CONN, at_s, line, (expected.CAMERA_SCAN,))


def stolen_passwords(scene: Scene) -> None:
    """Guess root's password, then log in to the mail server's console and forward a mailbox."""
    scene.journal.plot(Plot(
        "stolen-passwords", "Đăng nhập root và quản trị thư từ địa chỉ IOC",
        "Root and the mail administrator log in from a listed address",
        "An address on the indicator list guesses root's password, logs in over SSH, opens the "
        "Zimbra console from the Internet and forwards a mailbox.",
    ))  # fmt: skip
    start, after = begin_s(scene, "stolen-passwords"), pace(scene, 8)
    for index in range(4):
        text = f"Failed password for root from {BAD_HOST} port {51_140 + index} ssh2"
        _ssh(scene, start + after(index), text, ())
    text = f"Accepted password for root from {BAD_HOST} port 51144 ssh2"
    _ssh(scene, start + after(4), text, (expected.ROOT_FROM_INTERNET, expected.SSH_INDICATOR))
    admin = f"admin@{DOMAIN}"
    context = f"name={admin};oip={BAD_HOST};ua={AGENT};"
    rules = (expected.ZIMBRA_ADMIN, expected.ZIMBRA_INDICATOR)
    _mail(
        scene, start + after(6), "AuthRequest", context, f"cmd=AdminAuth; account={admin};", rules
    )
    forward = (
        f"name={scene.province.people[0].mailbox}; zimbraMailForwardingAddress=a.b@example.net;"
    )
    text = f"cmd=ModifyAccount; {forward}"
    _mail(scene, start + after(7), "ModifyAccountRequest", context, text, (expected.FORWARDED,))


def _ssh(scene: Scene, at_s: float, text: str, rules: tuple[str, ...]) -> None:
    line = syslog(scene, at_s, WEB_HOST, "sshd[4471]", text)
    scene.journal.incriminate("stolen-passwords", AUTH, at_s, line, rules)


def _mail(
    scene: Scene, at_s: float, action: str, context: str, text: str, rules: tuple[str, ...]
) -> None:
    line = audit(scene, at_s, f"{SITE}:7071/service/admin/soap/{action}", context, text)
    scene.journal.incriminate("stolen-passwords", ZIMBRA, at_s, line, rules)
