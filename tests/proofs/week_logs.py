"""The logs of a week: the simulated province, and beside it three real Windows hosts.

The hosts' days are closed up and moved into the week, each event keeping its time of day; nothing
else of them is changed. So their events stand in the order and the company that they had.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from luytre.simulator import Truth, prepare, simulate
from luytre.simulator.journal import read_timeline
from luytre.simulator.province import COMMUNES

START = datetime(2026, 11, 15, 17, tzinfo=UTC)
"""Monday, 16 November 2026, 00:00 in Viet Nam."""

DAYS, DAY_S, HOUR_S = 7, 86_400, 3_600
OUTAGE_S = 30 * HOUR_S
"""How long the link of the attacked commune is down, from an hour before the attack on."""

HOSTS = ("RathbunVM", "BelkasoftCTF_InsiderThreat", "APTSimulatorVM")
_TIME = re.compile(
    rb'"TimeCreated":\{"#attributes":\{"SystemTime":"(\d{4}-\d\d-\d\d)T([0-9:.]+)Z?"'
)


@dataclass(frozen=True)
class Logs:
    """The lines of every file with the seconds since the start at which they arrive.

    ``folder`` holds the province as it was simulated, ``truth`` what happened in it.
    """

    folder: Path
    truth: Truth
    arriving: Mapping[str, list[tuple[float, bytes]]]
    seconds: float = DAYS * DAY_S

    @property
    def events(self) -> int:
        return sum(map(len, self.arriving.values()))

    def between(self, since_s: float, until_s: float) -> Iterator[tuple[str, bytes]]:
        """Yield files with what arrives in a stretch of time, in the order of the lines."""
        for file, lines in self.arriving.items():
            due = b"".join(line for at_s, line in lines if since_s <= at_s < until_s)
            if due:
                yield file, due


def make(
    folder: Path, seed: int, rate: float, get: Callable[[str], Path] | None, share: int = 1
) -> Logs:
    """Simulate the week below ``folder``; of the hosts' files take one in ``share``."""
    truth = simulate(
        folder / "province", seed=seed, start=START, minutes=DAYS * DAY_S / 60, rate=rate,
        rhythm=True, whole=True,
    )  # fmt: skip
    arriving = _province(folder / "province", truth)
    prepare(folder / "province", folder)
    if get is not None:
        hosts = get("evtx-hosts.jsonl") / "DFIRArtifactMuseum" / "Win10"
        arriving |= {
            f"logs/hosts/{name}.ndjson": _host(sorted((hosts / name).glob("*.jsonl"))[::share])
            for name in HOSTS
        }
        _configure(folder / "luytre.yaml")
    return Logs(folder / "province", truth, arriving)


def _province(folder: Path, truth: Truth) -> dict[str, list[tuple[float, bytes]]]:
    times = read_timeline(folder)
    arriving = {
        file: list(
            zip(
                (at_ms / 1000 for at_ms in at),
                (folder / file).read_bytes().splitlines(keepends=True),
                strict=True,
            )
        )
        for file, at in times.items()
    }
    file, began_s = _attacked_office(truth, arriving)
    down_s, up_s = began_s - HOUR_S, began_s - HOUR_S + OUTAGE_S
    arriving[file] = [
        (up_s if down_s <= at_s < up_s else at_s, line) for at_s, line in arriving[file]
    ]
    return arriving


def _attacked_office(
    truth: Truth, arriving: Mapping[str, list[tuple[float, bytes]]]
) -> tuple[str, float]:
    """Return the file of the commune whose machine is taken over, and when that begins."""
    places = (
        (line.file, arriving[line.file][line.number - 1][0])
        for attack in truth.attacks
        for line in attack.evidence
        if line.file.startswith("logs/windows/")
    )
    return min(places, key=lambda place: place[1])


def _host(files: Iterable[Path]) -> list[tuple[float, bytes]]:
    """Return a host's events moved into the week, in the order of time."""
    by_day: dict[date, list[tuple[bytes, bytes]]] = defaultdict(list)
    for file in files:
        for line in file.read_bytes().splitlines():
            found = _TIME.search(line)
            if found:  # one record of the three hosts is a bookmark without a time
                by_day[date.fromisoformat(found[1].decode())].append((found[2], line))
    moved = []
    for rank, day in enumerate(sorted(by_day)):
        target = START.date() + timedelta(days=1 + rank * DAYS // len(by_day))
        for clock, line in by_day[day]:
            at = datetime.fromisoformat(f"{target}T{clock.decode()[:15]}+00:00")
            at_s = min((at - START).total_seconds(), DAYS * DAY_S - 1)
            fresh = line.replace(
                b'SystemTime":"%b' % str(day).encode(), b'SystemTime":"%b' % str(target).encode(), 1
            )
            moved.append((at_s, fresh + b"\n"))
    return sorted(moved)


def _configure(path: Path) -> None:
    """Have the hosts' files shipped, each as a machine of a commune."""
    inputs = "".join(
        f'    - paths: ["logs/hosts/{name}.ndjson"]\n      log_source: windows\n'
        f"      organization: {commune[0]}\n"
        for name, commune in zip(HOSTS, COMMUNES, strict=False)
    )
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("enrich:\n", f"{inputs}enrich:\n", 1), encoding="utf-8")
