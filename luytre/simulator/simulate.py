"""Writes a folder with some minutes of a province: logs, tables, settings, and the truth."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from luytre.core.errors import Refused
from luytre.simulator import attack_ransom, attack_servers, attack_services
from luytre.simulator import attacks as centre
from luytre.simulator.applications import applications, platform
from luytre.simulator.attack_office import phishing
from luytre.simulator.audited import daemons
from luytre.simulator.journal import Journal
from luytre.simulator.linux import servers
from luytre.simulator.mail import mailboxes, transport
from luytre.simulator.network import sensor
from luytre.simulator.province import settle
from luytre.simulator.scene import Scene, chance
from luytre.simulator.tables import write_tables
from luytre.simulator.truth import Truth, write_truth
from luytre.simulator.web import one_stop, portal
from luytre.simulator.windows import offices

if TYPE_CHECKING:
    from pathlib import Path

EVERYDAY = (portal, one_stop, servers, mailboxes, transport, sensor, offices)
ATTACKS = (centre.web_shell, centre.gambling, phishing, centre.recorder, centre.stolen_passwords)
MORE_SOURCES = (applications, platform, daemons)
MORE_ATTACKS = (
    attack_ransom.ransomware, attack_ransom.silence, attack_services.data_sharing,
    attack_services.dossiers, attack_services.documents, attack_services.signing,
    attack_servers.database, attack_servers.gazette, attack_servers.portal_probe,
    attack_servers.mailbox, attack_servers.spoofed_leader,
)  # fmt: skip


def simulate(
    folder: Path,
    *,
    seed: int,
    start: datetime,
    minutes: float = 10,
    attacks: bool = True,
    whole: bool = False,
    rate: float = 1.0,
    rhythm: bool = False,
) -> Truth:
    """Write a simulated province into ``folder`` and return what happened in it.

    About 2,500 events a minute at ``rate`` 1. With ``rhythm`` most of them are in office hours, and
    attackers take hours instead of minutes. The same arguments give the same bytes. ``start`` must
    have a time zone. ``whole`` adds the applications, the sharing platform
    and the servers' audit daemons, and eleven attacks to the five. The folder holds
    ``luytre.yaml``, ``tables/``, ``logs/``, ``truth.ndjson``, and ``timeline.json`` for ``play``.

    Raises:
        Refused: the folder has something in it already, or ``start`` has no time zone.
    """
    if start.tzinfo is None:
        raise Refused("the start of a simulation needs a time zone")
    if folder.exists() and any(folder.iterdir()):
        raise Refused(f"{folder} is not empty: choose a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    province = settle(chance(seed, "province"))
    seconds, journal = minutes * 60, Journal()
    scene = Scene(seed, start.astimezone(UTC), seconds, rate, province, journal, rhythm)
    everyday = (*EVERYDAY, *(MORE_SOURCES if whole else ()))
    hostile = (*ATTACKS, *(MORE_ATTACKS if whole else ())) if attacks else ()
    for write in (*everyday, *hostile):
        write(scene)
    truth = scene.journal.write(folder)
    write_tables(folder, province, scene.start, whole=whole)
    write_truth(folder, truth)
    return truth
