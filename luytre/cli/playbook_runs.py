"""The commands of `luytre playbooks` that people use while playbooks run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from luytre.cli.output import console, counted, print_json, say, table, text
from luytre.cli.person import person
from luytre.cli.playbooks import (
    LanguageOption,
    NameArgument,
    SetOption,
    alert_named,
    app,
    known_language,
    values_given,
)
from luytre.cli.settings import ConfigOption, JsonOption, read_config, scope
from luytre.core.errors import Refused
from luytre.processor import respond
from luytre.processor.supervise import DRAIN_S, Stopped
from playbooks.binding import given_by
from playbooks.paper import form, rehearsed
from playbooks.rehearse import rehearse
from playbooks.runs import ALLOWED

if TYPE_CHECKING:
    from luytre.core.config import Config
    from playbooks.run_rows import Run, Step
    from playbooks.runs import Runs

RunArgument = Annotated[str, typer.Argument(help="A run's id, or its beginning.")]
StepArgument = Annotated[int, typer.Argument(min=1, help="The step's number in the run.")]
NoteOption = Annotated[str, typer.Option("--note", help="What is worth knowing about it.")]
WAITS = ("asked", "approval", "failed", "refused", "unknown")


@app.command("run")
def start(
    name: NameArgument,
    config: ConfigOption = None,
    values: SetOption = None,
    alert: Annotated[str, typer.Option(help="The alert that it answers.")] = "",
    organization: Annotated[
        str, typer.Option("--organization", "-o", help="Whose; the alert's, or the configured.")
    ] = "",
    incident: Annotated[
        str,
        typer.Option(
            help="The number of the incident that it belongs to; the alert's, or a new one."
        ),
    ] = "",
) -> None:
    """Start a playbook. Nothing that changes something is done before people have agreed."""
    settings = read_config(config)
    known = respond.shelf(settings)
    loaded = known.get(name)
    given, whose = values_given(values), organization or settings.organization
    if alert:
        found = alert_named(config, alert)
        given = {**given_by(loaded, found), **given}
        whose, alert = organization or found.organization_id, found.id
    with respond.runs(settings) as runs:
        run = runs.start(
            person(settings), known.playbooks, loaded.playbook.id, given,
            organization=whose, incident=incident, alert=alert,
        )  # fmt: skip
        _show(runs, runs.rows.run(run, person(settings).scope), "en")


@app.command("runs")
def show_runs(
    run: Annotated[str | None, typer.Argument(help="One run, with its steps.")] = None,
    config: ConfigOption = None,
    organization: Annotated[
        list[str] | None, typer.Option("--organization", "-o", help="Only these organisations'.")
    ] = None,
    language: LanguageOption = "en",
    *,
    as_json: JsonOption = False,
) -> None:
    """List runs, or show one: each step, who agreed, and what came of it."""
    settings = read_config(config)
    seen = person(settings).within(scope(organization))
    with respond.runs(settings) as runs:
        if run is not None:
            _show(runs, runs.rows.run(run, seen), known_language(language), as_json=as_json)
            return
        found = runs.rows.runs(seen)
        rows = [
            (text(r.id[:10]), text(r.started_at[:19]), text(r.status), text(r.name),
             text(r.organization), text(_waits(runs, r)))
            for r in found
        ]  # fmt: skip
    if as_json:
        for each in found:
            kept = ("id", "name", "status", "organization", "incident", "alert", "started_at")
            print_json({name: getattr(each, name) for name in kept})
        return
    columns = ["id", "started", "status", "playbook", "organisation", "waits for people"]
    console().print(table("", columns, rows))
    say(counted(len(rows), "run"))


@app.command("waiting")
def show_waiting(config: ConfigOption = None, language: LanguageOption = "en") -> None:
    """List what waits for people, the oldest first."""
    settings = read_config(config)
    seen = person(settings).scope
    rows = []
    with respond.runs(settings) as runs:
        for run in reversed(runs.rows.runs(seen, running=True)):
            rows += [
                (
                    text(run.id[:10]),
                    text(number),
                    text(step.changed_at[:19]),
                    text(step.state),
                    text(run.name),
                    text(respond.words(runs, run, step, known_language(language))),
                )
                for number, step in enumerate(runs.rows.steps(run.id), 1)
                if step.state in WAITS
            ]
    console().print(table("", ["run", "step", "since", "", "playbook", "what"], rows))
    say(f"{counted(len(rows), 'step')}: `luytre playbooks approve|answer|decide RUN STEP`")


@app.command()
def approve(
    run: RunArgument,
    step: StepArgument,
    config: ConfigOption = None,
    note: NoteOption = "",
    *,
    agree: Annotated[bool, typer.Option("--yes/--no", help="Agree, or say no.")] = True,
) -> None:
    """Agree to a step that waits for it, or say no. Each person counts once."""
    settings = read_config(config)
    who = person(settings)
    with respond.runs(settings) as runs:
        found, chosen = _find(runs, run, step, settings)
        runs.approve(who, found, chosen.key, agree=agree, note=note)
        after = runs.rows.step(found.id, chosen.key)
        said = [a for a in runs.rows.approvals(after) if a.answer == "yes"]
        say(f"{after.what}: {after.state} ({len(said)} of {after.wanted} have agreed)")


@app.command()
def answer(
    run: RunArgument,
    step: StepArgument,
    config: ConfigOption = None,
    values: SetOption = None,
    note: NoteOption = "",
    *,
    failed: Annotated[bool, typer.Option("--failed", help="It could not be done.")] = False,
) -> None:
    """Say that you have done a step, and what came of it (`--set __confirmed__=yes`)."""
    settings = read_config(config)
    with respond.runs(settings) as runs:
        found, chosen = _find(runs, run, step, settings)
        runs.answer(
            person(settings), found, chosen.key, values_given(values), note=note, failed=failed
        )
        _show(runs, runs.rows.run(found.id, person(settings).scope), "en")


@app.command()
def decide(
    run: RunArgument,
    step: StepArgument,
    decision: Annotated[
        str, typer.Argument(help="happened, again, skip, or stop (the whole run).")
    ],
    config: ConfigOption = None,
    note: NoteOption = "",
) -> None:
    """Decide about a step that failed, was refused, or may have been done."""
    if decision not in ALLOWED:
        raise Refused(f"{decision}: decisions are {', '.join(ALLOWED)}")
    settings = read_config(config)
    with respond.runs(settings) as runs:
        found, chosen = _find(runs, run, step, settings)
        runs.decide(person(settings), found, chosen.key, decision, note)
        _show(runs, runs.rows.run(found.id, person(settings).scope), "en")


@app.command()
def undo(
    run: RunArgument,
    step: Annotated[int | None, typer.Argument(min=1, help="One step; all if none.")] = None,
    config: ConfigOption = None,
) -> None:
    """Take back what a run changed, newest first, now or long after it has ended."""
    settings = read_config(config)
    with respond.runs(settings) as runs:
        found = runs.rows.run(run, person(settings).scope)
        key = _find(runs, run, step, settings)[1].key if step else ""
        keys = runs.undo(person(settings), found, key)
        say(f"{counted(len(keys), 'change')} to take back")
        _show(runs, found, "en")


@app.command("print")
def print_form(
    name: Annotated[str, typer.Argument(help="A playbook, or with --run a run's id.")],
    to: Annotated[Path, typer.Option("--to", help="The HTML file to write.")],
    config: ConfigOption = None,
    alert: Annotated[str, typer.Option(help="Fill it in from this alert.")] = "",
    language: LanguageOption = "vi",
    *,
    of_run: Annotated[bool, typer.Option("--run", help="Print a run as it stands.")] = False,
) -> None:
    """Write a playbook, or a run, as an A4 form to print, fill in by hand, and type back."""
    settings, chosen = read_config(config), known_language(language)
    if of_run:
        with respond.runs(settings) as runs:
            found = runs.rows.run(name, person(settings).scope)
            page = respond.paper(runs, found, chosen)
    else:
        known = respond.shelf(settings)
        loaded = known.get(name)
        given = given_by(loaded, alert_named(config, alert)) if alert else {}
        outcome = rehearse(
            known.playbooks, loaded.playbook.id, given, chosen, respond.actions(settings)
        )
        page = form(loaded.words(chosen)[0], rehearsed(outcome), chosen)
    to.write_text(page, encoding="utf-8")
    say(f"written to {to}; print it from a browser")


def _find(runs: Runs, name: str, number: int, settings: Config) -> tuple[Run, Step]:
    run = runs.rows.run(name, person(settings).scope)
    steps = runs.rows.steps(run.id)
    if number > len(steps):
        raise Refused(f"run {run.id[:10]} has {counted(len(steps), 'step')}")
    return run, steps[number - 1]


def _waits(runs: Runs, run: Run) -> int | Literal[""]:
    if run.status != "running":
        return ""
    return sum(step.state in WAITS for step in runs.rows.steps(run.id)) or ""


def _show(runs: Runs, run: Run, language: str, *, as_json: bool = False) -> None:
    steps = runs.rows.steps(run.id)
    if as_json:
        for step in steps:
            print_json({**{n: getattr(step, n) for n in step.__dataclass_fields__},
                        "approvals": runs.rows.approvals(step)})  # fmt: skip
        return
    rows = []
    for number, step in enumerate(steps, 1):
        said = "; ".join(f"{a.user} {a.answer}" for a in runs.rows.approvals(step))
        rows.append((
            text(number), text(step.state), text(respond.words(runs, run, step, language)),
            text(said), text(step.result),
        ))  # fmt: skip
    title = f"{run.name}: run {run.id[:10]}, {run.status}"
    console().print(table(title, ["", "state", "what", "agreed", "result"], rows))
    if run.problem:
        say(run.problem, "red")
    undoable = runs.undoable(run)
    if undoable:
        say(f"can be taken back: {'; '.join(s.what for s in undoable)}")


def respond_loop(
    config: ConfigOption = None,
    *,
    with_parent: Annotated[
        bool, typer.Option("--with-parent", hidden=True, help="Stop when standard input ends.")
    ] = False,
) -> None:
    """Do what playbooks have ready, remind people of what waits, and watch the time."""
    respond.respond(read_config(config), Stopped(with_parent=with_parent, drain_s=DRAIN_S))
