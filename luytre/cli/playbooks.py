"""`luytre playbooks`: list, check, import, export, show, and rehearse response playbooks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from luytre.cli.output import complain, console, counted, print_json, say, table, text
from luytre.cli.recorded import recorded
from luytre.cli.settings import ConfigOption, JsonOption, read_config, read_installation, scope
from luytre.core.alert import AlertQuery
from luytre.core.errors import Refused
from luytre.processor import build, respond
from playbooks.binding import fitting, given_by
from playbooks.load import load_folder
from playbooks.rehearse import look_back, rehearse
from playbooks.shelf import export

if TYPE_CHECKING:
    from collections.abc import Sequence

    from luytre.core.alert import Alert
    from luytre.core.errors import Fault
    from playbooks.actions import Actions
    from playbooks.load import Loaded
    from playbooks.rehearse import Rehearsal
    from playbooks.shelf import Shelf

app = typer.Typer(no_args_is_help=True, help="List, check, import, export, and run playbooks.")

PAST_ALERTS_MAX = 1_000

NameArgument = Annotated[str, typer.Argument(help="A playbook's id, file, or name, or its start.")]
LanguageOption = Annotated[str, typer.Option("--language", help="`vi` or `en`.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="A value, as `__address__=192.0.2.1`.")
]


def shelf(config: Path | None) -> Shelf:
    """Return the playbooks that a command may name."""
    return respond.shelf(read_config(config))


@app.command("list")
def list_playbooks(
    config: ConfigOption = None, language: LanguageOption = "en", *, as_json: JsonOption = False
) -> None:
    """List the playbooks: those that come with Luytre, configured, and imported ones."""
    found = shelf(config)
    _print_faults(found.faults)
    rows = []
    for loaded in sorted(found.playbooks.values(), key=lambda p: p.playbook.name):
        name, _ = loaded.words(known_language(language))
        if as_json:
            print_json(
                {
                    "id": loaded.playbook.id,
                    "name": name,
                    "families": loaded.notes.families,
                    "path": str(loaded.document.path),
                }
            )
        rows.append(
            (
                text(name),
                text(", ".join(loaded.notes.families)),
                text(len(loaded.playbook.workflow)),
                text(loaded.document.path.stem),
            )
        )
    if not as_json:
        console().print(table("", ["name", "for", "steps", "file"], rows))
        say(counted(len(rows), "playbook"))


@app.command()
def check(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Files or folders; all known ones if none.")
    ] = None,
    config: ConfigOption = None,
    *,
    strict: Annotated[bool, typer.Option("--strict", help="Count remarks as faults.")] = False,
) -> None:
    """Check playbooks: every fault at once, each with file:line and remedy. Exit code 1 if any."""
    found, faults = _load(paths, config)
    _print_faults(faults)
    remarks = [remark for loaded in found for remark in loaded.remarks]
    for remark in remarks:
        complain(f"{remark} (a remark)")
    good = counted(len(found), "good playbook")
    say(f"{good}, {counted(len(faults), 'fault')}, {counted(len(remarks), 'remark')}")
    if faults or (strict and remarks):
        raise typer.Exit(1)


@app.command("import")
def import_playbooks(
    paths: Annotated[list[Path], typer.Argument(help="CACAO 2.0 files, JSON or YAML.")],
    config: ConfigOption = None,
) -> None:
    """Check playbooks and keep them, as YAML, in the data folder."""
    settings = read_config(config)
    known = shelf(config)
    for path in paths:
        if not path.exists():
            raise Refused(f"{path} does not exist")
        recorded(settings, "playbooks.import", f"playbook:{path.name}", source=str(path))
        loaded, target = known.take_in(path)
        for remark in loaded.remarks:
            complain(f"{remark} (a remark)")
        say(f"{loaded.playbook.name} imported as {target}")


@app.command("export")
def export_playbook(
    name: NameArgument,
    config: ConfigOption = None,
    target: Annotated[
        Path | None, typer.Option("--to", help="The file to write; standard output if none.")
    ] = None,
    *,
    as_yaml: Annotated[bool, typer.Option("--yaml", help="Write YAML instead of JSON.")] = False,
) -> None:
    """Write a playbook as CACAO 2.0 JSON, equal to what was imported."""
    content = export(shelf(config).get(name), as_yaml=as_yaml)
    if target is None:
        typer.echo(content, nl=False)
        return
    target.write_text(content)
    say(f"written to {target}")


@app.command()
def show(name: NameArgument, config: ConfigOption = None, language: LanguageOption = "en") -> None:
    """Show a playbook: what it is for, and its steps as they follow each other."""
    loaded = shelf(config).get(name)
    chosen = known_language(language)
    title, description = loaded.words(chosen)
    say(title, "bold")
    say(description)
    applies = loaded.notes.applies
    for what, values in (
        ("for detections", loaded.notes.families),
        ("for rules", applies.rules),
        ("for tags", applies.tags),
        ("for techniques", applies.techniques),
        ("for organisations", applies.organizations),
    ):
        if values:
            say(f"{what}: {', '.join(values)}")
    rows = []
    for step, model in loaded.playbook.workflow.items():
        words, more = loaded.words(chosen, step)
        ways = [loaded.words(chosen, way)[0] or way for way in (*model.branches(), *model.onward())]
        phase = loaded.step_notes[step].phase or ""
        rows.append((text(phase), text(model.type), text(words or more), text("; ".join(ways))))
    console().print(table("\nSteps", ["phase", "type", "step", "then"], rows))


@app.command("rehearse")
def rehearse_playbook(
    name: NameArgument,
    config: ConfigOption = None,
    values: SetOption = None,
    alert: Annotated[str, typer.Option(help="Fill its variables from this alert.")] = "",
    days: Annotated[
        int, typer.Option(min=0, help="Instead: on the alerts of so many days that it is for.")
    ] = 0,
    language: LanguageOption = "en",
    *,
    as_json: JsonOption = False,
) -> None:
    """Walk a playbook dry: what it would do, ask, and change, in order. Nothing is touched."""
    known = shelf(config)
    loaded = known.get(name)
    actions = respond.actions(read_config(config))
    if days:
        _look_back(config, known, loaded, actions, days)
        return
    given = values_given(values)
    if alert:
        given = {**given_by(loaded, alert_named(config, alert)), **given}
    try:
        outcome = rehearse(
            known.playbooks, loaded.playbook.id, given, known_language(language), actions
        )
    except ValueError as error:
        raise Refused(str(error)) from None
    if as_json:
        for line in outcome.lines:
            print_json(line)
    else:
        _print_rehearsal(outcome, language)
    if outcome.problem:
        raise Refused(outcome.problem)


def _print_rehearsal(outcome: Rehearsal, language: str) -> None:
    rows = [
        (
            text(n),
            text(line.phase),
            text(line.by),
            text(line.name),
            text(line.what),
            text(line.approvals or ""),
            text("; ".join([line.conflict, *line.missing]).strip("; ")),
        )
        for n, line in enumerate(outcome.lines, 1)
    ]
    columns = ["", "phase", "by", "step", "what", "agree", "not yet, and why"]
    console().print(table(outcome.playbook.words(language)[0], columns, rows))
    changed = sum(bool(line.touches) for line in outcome.lines)
    agreements = counted(outcome.approvals, "agreement")
    waits = f"{outcome.waits_minutes / 60:g} hours of waiting"
    say(f"{counted(len(rows), 'command')}: {counted(changed, 'change')}, {agreements}, {waits}")


def _look_back(
    config: Path | None, known: Shelf, loaded: Loaded, actions: Actions, days: int
) -> None:
    store = build.alert_store(read_installation(config))
    since = datetime.now(UTC) - timedelta(days=days)
    found = store.find(AlertQuery(since=since, limit=PAST_ALERTS_MAX), scope(None))
    store.close()
    mine = [a for a in found if fitting(known.playbooks.values(), a)[:1] == [loaded]]
    record = look_back(known.playbooks, loaded.playbook.id, mine, actions)
    say(f"{counted(record.alerts, 'alert')} of {counted(len(found), 'alert')} in {days} days")
    say(f"asked of people: {record.asked:,} steps, {record.approvals:,} agreements")
    for touch, count in record.touched.most_common():
        say(f"would have changed {touch.kind} {touch.value}: {counted(count, 'time')}")
    for conflict, count in record.conflicts.most_common():
        say(f"would have been refused: {conflict}: {counted(count, 'time')}", "yellow")


def alert_named(config: Path | None, name: str) -> Alert:
    """Return the alert whose id begins with ``name``; raises ``Refused``."""
    store = build.alert_store(read_installation(config))
    found = store.get(name, scope(None))
    store.close()
    if found is None:
        raise Refused(f"no alert, or more than one, begins with {name}")
    return found


def _load(paths: list[Path] | None, config: Path | None) -> tuple[list[Loaded], list[Fault]]:
    if not paths:
        known = shelf(config)
        return list(known.playbooks.values()), known.faults
    found: list[Loaded] = []
    faults: list[Fault] = []
    for path in paths:
        if not path.exists():
            raise Refused(f"{path} does not exist")
        more, wrong = load_folder(path)
        found += more
        faults += wrong
    return found, faults


def values_given(settings: list[str] | None) -> dict[str, str]:
    """Return what `--set` gives; raises ``Refused``."""
    pairs = [setting.partition("=") for setting in settings or []]
    if any(not sign for _, sign, _ in pairs):
        raise Refused("--set takes __name__=value")
    return {name: value for name, _, value in pairs}


def known_language(name: str) -> str:
    """Return a language if there is such a one; raises ``Refused``."""
    if name not in {"vi", "en"}:
        raise Refused(f"{name}: languages are vi and en")
    return name


def _print_faults(faults: Sequence[Fault]) -> None:
    for fault in faults:
        complain(fault)
