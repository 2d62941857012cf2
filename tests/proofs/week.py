"""Proof: a week of the province, with three real Windows hosts in it, as triage shows it.

``python -m tests.proofs.week`` plays a week for each seed, and writes
``docs/evidence/triage-week.md``: alerts and incidents a day, what became of each labelled attack,
and every false alarm above `medium`; a week that was played is kept in ``.proofs/``. ``play`` builds such a week for others: afterwards its folder
is an installation, whose archive holds every event.
"""

import hashlib
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

from luytre.audit.database import CaseDatabase
from luytre.audit.signer import Signer
from luytre.cases.grouping import CONTEXT
from luytre.cases.model import STATES, IncidentQuery
from luytre.cases.read import Incidents
from luytre.core.alert import LEVELS, Alert, AlertQuery
from luytre.core.clock import SystemClock
from luytre.core.config import load_config
from luytre.core.organization import Scope
from luytre.processor.build import alert_store
from luytre.processor.case_host import ROOMS
from luytre.processor.places import Places
from luytre.simulator import Truth
from tests.archives import unpack
from tests.proofs import week_logs, week_page, week_run
from tests.proofs.__main__ import piece

LOCAL = timezone(timedelta(hours=7))
ALARMING = LEVELS.index("high")
RATE = 0.01
SEEDS, SIGMA_SEEDS = (1, 2, 3), (1,)
"""With SigmaHQ's rules one week is enough: its hosts and their alarms are the same in every week.
"""
SIMULATED_APT = "apt-simulator"
APT_HOST = "desktop-tmku40h"
"""The host on which its owner ran APTSimulator; what it alarms about after that is no false alarm.
"""


@dataclass
class Outcome:
    """What a week was. ``problems`` must be empty.

    ``attacks`` are by id: how many alerts, in which incidents, how many others are in them, and
    how many `informational` alerts of the attack are elsewhere: notes, which make no incident.
    ``alarms`` are those above `medium` that no label explains: level, rule, host, how many.
    """

    seed: int
    rules: str
    events: int
    seconds: float
    alerts: Sequence[int] = ()
    incidents: Sequence[int] = ()
    levels: Mapping[str, int] = field(default_factory=dict)
    attacks: Mapping[str, tuple[int, Sequence[int], int, int]] = field(default_factory=dict)
    alarms: Sequence[tuple[str, str, str, int, int]] = ()
    problems: list[str] = field(default_factory=list)


def play(
    folder: Path,
    seed: int,
    rate: float,
    get: Callable[[str], Path] | None,
    rules: tuple[Path, ...] = (),
    *,
    share: int = 1,
    step_s: float = week_logs.HOUR_S,
) -> week_logs.Logs:
    """Make ``folder`` an installation that has lived through a week.

    ``rate`` is that of the simulator (0.01: 250,000 events), ``get`` unpacks ``evtx-hosts.jsonl``
    (None: without the hosts; ``share`` takes one of so many of their files), ``rules`` are more
    rules than Luytre's own, and ``step_s`` how long each turn of the pipeline is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    logs = week_logs.make(folder, seed, rate, get, share)
    week_run.run(folder, logs, rules, step_s=step_s)
    return logs


def prove(
    folder: Path,
    seed: int,
    rate: float,
    get: Callable[[str], Path] | None,
    rules: tuple[Path, ...] = (),
    **more: Any,
) -> Outcome:
    """Play a week and look at what triage made of it."""
    began_s = time.monotonic()
    logs = play(folder, seed, rate, get, rules, **more)
    outcome = Outcome(seed, _named(rules), logs.events, time.monotonic() - began_s)
    return look(folder, logs.truth, outcome)


def _named(rules: tuple[Path, ...]) -> str:
    return "ours and SigmaHQ's" if rules else "ours"


def look(folder: Path, truth: Truth, outcome: Outcome) -> Outcome:
    """Read the installation's alerts and incidents, and compare them with the truth."""
    config = load_config(folder / "luytre.yaml")
    places = Places(config.data_dir)
    with closing(alert_store(config)) as store:
        alerts = store.find(AlertQuery(limit=10**6), Scope.everything())
    signer = Signer(places.signer)
    with closing(CaseDatabase(places.cases, signer, SystemClock(), ROOMS)) as cases:
        rows: Any = list(cases.connection.execute("SELECT alert, incident FROM incident_alerts"))
        query = IncidentQuery(states=STATES, limit=-1)
        incidents = Incidents(cases).find(query, Scope.everything())
    home = {str(alert): int(incident) for alert, incident in rows}
    began = [datetime.fromisoformat(i.first_at) for i in incidents if i.merged_into is None]
    outcome.problems += [f"alert {a.id} is in no incident" for a in alerts if _key(a) not in home]
    labels = _labels(truth, alerts)
    outcome.alerts = _by_day(_at(alert) for alert in alerts)
    outcome.incidents = _by_day(began)
    outcome.levels = dict(Counter(alert.rule.level for alert in alerts))
    _attacks(truth, alerts, labels, home, outcome)
    alarms = Counter(
        (a.rule.level, a.rule.title, _host(a))
        for a in alerts
        if a.id not in labels and LEVELS.index(a.rule.level) >= ALARMING
    )
    in_incidents = {
        alarm: len(
            {home[_key(a)] for a in alerts if (a.rule.level, a.rule.title, _host(a)) == alarm}
        )
        for alarm in alarms
    }
    outcome.alarms = sorted((*alarm, n, in_incidents[alarm]) for alarm, n in alarms.items())
    return outcome


def _labels(truth: Truth, alerts: Sequence[Alert]) -> dict[str, str]:
    """Return which attack each alert is of, by its id."""
    guilty = {line.sha256: a.id for a in truth.attacks for line in a.evidence}
    found = {a.id: guilty.get(hashlib.sha256(a.original).hexdigest(), "") for a in alerts}
    found |= {a.id: SIMULATED_APT for a in alerts if _host(a) == APT_HOST}
    return {alert: attack for alert, attack in found.items() if attack}


def _attacks(
    truth: Truth,
    alerts: Sequence[Alert],
    labels: Mapping[str, str],
    home: Mapping[str, int],
    outcome: Outcome,
) -> None:
    verdicts = {(a.rule.id, hashlib.sha256(a.original).hexdigest()) for a in alerts}
    for attack in truth.attacks:
        outcome.problems += [
            f"{attack.id}: rule {rule} did not fire" for rule in sorted(attack.missed(verdicts))
        ]
    found: dict[str, tuple[int, Sequence[int], int, int]] = {}
    for attack_id in sorted(set(labels.values())):
        own = [a for a in alerts if labels.get(a.id) == attack_id]
        homes = sorted({home[_key(a)] for a in own if LEVELS.index(a.rule.level) >= CONTEXT})
        notes = sum(home[_key(a)] not in homes for a in own)
        others = [a for a in alerts if home.get(_key(a)) in homes and labels.get(a.id) != attack_id]
        found[attack_id] = (len(own), homes, len(others), notes)
        if len(homes) != 1:
            outcome.problems.append(f"{attack_id} is in {len(homes)} incidents: {homes}")
    outcome.attacks = found


def _key(alert: Alert) -> str:
    return alert.episode or alert.id


def _at(alert: Alert) -> datetime:
    return alert.seen_at or alert.ingested_at


def _host(alert: Alert) -> str:
    return alert.event.get("host.name", "").lower()


def _by_day(times: Any) -> list[int]:
    """Return how many of some times are in each day of the week; others are at its ends."""
    counted = Counter(
        min(
            max((at.astimezone(LOCAL).date() - week_logs.START.astimezone(LOCAL).date()).days, 0), 6
        )
        for at in times
    )
    return [counted[day] for day in range(week_logs.DAYS)]


def main() -> int:
    """Play the weeks, write the page, and fail if an attack is torn apart."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)

        def get(archive: str) -> Path:
            return unpack(archive, place / archive)

        weeks = [
            piece(f"week-{seed}{'-sigma' * sigma}", partial(_week, place, seed, get, sigma=sigma))
            for sigma, seeds in ((False, SEEDS), (True, SIGMA_SEEDS))
            for seed in seeds
        ]
    week_page.write(weeks)
    return 1 if any(week["problems"] for week in weeks) else 0


def _week(place: Path, seed: int, get: Callable[[str], Path], *, sigma: bool) -> Outcome:
    rules = (get("sigma-rules") / "sigma" / "rules",) if sigma else ()
    return prove(place / f"week-{seed}-{len(rules)}", seed, RATE, get, rules)


if __name__ == "__main__":
    sys.exit(main())
