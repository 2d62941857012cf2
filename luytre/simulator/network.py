"""Everyday lines of a Zeek sensor: sessions, web requests, and names asked for."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from luytre.simulator.province import (
    ADMIN_PC,
    BACKUP_SERVER,
    DOMAIN,
    FILE_SERVER,
    RESOLVER,
    VIDEO_SERVER,
    citizen,
    stranger,
)
from luytre.simulator.scene import Scene, chance, likely

if TYPE_CHECKING:
    from random import Random

CONN, HTTP, DNS = "logs/sensor/conn.log", "logs/sensor/http.log", "logs/sensor/dns.log"
TIME_SERVER = "198.18.0.123"
NAMES = ("dichvucong", "mail01", "qlvb", "portal", "wpad", "update")
ESTABLISHED, UNANSWERED = "SF", "S0"


def record(scene: Scene, at_s: float, path: str, **fields: Any) -> str:
    """Return a record of Zeek's JSON writer; dots in names are given as double underscores."""
    moment = (scene.start + timedelta(seconds=at_s)).timestamp()
    named = {name.replace("__", "."): value for name, value in fields.items()}
    uid = f"C{int(at_s * 1e6):010d}x{len(named)}"
    return json.dumps({"_path": path, "ts": round(moment, 6), "uid": uid, **named})


def session(  # noqa: PLR0913 - the parts of a session
    scene: Scene, at_s: float, source: str, destination: str, port: int, *,
    state: str = ESTABLISHED, proto: str = "tcp", service: str | None = None,
    port_from: int = 50_000, sent: int = 1_200,
) -> str:  # fmt: skip
    """Return a line of conn.log."""
    answered = 0 if state == UNANSWERED else 5400
    more = {"service": service} if service else {}  # Zeek leaves out what it does not know
    return record(
        scene, at_s, "conn", id__orig_h=source, id__orig_p=port_from, id__resp_h=destination,
        id__resp_p=port, proto=proto, duration=1.25, orig_bytes=sent,
        resp_bytes=answered, conn_state=state, local_orig=source.startswith("10."),
        local_resp=destination.startswith("10."), orig_pkts=12, resp_pkts=answered // 540,
        **more,
    )  # fmt: skip


def sensor(scene: Scene) -> None:
    """Write offices at work, cameras on their recorders, and doors that stay shut."""
    dice = chance(scene.seed, "sensor")
    for at_s in scene.times(dice, 420):
        _office_session(scene, dice, at_s)
    for at_s in scene.times(dice, 60):
        _camera_session(scene, dice, at_s)
    for at_s in scene.times(dice, 40):
        port = dice.choice((22, 23, 445, 3389, 8000, 37_215))
        line = session(scene, at_s, stranger(dice), "10.1.2.15", port, state=UNANSWERED)
        scene.journal.add(CONN, at_s, line)
    for at_s in scene.times(dice, 160):
        _question(scene, dice, at_s)
    for at_s in scene.times(dice, 80):
        _request(scene, dice, at_s)


def _office_session(scene: Scene, dice: Random, at_s: float) -> None:
    commune = dice.choice(scene.province.communes)
    pc, neighbour = dice.sample(commune.pcs, 2)
    other = dice.choice(scene.province.communes).pcs[0]
    destination, port, state = dice.choice((
        (FILE_SERVER, 445, ESTABLISHED), (neighbour.address, 445, ESTABLISHED),
        (citizen(dice), 443, ESTABLISHED), (citizen(dice), 443, ESTABLISHED),
        ("10.1.2.15", 443, ESTABLISHED), (other.address, 445, UNANSWERED),
    ))  # fmt: skip
    source = pc.address
    if likely(dice, 0.05):
        source, destination, port = dice.choice((
            (ADMIN_PC, pc.address, 3389), (BACKUP_SERVER, FILE_SERVER, 445),
            (ADMIN_PC, "10.1.2.15", 1433),
        ))  # fmt: skip
        state = ESTABLISHED
    line = session(
        scene,
        at_s,
        source,
        destination,
        port,
        state=state,
        port_from=dice.randrange(49_152, 65_535),
    )
    scene.journal.add(CONN, at_s, line)


def _camera_session(scene: Scene, dice: Random, at_s: float) -> None:
    commune = dice.choice(scene.province.communes)
    source, destination, port, proto, state = dice.choice((
        (commune.recorder, dice.choice(commune.cameras), 554, "tcp", ESTABLISHED),
        (commune.recorder, VIDEO_SERVER, 8000, "tcp", ESTABLISHED),
        (commune.recorder, TIME_SERVER, 123, "udp", ESTABLISHED),
        (commune.recorder, "239.255.255.250", 1900, "udp", UNANSWERED),
        (commune.recorder, "198.18.77.7", 443, "tcp", UNANSWERED),
        (commune.pcs[0].address, commune.recorder, 80, "tcp", ESTABLISHED),
    ))  # fmt: skip
    line = session(scene, at_s, source, destination, port, proto=proto, state=state)
    scene.journal.add(CONN, at_s, line)


def _question(scene: Scene, dice: Random, at_s: float) -> None:
    pc = dice.choice(dice.choice(scene.province.communes).pcs)
    query = f"{dice.choice(NAMES)}.{DOMAIN}"
    line = record(
        scene, at_s, "dns", id__orig_h=pc.address, id__orig_p=dice.randrange(49_152, 65_535),
        id__resp_h=RESOLVER, id__resp_p=53, proto="udp", query=query, qclass_name="C_INTERNET",
        qtype_name="A", rcode_name="NOERROR", AA=False, TC=False, RD=True, RA=True, Z=0,
        answers=["10.1.2.15"], rejected=False,
    )  # fmt: skip
    scene.journal.add(DNS, at_s, line)


def request(
    scene: Scene, at_s: float, source: str, destination: str, method: str, uri: str, status: int,
    agent: str = "Mozilla/5.0",
) -> str:  # fmt: skip
    """Return a line of http.log."""
    return record(
        scene, at_s, "http", id__orig_h=source, id__orig_p=50_333, id__resp_h=destination,
        id__resp_p=80, trans_depth=1, method=method, host=destination, uri=uri, version="1.1",
        user_agent=agent, request_body_len=0, response_body_len=612, status_code=status,
    )  # fmt: skip


def _request(scene: Scene, dice: Random, at_s: float) -> None:
    commune = dice.choice(scene.province.communes)
    source, destination, method, uri, status = dice.choice((
        (commune.pcs[0].address, commune.recorder, "GET", "/doc/page/login.asp", 200),
        (commune.pcs[1].address, "10.1.2.15", "GET", "/qlvb/van-ban-den", 200),
        (commune.pcs[2].address, "10.1.2.15", "POST", "/qlvb/van-ban-di", 302),
        (stranger(dice), "10.1.2.15", "PUT", "/SDK/webLanguage", 404),
        (stranger(dice), "10.1.2.15", "GET", "/onvif-http/snapshot?auth=YWRtaW46MTEK", 404),
    ))  # fmt: skip
    line = request(scene, at_s, source, destination, method, uri, status)
    scene.journal.add(HTTP, at_s, line)
