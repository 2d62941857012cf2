"""Writes what came of the weeks: ``docs/evidence/triage-week.md``."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tests.archives import ROOT

PAGE = ROOT / "docs" / "evidence" / "triage-week.md"
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

JUDGED: Mapping[tuple[str, str], str] = {
    ("Remote Desktop Logon From the Internet", "desktop-23ps6es"): "false: the address is 0.0.0.0, "
    "which is none on the Internet: the rule should leave it out; each logon is two events",
    ("Remote Desktop Logon From the Internet", "desktop-23ps6es.praivacymatrix.com"): "false: as "
    "above, by the Administrator",
    (
        "BITS Transfer Job Download From File Sharing Domains",
        "desktop-23ps6es.praivacymatrix.com",
    ): ("false: Chrome updates its components from storage.googleapis.com"),
    ("Important Scheduled Task Deleted or Disabled", "desktop-23ps6es.praivacymatrix.com"): (
        "false: Windows itself disables UpdateOrchestrator's Reboot"
    ),
}
"""What a person found who looked at the events: by rule title and host, "" for any host."""


def judgement(title: str, host: str) -> str:
    """Return what was found about an alarm; "not judged" if nobody looked."""
    return JUDGED.get((title, host)) or JUDGED.get((title, "")) or "**not judged**"


def write(weeks: Sequence[Mapping[str, Any]]) -> None:
    """Write the page."""
    problems = [f"{w['rules']}, seed {w['seed']}: {p}" for w in weeks for p in w["problems"]]
    parts = [
        f"""# A week at the duty desk

Written by `python -m tests.proofs.week` on {datetime.now(UTC):%Y-%m-%d}. Problems: {len(problems)}.

A simulated week of the province (`tests/proofs/week_logs.py`): most of the work in office hours, sixteen attacks of some hours each, and the link of the attacked
commune down for 30 hours from an hour before that attack. Mixed in are three real Windows hosts (`evtx-hosts`): an ordinary machine, one of an insider, and one on
which its owner ran APTSimulator; their days are closed up and moved into the week. Everything goes hour by hour through the shipper, the log, the detect, correlate,
index and triage loops (`tests/proofs/week_run.py`), by a clock that is advanced.

## Alerts and incidents

{_table(["rules", "seed", "events", "", *WEEKDAYS, "week", "alerts an incident"])}
{chr(10).join(row for week in weeks for row in _days(week))}

## The attacks

Each should be one incident, with all its alerts. "Others": alerts in that incident that are not of the attack. "Notes elsewhere": `informational` alerts of the attack,
which stay with the background, as everywhere ([triage](../reference/triage.md#grouping)). `apt-simulator` is no attack of the simulator but everything on the host that its owner attacked.

{_table(["rules", "seed", "attack", "alerts", "incidents", "others", "notes elsewhere"])}
{chr(10).join(row for week in weeks for row in _attacks(week))}

{" ".join(text for week in weeks for text in _together(week))}

## Alarms above `medium` that no label explains

{_table(["rules", "level", "rule", "host", "alerts in a week", "incidents", "judged"])}
{chr(10).join(_alarms(weeks))}
""",
        *(f"- {problem}" for problem in problems),
    ]
    PAGE.write_text("\n".join(parts).rstrip() + "\n", encoding="utf-8")


def _table(names: Sequence[str]) -> str:
    return f"{_row(names)}\n|{'---|' * len(names)}"


def _row(cells: Sequence[object]) -> str:
    return f"| {' | '.join(str(cell).replace('|', '&#124;') for cell in cells)} |"


def _days(week: Mapping[str, Any]) -> Iterator[str]:
    alerts, incidents = week["alerts"], week["incidents"]
    factor = f"{sum(alerts) / max(1, sum(incidents)):.1f}"
    start = week["rules"], week["seed"], f"{week['events']:,}"
    yield _row([*start, "alerts", *(f"{n:,}" for n in alerts), f"{sum(alerts):,}", ""])
    yield _row(["", "", "", "incidents", *incidents, sum(incidents), factor])


def _attacks(week: Mapping[str, Any]) -> Iterator[str]:
    for attack, (alerts, homes, others, notes) in week["attacks"].items():
        yield _row([week["rules"], week["seed"], attack, alerts, len(homes), others, notes])


def _together(week: Mapping[str, Any]) -> Iterator[str]:
    """Say which attacks share an incident."""
    attacks: dict[int, list[str]] = {}
    for attack, (_, homes, *_) in week["attacks"].items():
        for home in homes:
            attacks.setdefault(home, []).append(attack)
    for names in attacks.values():
        if len(names) > 1:
            yield (
                f"{week['rules'].capitalize()}, seed {week['seed']}: {' and '.join(names)} are one "
                "incident together, since they were on one machine within four hours."
            )


def _alarms(weeks: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a line for each alarm; the hosts are the same in every week, so the counts are too."""
    found: dict[tuple[str, ...], list[tuple[int, int]]] = {}
    for week in weeks:
        for level, title, host, alerts, incidents in week["alarms"]:
            found.setdefault((week["rules"], level, title, host), []).append((alerts, incidents))
    for (rules, level, title, host), counts in sorted(found.items()):
        alerts = _span([alerts for alerts, _ in counts])
        incidents = _span([incidents for _, incidents in counts])
        yield _row([rules, level, title, host, alerts, incidents, judgement(title, host)])


def _span(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return f"{low}" if low == high else f"{low} to {high}"
