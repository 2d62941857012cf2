"""Everyday audit events of the e-government applications, and calls of the sharing platform."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from luytre.simulator.province import ADMIN_PC, citizen
from luytre.simulator.scene import Scene, chance, likely
from luytre.simulator.web import BROWSERS, PLATFORM_SITE, combined, hosted

if TYPE_CHECKING:
    from random import Random

EVENTS = "logs/apps/audit.ndjson"
PLATFORM_ACCESS = "logs/platform/access.log"
SERIAL = "5404ffe1"
CONSUMERS = (
    ("000.00.17.H99/thue-dat", "app-thue-dat", "10.1.4.77"),
    ("000.00.08.H99/ho-tich", "app-ho-tich", "10.1.4.78"),
    ("000.00.22.H99/bhxh", "app-bhxh", "10.1.4.79"),
)
"""Who asks the sharing platform for data: name, account, address."""

WORK = (
    ("dvc", "view", 1, "co_ban"), ("dvc", "submit", 1, "co_ban"), ("mcdt", "approve", 1, "co_ban"),
    ("mcdt", "export", 34, "co_ban"), ("qlvb", "view", 1, "none"), ("qlvb", "download", 3, "none"),
    ("qlvb", "publish", 1, "none"), ("csdl_yte", "view", 1, "nhay_cam"),
    ("csdl_gd", "view", 28, "nhay_cam"), ("csdl_gd", "export", 41, "nhay_cam"),
)  # fmt: skip
"""What officers do all day: system, action, records, personal data."""


def audited(
    scene: Scene, at_s: float, system: str, action: str, user: str, client: str,
    *, pii: str = "none", outcome: str = "success", **more: Any,
) -> str:  # fmt: skip
    """Return an event as docs/reference/egov-events.md asks for it; ``more`` is ``vn.egov.*``."""
    return json.dumps({
        "@timestamp": scene.at(at_s).isoformat(timespec="milliseconds"),
        "event": {"action": action, "outcome": outcome},
        "user": {"name": user},
        "source": {"ip": client},
        "vn": {"egov": {"system": system, **more}, "pii": pii},
    })  # fmt: skip


def applications(scene: Scene) -> None:
    """Write officers at work, seals in offices, and services that ask about one person."""
    dice = chance(scene.seed, "applications")
    for at_s in scene.times(dice, 40):
        scene.journal.add(EVENTS, at_s, _work(scene, dice, at_s))
    for at_s in scene.times(dice, 20):
        consumer, account, client = dice.choice(CONSUMERS)
        line = audited(
            scene, at_s, "lgsp", "call", account, client, pii="co_ban",
            consumer=consumer, subject_count=1, record_count=dice.randrange(1, 4),
        )  # fmt: skip
        scene.journal.add(EVENTS, at_s, line)
    # The yearly synchronisation names its ticket: many records, and no alarm.
    for at_s in scene.times(dice, 0.4):
        consumer, account, client = CONSUMERS[2]
        line = audited(
            scene, at_s, "lgsp", "call", account, client, pii="co_ban",
            consumer=consumer, subject_count=90_000, change_ticket="YC-2026-117",
        )  # fmt: skip
        scene.journal.add(EVENTS, at_s, line)


def _work(scene: Scene, dice: Random, at_s: float) -> str:
    pc = dice.choice(dice.choice(scene.province.communes).pcs)
    user, client = pc.person.account, pc.address
    if likely(dice, 0.15):
        kind, client = dice.choice((("organization", client), ("person", citizen(dice))))
        return audited(
            scene, at_s, "kyso", "sign", user, client, record_count=1,
            certificate_kind=kind, certificate_serial=SERIAL,
        )  # fmt: skip
    system, action, records, pii = dice.choice(WORK)
    outcome = "failure" if likely(dice, 0.03) else "success"
    return audited(
        scene, at_s, system, action, user, client, pii=pii, outcome=outcome, record_count=records
    )


def platform(scene: Scene) -> None:
    """Write the gateway's access log: services, its administrators, and probes that fail."""
    dice = chance(scene.seed, "platform")
    for at_s in scene.times(dice, 40):
        _, _, client = dice.choice(CONSUMERS)
        request = f"POST /{dice.choice(('csdl-dan-cu', 'ho-tich', 'dat-dai'))}/1.0/tra-cuu"
        line = combined(scene, at_s, client, request, 200, dice.randrange(900, 4000), "Java/17")
        scene.journal.add(PLATFORM_ACCESS, at_s, hosted(PLATFORM_SITE, line))
    for at_s in scene.times(dice, 1):
        request = "POST /carbon/admin/login_action.jsp"
        line = combined(scene, at_s, ADMIN_PC, request, 302, 0, BROWSERS[1])
        scene.journal.add(PLATFORM_ACCESS, at_s, hosted(PLATFORM_SITE, line))
    for at_s in scene.times(dice, 2):
        client, request = citizen(dice), "POST /fileupload/toolsAny"
        line = combined(scene, at_s, client, request, 403, 153, "curl/8.5.0")
        scene.journal.add(PLATFORM_ACCESS, at_s, hosted(PLATFORM_SITE, line))
