"""Wires playbooks: those there are, what they may reach, and what other rooms tell them."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl

from enrich import indicators
from enrich.observables import COLUMNS
from enrich.source import Source
from luytre.cases.clocks import read_profiles
from luytre.core.clock import SystemClock
from luytre.core.ecs import ARCHIVED
from luytre.processor import build, case_host, slots
from luytre.processor.case_desk import CaseDesk
from luytre.processor.places import Places
from playbooks import LIBRARY
from playbooks.actions import Actions, Services
from playbooks.actions.action import ActionFailedError
from playbooks.paper import PaperStep, asked, form
from playbooks.runner import ACTOR, Runner
from playbooks.runs import Runs
from playbooks.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from luytre.core.clock import Clock
    from luytre.core.config import Config
    from luytre.core.organization import Scope
    from luytre.core.response import Desk
    from luytre.store.archive import Archive
    from playbooks.run_rows import Run, Step

_HASHES = {64: "file.hash.sha256", 40: "file.hash.sha1", 32: "file.hash.md5"}


def shelf(config: Config) -> Shelf:
    """Return the playbooks of an installation."""
    return Shelf([LIBRARY, *config.playbooks.paths], Places(config.data_dir).playbooks)


def actions(config: Config, desk: Desk | None = None) -> Actions:
    """Return the actions of an installation, with all that they may look at."""
    clock = SystemClock()
    services = Services(
        clock,
        alerts=build.alert_store(config),
        archive=ArchiveCounter(build.archive(config)),
        desk=desk,
        indicators=Indicators(config.enrich.indicators, clock)
        if config.enrich.indicators
        else None,
    )
    return Actions(config.playbooks, services)


@contextmanager
def runs(config: Config, *, loop: bool = False) -> Iterator[Runs]:
    """Open the runs of an installation."""
    clock = SystemClock()
    with case_host.case_database(config, loop=loop) as cases:
        desk = CaseDesk(cases, clock, ACTOR, read_profiles())
        yield Runs(cases, clock, actions(config, desk), desk)


def respond(config: Config, stopped: Callable[[], bool]) -> None:
    """Do what playbooks have ready until stopped. There is one such loop in an installation."""
    clock = SystemClock()
    with (
        slots.alone(config, "respond", clock),
        slots.metrics(config, "respond"),
        runs(config, loop=True) as opened,
    ):
        acting = actions(config, CaseDesk(opened.cases, clock, ACTOR, read_profiles()))
        Runner(opened, acting, clock, config.playbooks.approvals).run(stopped)


def words(opened: Runs, run: Run, step: Step, language: str) -> str:
    """Return what a step is, for people: its name, and what is to be done."""
    loaded = opened.machine(run)[step.playbook]
    name, description = loaded.words(language, step.step)
    what = step.what
    if language == "vi" and step.action:
        with suppress(ActionFailedError):
            what = opened.plan(step).vi
    elif language == "vi":
        what = loaded.step_notes[step.step].vi.command or what
    undo = {"vi": "hoàn tác: ", "en": "take back: "}[language] if step.undoes else ""
    return f"{undo}{name or description or step.action}: {what}".removesuffix(": ")


def paper(opened: Runs, run: Run, language: str) -> str:
    """Return a run as a form: what is done is printed, what is not has lines to fill in."""
    playbooks = opened.machine(run)
    rows = [_paper_step(opened, run, step, language) for step in opened.rows.steps(run.id)]
    names = {"en": ("Run", "Incident", "Organisation", "Began", "Status"),
             "vi": ("Lượt chạy", "Sự cố", "Đơn vị", "Bắt đầu", "Trạng thái")}[language]  # fmt: skip
    values = (run.id, run.incident, run.organization, run.started_at, run.status)
    title, _ = playbooks[run.playbook].words(language)
    return form(title, rows, language, list(zip(names, values, strict=True)))


def _paper_step(opened: Runs, run: Run, step: Step, language: str) -> PaperStep:
    loaded = opened.machine(run)[step.playbook]
    said = "; ".join(f"{a.user}: {a.answer}" for a in opened.rows.approvals(step))
    over = step.state in {"done", "skipped", "failed", "refused", "unknown"}
    name, _, what = words(opened, run, step, language).partition(": ")
    return PaperStep(
        loaded.step_notes[step.step].phase or "",
        name,
        what,
        loaded.who(language, step.step),
        asked(loaded, step.step),
        step.wanted,
        f"{step.state} {step.changed_at[:19]} {said}".strip() if over else "",
        step.result if over else "",
    )


class ArchiveCounter:
    """Counts events of the archive by one column."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def count(self, scope: Scope, column: str, value: str, since: datetime) -> int:
        """Return how many events since a time have a value; raises ``ValueError``."""
        if column not in ARCHIVED:
            raise ValueError(f"the archive has no column {column}")
        found = self._archive.scan(
            scope, since=since, columns=["event.id"], where=pl.col(column) == value
        )
        return int(found.select(pl.len()).collect(engine="streaming").item())


class Indicators:
    """Looks one value up in the configured indicators, as an event's cell would be."""

    def __init__(self, paths: Sequence[Path], clock: Clock) -> None:
        self._clock = clock
        self._source: Source[Any] = Source(
            "indicators", tuple(paths), partial(indicators.parse, clock=clock), indicators.assemble
        )
        self._source.refresh()

    def find(self, value: str) -> Sequence[str]:
        """Return a line for the best indicator that the value is, or none."""
        cells: dict[str, Any] = dict.fromkeys(COLUMNS)
        cells[_column(value)] = value
        event = pl.DataFrame(
            {"@timestamp": [self._clock.now()], "event.ingested": [self._clock.now()]}
        ).with_columns(pl.lit(cell, pl.String).alias(name) for name, cell in cells.items())
        said = self._source.table(event).row(0, named=True)
        if said["threat.indicator.name"] is None:
            return []
        facts = (said[f"threat.indicator.{name}"] for name in ("type", "confidence", "provider"))
        return [f"{said['threat.indicator.name']} ({', '.join(fact for fact in facts if fact)})"]


def _column(value: str) -> str:
    """Return the column in which an event would have such a value."""
    if "://" in value:
        return "url.full"
    digits = all(character in "0123456789abcdefABCDEF" for character in value)
    if digits and len(value) in _HASHES:
        return _HASHES[len(value)]
    if ":" in value or value.replace(".", "").isdigit():
        return "source.ip"
    return "dns.question.name"
