"""`luytre demo`: ten minutes of a province with five attacks, through the whole pipeline."""

from __future__ import annotations

import hashlib
import shutil
import sys
import threading
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from luytre.cli import demo_console
from luytre.cli.output import console, error_console, level_text, lines, say, table, text
from luytre.core.alert import LEVELS, AlertQuery
from luytre.core.clock import SystemClock
from luytre.core.config import load_config
from luytre.core.errors import NeighbourError, Refused
from luytre.core.log import configure_logs
from luytre.core.message import ALERTS_TOPIC
from luytre.core.organization import Scope
from luytre.processor import build, logs, slots, triage_loop
from luytre.processor.content import content
from luytre.processor.supervise import Stopped, Supervisor
from luytre.simulator import play, prepare, read_truth, simulate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from luytre.core.alert import Alert
    from luytre.core.config import Config
    from luytre.simulator import Truth

MINUTES = 10.0
SPEED = 120.0
"""Ten minutes in five seconds: fast, but slow enough that files are followed while they grow."""

PATIENCE_S = 180.0
ALARMING = LEVELS.index("high")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was played, and what was found of it."""

    truth: Truth
    alerts: Sequence[Alert]

    @property
    def found(self) -> set[tuple[str, str]]:
        """Every alert as rule id and digest of the event's bytes."""
        return {(a.rule.id, hashlib.sha256(a.original).hexdigest()) for a in self.alerts}

    @property
    def false_alarms(self) -> list[Alert]:
        """Alerts above `medium` on events that belong to no attack."""
        wrong = set(self.truth.false_alarms(self.found))
        return [
            alert
            for alert in self.alerts
            if LEVELS.index(alert.rule.level) >= ALARMING
            and (alert.rule.id, hashlib.sha256(alert.original).hexdigest()) in wrong
        ]


COUNTED = {5: "five", 16: "sixteen"}


def demo(
    data: Annotated[
        Path,
        typer.Option("--data", help="The demo's folder; an earlier demo in it goes."),
    ] = Path("demo"),
    seed: Annotated[int, typer.Option(help="Another seed is another ten minutes.")] = 1,
    *,
    whole: Annotated[
        bool,
        typer.Option(
            "--whole", help="Eleven attacks more: applications, servers, mail, ransomware."
        ),
    ] = False,
    serve: Annotated[
        bool,
        typer.Option("--serve/--no-serve", help="On a terminal, keep running after the summary."),
    ] = True,
) -> None:
    """Play ten minutes of a province with five attacks, detect them, and say where to look next.

    Exit code 1 if an attack was missed.
    """
    configure_logs(level="warning")
    settings = _prepare(data, seed, whole=whole)
    stopped = Stopped()
    done = threading.Event()
    correlations = bool(content(settings).correlations.rules)
    config = data / "luytre.yaml"
    commands = build.commands(config, settings.workers, correlations=correlations)
    pages: dict[str, list[str]] = {}
    supervisor = Supervisor(commands, SystemClock(), more=lambda: pages)
    worker = threading.Thread(target=supervisor.run, args=(lambda: done.is_set() or stopped(),))
    worker.start()
    try:
        _play(data, settings, stopped)
        outcome = Outcome(read_truth(data / "province"), _alerts(settings))
        _summarise(data, settings, outcome)
        password = demo_console.make_people(settings)
        if serve and sys.stdout.isatty() and not stopped():
            _stay(data, pages, password, stopped)
        else:
            demo_console.offer(config, password)
    finally:
        done.set()
        worker.join()
    if any(attack.missed(outcome.found) for attack in outcome.truth.attacks):
        raise typer.Exit(1)


def _stay(
    folder: Path, pages: dict[str, list[str]], password: str, stopped: Callable[[], bool]
) -> None:
    """Serve the console until somebody stops the demo."""
    where = demo_console.listen()
    command = ["console", "--config", str(folder / "luytre.yaml"), "--listen", where]
    pages["console"] = [*command, "--with-parent"]
    if demo_console.answers(where, PATIENCE_S):
        port = where.rpartition(":")[2]
        console().print("\nThe console (pages in Vietnamese and English) is open:")
        say(f"  http://localhost:{port}", "bold")
        demo_console.show_logins(password)
    say(f"Still running: add lines to the files in {folder}/logs and look again. Ctrl-C stops.")
    while not stopped():
        SystemClock().sleep(0.2)


def _prepare(folder: Path, seed: int, *, whole: bool) -> Config:
    """Make the folder anew, with the simulated logs and a configuration."""
    mark = folder / ".luytre-demo"
    if folder.exists() and any(folder.iterdir()):
        if not mark.exists():
            raise Refused(f"{folder} is not empty and not from an earlier demo: name another")
        _refuse_if_running(folder / "luytre.yaml")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    mark.touch()
    start = SystemClock().now().replace(second=0, microsecond=0) - timedelta(minutes=MINUTES)
    simulate(folder / "province", seed=seed, start=start, minutes=MINUTES, whole=whole)
    prepare(folder / "province", folder)
    config = folder / "luytre.yaml"
    with config.open("a", encoding="utf-8") as stream:
        stream.write("archive: {flush_s: 2}  # so that a demo's ledger is current\n")
        stream.write("logs: {level: warning}  # so that its processes leave the summary alone\n")
    return load_config(config)


def _refuse_if_running(config: Path) -> None:
    if config.exists() and slots.is_taken(load_config(config), "shipper"):
        raise Refused(f"a demo runs in {config.parent}: stop it (Ctrl-C), or name another folder")


def _play(folder: Path, settings: Config, stopped: Callable[[], bool]) -> None:
    """Let the files grow in fast time, and wait until every line is accounted for."""
    lines = sum(read_truth(folder / "province").events.values())
    clock = SystemClock()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=error_console(), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("events through the pipeline", total=lines)
        player = threading.Thread(
            target=play, args=(folder / "province", folder, SPEED, clock, stopped)
        )
        player.start()
        give_up_s = clock.monotonic_s() + PATIENCE_S
        while not stopped():
            accounts = build.accounts(settings)
            seen = sum(account.events + account.rejects for account in accounts)
            progress.update(task, completed=seen)
            if seen >= lines and not any(
                logs.lag(settings, group, ALERTS_TOPIC)
                for group in (build.INDEX_GROUP, triage_loop.GROUP)
            ):
                break
            if clock.monotonic_s() > give_up_s:
                raise NeighbourError(f"only {seen} of {lines} events arrived in {PATIENCE_S:.0f} s")
            clock.sleep(0.3)
        player.join()


def _alerts(settings: Config) -> Sequence[Alert]:
    store = build.alert_store(settings)
    found = store.find(AlertQuery(limit=100_000), Scope.everything())
    store.close()
    return found


def _summarise(folder: Path, settings: Config, outcome: Outcome) -> None:
    out = console()
    accounts = build.accounts(settings)
    rows = [
        (
            text("/".join(Path(a.path).parts[-2:])),
            text(a.organization),
            text(f"{a.events:,}"),
            text(f"{a.rejects:,}"),
        )
        for a in accounts
    ]
    out.print(table("What was shipped", ["file", "organisation", "events", "rejects"], rows))
    attacks = []
    for attack in outcome.truth.attacks:
        missed = attack.missed(outcome.found)
        verdict = (
            text("found", "green") if not missed else text(f"missed {len(missed)}", "bold red")
        )
        titles = sorted({a.rule.title for a in outcome.alerts if a.rule.id in attack.rules})
        attacks.append((verdict, lines([attack.name_en, attack.name_vi]), lines(titles)))
    out.print(
        table(
            f"\nThe {COUNTED.get(len(attacks), len(attacks))} attacks",
            ["", "attack", "alerts that found it"],
            attacks,
        )
    )
    _levels(outcome)
    config = folder / "luytre.yaml"
    out.print("\nWhere to look next")
    for command, meaning in (
        (f"luytre incidents list -c {config}", "the same in incidents, most urgent first"),
        (f"luytre alerts list -c {config} -l critical -l high", "what was found"),
        (f"luytre alerts show -c {config} ID", "why, with the event and its original"),
        (f"luytre alerts search -c {config} tai xiu", "free text; marks and case do not count"),
        (f"luytre ledger -c {config}", "every line accounted for"),
        (f"luytre doctor -c {config}", "is everything as it should be?"),
    ):
        say(f"  .venv/bin/{command:<64} {meaning}")


def _levels(outcome: Outcome) -> None:
    out = console()
    counted = [(level, sum(a.rule.level == level for a in outcome.alerts)) for level in LEVELS]
    line = ", ".join(f"{count} {level}" for level, count in reversed(counted) if count)
    out.print(f"\n{len(outcome.alerts)} alerts: {line}")
    wrong = outcome.false_alarms
    out.print(f"False alarms above medium: {len(wrong)}")
    for alert in wrong[:10]:
        out.print(
            level_text(alert.rule.level),
            text(f" {alert.rule.title}: {alert.event.get('host.name', '')}"),
        )
