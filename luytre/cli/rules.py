"""`luytre rules`: check, list, test, explain, and install Sigma rules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from luytre.cli import rules_review
from luytre.cli.output import complain, console, counted, level_text, print_json, say, table, text
from luytre.cli.recorded import recorded
from luytre.cli.rules_backtest import backtest
from luytre.cli.rules_check import check
from luytre.cli.rules_profile import profile
from luytre.cli.rules_retro import retro
from luytre.cli.settings import ConfigOption, JsonOption, PathsArgument, log_source, read_config
from luytre.core.alert import LEVELS
from luytre.core.errors import Refused
from luytre.processor import content

if TYPE_CHECKING:
    from collections.abc import Sequence

    from luytre.core.errors import Fault

app = typer.Typer(no_args_is_help=True, help="Check, list, test, explain, and install Sigma rules.")

app.command()(check)
app.command()(profile)
app.command()(backtest)
app.command()(rules_review.draft)
app.command()(rules_review.drafts)
app.command()(rules_review.submit)
app.command()(rules_review.approve)
app.command()(rules_review.activate)
app.command()(rules_review.refuse)
app.command()(rules_review.retire)
app.command()(rules_review.history)
app.command()(retro)


@app.command("list")
def list_rules(
    paths: PathsArgument = None, config: ConfigOption = None, *, as_json: JsonOption = False
) -> None:
    """List the rules that would run."""
    found = content.running(read_config(config), paths or [])
    if as_json:
        for rule in found:
            print_json(rule.card)
        return
    ordered = sorted(found, key=lambda r: (-LEVELS.index(r.card.level), r.card.title))
    rows = [
        (
            level_text(rule.card.level),
            text(rule.card.title),
            text(str(rule.logsource)),
            text(rule.card.id),
        )
        for rule in ordered
    ]
    console().print(table("", ["level", "title", "log source", "id"], rows))
    say(counted(len(rows), "rule"))


@app.command("test")
def run_examples(paths: PathsArgument = None, config: ConfigOption = None) -> None:
    """Run the examples beside rules, each must match or not as it says; exit code 1 if not."""
    findings, examples = content.run_examples(read_config(config), paths or [])
    for finding in findings:
        complain(finding)
    say(f"{counted(examples, 'example')}, {len(findings)} wrong")
    if findings:
        raise typer.Exit(1)


@app.command()
def explain(
    rule: Annotated[str, typer.Argument(help="A rule's id, the beginning of it, or its file.")],
    event: Annotated[Path, typer.Argument(help="A file with events.")],
    config: ConfigOption = None,
    hint: Annotated[str, typer.Option("--log-source", help="What the file holds.")] = "auto",
    number: Annotated[
        int, typer.Option("--event", min=1, help="Which of the events that the rule is about.")
    ] = 1,
    *,
    as_json: JsonOption = False,
) -> None:
    """Say which searches and conditions of a rule hold for an event, and on which value."""
    explained = content.explain_event(read_config(config), rule, event, log_source(hint), number)
    explanation = explained.explanation
    if as_json:
        print_json(explanation)
        return
    out = console()
    verdict = "matches" if explanation.holds else "does not match"
    style = "bold green" if explanation.holds else "bold"
    say(f"{explained.rule.card.title}: {verdict}", style)
    rows = [
        (
            text("*" if step.decides else "", "bold"),
            text("yes" if step.held else "no", "red" if step.held == step.negated else "green"),
            text("must not hold" if step.negated else "must hold"),
            text(step.selection),
            text(step.field or "(keyword)"),
            text(step.operation),
            text(step.pattern),
            text("(missing)" if step.value is None else step.value),
        )
        for step in explanation.findings
    ]
    columns = ["", "held", "wanted", "selection", "field", "", "pattern", "value"]
    out.print(table("", columns, rows))
    say(f"condition: {explained.rule.document.data['detection']['condition']}")
    held = (
        f"{each.name} {'holds' if each.held else 'does not hold'}"
        for each in explanation.selections
    )
    say(f"searches: {', '.join(held)}")
    say("* is what the verdict rests on")
    for each in explained.hidden_by:
        say(f'hidden by the filter "{each.title}" ({each.path})', "yellow")


@app.command()
def install(
    source: Annotated[Path, typer.Argument(help="A SigmaHQ release zip, or a folder of rules.")],
    config: ConfigOption = None,
) -> None:
    """Install a rule set with its licence and authors. Bad rules are refused: exit code 5."""
    if not source.exists():
        raise Refused(f"{source} does not exist")
    settings = read_config(config)
    recorded(settings, "content.install", f"rules:{source.name}", source=str(source))
    installed = content.install_rules(settings, source)
    _print_faults(installed.faults)
    rules = counted(installed.rules, "rule")
    say(f"{rules} installed in {installed.path}, {len(installed.faults)} refused")
    if installed.faults:
        raise typer.Exit(5)


def _print_faults(faults: Sequence[Fault]) -> None:
    for fault in faults:
        complain(fault)
