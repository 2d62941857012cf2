"""Everyday lines of the mail server: Zimbra's audit.log and Postfix' maillog."""

from __future__ import annotations

from typing import TYPE_CHECKING

from luytre.simulator.linux import syslog
from luytre.simulator.province import ADMIN_PC, DOMAIN, MAIL_HOST, Person, citizen, stranger
from luytre.simulator.scene import Scene, chance, likely

if TYPE_CHECKING:
    from random import Random

ZIMBRA = "logs/mail/audit.log"
POSTFIX = "logs/mail/maillog"
AGENT = "ZimbraWebClient - FF145 (Win)/8.8.15_GA_4059"
SUBMISSION = "submission/smtpd"
DELIVERED = (
    f"relay={MAIL_HOST}[10.1.3.4]:7025, delay=0.41, delays=0.1/0/0.01/0.3, dsn=2.1.5, "
    "status=sent (250 2.1.5 Delivery OK)"
)
SITE = f"https://{MAIL_HOST}.{DOMAIN}"


def audit(
    scene: Scene, at_s: float, url: str, context: str, text: str, *, level: str = "INFO"
) -> str:
    """Return a line of audit.log; its time has no zone, so the server's clock is set to UTC."""
    when = scene.utc(at_s).replace("T", " ").replace(".", ",")[:23]
    thread = int(at_s * 10) % 97
    return f"{when} {level:<5} [qtp7719989-{thread}:{url}] [{context}] security - {text}"


def mailboxes(scene: Scene) -> None:
    """Write logins of officials at work and at home, wrong passwords, and the administrator's."""
    dice = chance(scene.seed, "zimbra")
    for at_s in scene.times(dice, 130):
        _login(scene, dice, at_s)
    for at_s in scene.times(dice, 6):
        _wrong_password(scene, dice, at_s)
    for at_s in scene.times(dice, 0.6):
        context = f"name=admin@{DOMAIN};ip={ADMIN_PC};oip={ADMIN_PC};ua={AGENT};"
        url, text = f"{SITE}:7071/service/admin/soap/AuthRequest", f"account=admin@{DOMAIN};"
        line = audit(scene, at_s, url, context, f"cmd=AdminAuth; {text}")
        scene.journal.add(ZIMBRA, at_s, line)


def _login(scene: Scene, dice: Random, at_s: float) -> None:
    person = dice.choice(scene.province.people)
    at_home = likely(dice, 0.2)
    client = citizen(dice) if at_home else _desk(scene, person)
    context = f"name={person.mailbox};oip={client};ua={AGENT};"
    text = f"cmd=Auth; account={person.mailbox}; protocol=soap;"
    line = audit(scene, at_s, f"{SITE}/service/soap/AuthRequest", context, text)
    scene.journal.add(ZIMBRA, at_s, line)


def _desk(scene: Scene, person: Person) -> str:
    """Return the address of the machine where somebody works."""
    pcs = (pc for commune in scene.province.communes for pc in commune.pcs)
    return next(pc.address for pc in pcs if pc.person == person)


def _wrong_password(scene: Scene, dice: Random, at_s: float) -> None:
    """Write a failure; half of them are guesses at the administrator through SMTP."""
    if likely(dice, 0.5):
        client, box = stranger(dice), f"admin@{DOMAIN}"
        url = f"{SITE}:7073/service/admin/soap/"
        context = f"name={box};oip={client};oport={dice.randrange(1024, 65_000)};oproto=smtp;"
    else:
        person = dice.choice(scene.province.people)
        client, box = citizen(dice), person.mailbox
        url = f"{SITE}/service/soap/AuthRequest"
        context = f"name={box};oip={client};ua={AGENT};"
    text = f"cmd=Auth; account={box}; protocol=soap; error=authentication failed for [{box}], "
    line = audit(scene, at_s, url, context, text + "invalid password;", level="WARN")
    scene.journal.add(ZIMBRA, at_s, line)


def transport(scene: Scene) -> None:
    """Write mail that comes, goes, and is turned away."""
    dice = chance(scene.seed, "postfix")
    for at_s in scene.times(dice, 32):
        _delivery(scene, dice, at_s)
    for at_s in scene.times(dice, 20):
        _turned_away(scene, dice, at_s)


def _note(scene: Scene, at_s: float, program: str, text: str) -> None:
    moment = min(at_s, scene.seconds)
    line = syslog(scene, moment, MAIL_HOST, f"postfix/{program}", text)
    scene.journal.add(POSTFIX, moment, line)


def _delivery(scene: Scene, dice: Random, at_s: float) -> None:
    sender, receiver = dice.sample(scene.province.people, 2)
    queue, pid = f"{dice.getrandbits(44):011X}", dice.randrange(900, 30_000)
    client, size = _desk(scene, sender), dice.randrange(2000, 4_000_000)
    login = f"client=unknown[{client}], sasl_method=PLAIN, sasl_username={sender.mailbox}"
    cleanup = f"{queue}: warning: header"
    ends = (
        f"from unknown[{client}]; from=<{sender.mailbox}> to=<{receiver.mailbox}> proto=ESMTP "
        f"helo=<[{client}]>"
    )
    steps = (
        (SUBMISSION, f"connect from unknown[{client}]"),
        (SUBMISSION, f"{queue}: {login}"),
        ("cleanup", f"{queue}: message-id=<{queue.lower()}@{DOMAIN}>"),
        ("cleanup", f'{cleanup} From: "UBND {sender.name}" <{sender.mailbox}> {ends}'),
        ("cleanup", f'{cleanup} Content-Disposition: attachment; filename="To trinh.docx" {ends}'),
        ("qmgr", f"{queue}: from=<{sender.mailbox}>, size={size}, nrcpt=1 (queue active)"),
        ("lmtp", f"{queue}: to=<{receiver.mailbox}>, {DELIVERED}"),
        ("qmgr", f"{queue}: removed"),
    )  # fmt: skip
    for index, (program, text) in enumerate(steps):
        _note(scene, at_s + index * 0.06, f"{program}[{pid + len(program)}]", text)


def _turned_away(scene: Scene, dice: Random, at_s: float) -> None:
    client, pid = stranger(dice), dice.randrange(900, 30_000)
    program = f"smtpd[{pid}]"
    _note(scene, at_s, program, f"connect from unknown[{client}]")
    refused = (
        f"NOQUEUE: reject: RCPT from unknown[{client}]: 554 5.7.1 <x@example.net>: Relay access "
        "denied; from=<a@example.org> to=<x@example.net> proto=SMTP helo=<example.org>"
    )
    guessed = f"warning: unknown[{client}]: SASL LOGIN authentication failed: UGFzc3dvcmQ6"
    _note(scene, at_s + 0.3, program, dice.choice((refused, guessed)))
    _note(scene, at_s + 0.5, program, f"disconnect from unknown[{client}] ehlo=1 commands=1/2")
