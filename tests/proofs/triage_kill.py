"""Proof: kill -9 during triage and bulk decisions leaves nothing half done.

The signer, the triage loop and a person who decides about many incidents at once are killed at
random moments and started again, while alerts keep coming. Afterwards each alert is in exactly one
incident, and whatever is true of an incident stands in the history, which verifies.
"""

import os
import random
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest.embedded import EmbeddedLog
from luytre.audit.anchors import anchor_in
from luytre.audit.database import CaseDatabase
from luytre.audit.export import export
from luytre.audit.signer_client import RemoteSigner
from luytre.audit.signer_process import serve
from luytre.cases.decide import Decisions
from luytre.cases.model import STATES, IncidentQuery
from luytre.cases.read import Incidents
from luytre.cases.room import ROOM
from luytre.cases.triage import Triage
from luytre.core.actor import Actor
from luytre.core.clock import SystemClock
from luytre.core.config import LogConfig
from luytre.core.errors import LuytreError
from luytre.core.message import ALERTS_TOPIC
from luytre.core.organization import Scope
from luytre.processor.alert_messages import alert_messages
from luytre.processor.run import Loop
from luytre.processor.triage import TriageSink
from luytre_verify.anchor import read_anchor
from luytre_verify.verify import verify
from tests.cases.conftest import made
from tests.verifier.history import ADMIN

HOSTS, DRAIN_S = 40, 120
LAN = Actor("lan", frozenset({"analyst"}), Scope.everything(), "proof")
ALL = Scope.everything()


@dataclass
class Outcome:
    """What was done. ``problems`` must be empty."""

    kills: dict[str, int]
    alerts: int
    incidents: int
    bulk: int
    entries: int
    problems: list[str]


def prove(folder: Path, kills: int, seed: int) -> Outcome:
    """Kill ``kills`` times, then look."""
    chance = random.Random(seed)
    folder.mkdir(parents=True)
    roles: dict[str, Callable[[Path], None]] = {"signer": _sign, "triage": _triage, "bulk": _bulk}
    running = {name: _started(role, folder) for name, role in roles.items()}
    killed: Counter[str] = Counter()
    sent = 0
    while killed.total() < kills:
        sent = _send(folder, sent, chance)
        time.sleep(chance.uniform(0.05, 0.6))
        name = chance.choice(list(roles))
        _kill(running[name])
        killed[name] += 1
        running[name] = _started(roles[name], folder)
    _kill(running.pop("bulk"))
    sent = _send(folder, sent, chance)
    problems = _drained(folder, sent)
    for process in running.values():
        _kill(process)
    return _look(folder, sent, dict(killed), problems)


def _send(folder: Path, sent: int, chance: random.Random) -> int:
    """Send some alerts, at times the last ones again, as a detect loop after a crash would.

    The log is closed again at once: a child that is forked while a database is open takes over what
    SQLite believes of its locks, and may wait for one for ever.
    """
    start = max(0, sent - chance.choice([0, 0, 5]))
    end = sent + chance.randint(1, 40)
    alerts = [made(n, {"host.name": f"pc-{n % HOSTS}"}, at=n % 900) for n in range(start, end)]
    with closing(_log(folder)) as log, closing(log.producer()) as producer:
        for message in alert_messages(alerts, b"key"):
            producer.send(ALERTS_TOPIC, message)
        producer.flush()
    return end


def _drained(folder: Path, sent: int) -> list[str]:
    """Wait until the loop has taken everything."""
    until_s = time.monotonic() + DRAIN_S
    with _cases(folder) as cases:
        while time.monotonic() < until_s:
            found: Any = cases.connection.execute("SELECT count(*) FROM incident_alerts").get
            if found == sent:
                return []
            time.sleep(0.1)
    return [f"only {found} of {sent} alerts are in incidents"]


def _look(folder: Path, sent: int, kills: dict[str, int], problems: list[str]) -> Outcome:
    process = _started(_sign, folder)
    with _cases(folder) as cases:
        until_s = time.monotonic() + DRAIN_S
        while time.monotonic() < until_s:
            with suppress(LuytreError):
                anchor_in(cases, ADMIN, folder / "usb")
                break
            time.sleep(0.1)
        export(cases, ADMIN, folder / "export")
        incidents = Incidents(cases)
        rows = cases.connection.execute("SELECT alert FROM incident_alerts")
        missing = {f"alert-{n}" for n in range(sent)} ^ {str(alert) for (alert,) in rows}
        problems += [f"{alert} is in no incident, or not ours" for alert in sorted(missing)[:5]]
        everything = incidents.find(IncidentQuery(states=STATES, limit=-1), ALL)
        for incident in everything:
            problems += _differences(incidents, incident.id)
        bulk: Any = cases.connection.execute(
            "SELECT count(*) FROM audit_entries"
            " WHERE json_extract(entry, '$.action') IN ('incident.close', 'incident.state')"
        ).get
        entries = cases.book.size()
    _kill(process)
    report = verify(folder / "export", [read_anchor(folder / "usb")])
    problems += [finding.text("en") for finding in report.findings]
    return Outcome(kills, sent, len(everything), int(bulk), entries, problems)


def _differences(incidents: Incidents, number: int) -> list[str]:
    """Compare what an incident is with what its history says."""
    incident = incidents.get(number, ALL)
    told: dict[str, Any] = {"state": "new", "disposition": "", "assignee": ""}
    alerts, comments = 0, 0
    for step in incidents.life(number, ALL):
        after: Any = step.detail.get("after")
        if step.action in {"incident.state", "incident.close", "incident.assign"}:
            told["disposition"] = "" if step.action == "incident.state" else told["disposition"]
            told.update({k: v for k, v in after.items() if k in told})
        comments += step.action == "incident.comment" or bool(
            step.action == "incident.close" and after["comment"]
        )
        if step.action in {"incident.open", "incident.grow"}:
            alerts += len(step.detail["alerts"])
    shown = {name: getattr(incident, name) for name in told}
    found = [f"incident {number} is {shown}, its history says {told}"] if shown != told else []
    if alerts != incident.alerts:
        found.append(f"incident {number} has {incident.alerts} alerts, its history {alerts}")
    kept = len(incidents.comments(number, ALL))
    if kept != comments:
        found.append(f"incident {number} has {kept} comments, its history {comments}")
    return found


def _sign(folder: Path) -> None:
    serve(folder / "signer", folder / "s.sock", lambda: False)


def _triage(folder: Path) -> None:
    """Run the loop, and start it anew as the supervisor does: without a signer it cannot start."""
    clock = SystemClock()
    while True:
        with suppress(LuytreError), _cases(folder) as cases, closing(_log(folder)) as log:
            loop = Loop("triage", TriageSink(Triage(cases, clock)), clock)
            consumer = log.consumer("triage", ALERTS_TOPIC, on_revoke=loop.on_revoke)
            loop.run(consumer, lambda: False)
        time.sleep(0.1)


def _bulk(folder: Path) -> None:
    """Close and open many at once, for ever."""
    chance = random.Random()
    with _cases(folder) as cases:
        decisions, incidents = Decisions(cases, SystemClock()), Incidents(cases)
        while True:
            with suppress(LuytreError):
                closing_ = chance.random() < 0.3
                query = IncidentQuery(states=("new", "in progress") if closing_ else ("closed",))
                count = incidents.count(query, ALL)
                if closing_:
                    decisions.decide_many(
                        LAN, query, count, disposition="false positive", person="lan", comment="x"
                    )
                else:
                    decisions.decide_many(LAN, query, count, state="in progress")
            time.sleep(chance.uniform(0, 0.1))


@contextmanager
def _cases(folder: Path) -> Any:
    with closing(RemoteSigner(folder / "s.sock")) as signer:
        cases = CaseDatabase(folder / "cases.sqlite", signer, SystemClock(), [ROOM])
        try:
            yield cases
        finally:
            cases.close()


def _log(folder: Path) -> EmbeddedLog:
    log = EmbeddedLog(folder / "log", LogConfig(session_timeout_s=3), SystemClock())
    log.topics().create(ALERTS_TOPIC, 2)
    return log


def _started(role: Callable[[Path], None], folder: Path) -> int:
    process = os.fork()
    if process:
        return process
    try:
        os.dup2(os.open(folder / "stderr.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
        role(folder)
    except BaseException:  # noqa: BLE001 - whatever it was, it is told
        traceback.print_exc()
    finally:
        os._exit(1)


def _kill(process: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
