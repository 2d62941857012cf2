"""`luytre rules check`: faults, remarks, and what rules cost, for people and as JSON."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from luytre.cli.output import complain, console, counted, print_json, say, table, text
from luytre.cli.settings import ConfigOption, JsonOption, PathsArgument, read_config
from luytre.processor.checking import Checked, check_rules

if TYPE_CHECKING:
    from collections.abc import Iterator

SHOWN_MAX = 20
"""Remarks of one kind, and costly rules, that people are shown without --all."""
FEW = 5
"""So few rules are all shown with their cost."""
_GRADES = ("every event", "dear", "fair", "cheap")
_STYLES = {"every event": "bold red", "dear": "yellow"}


def check(
    paths: PathsArgument = None,
    config: ConfigOption = None,
    events: Annotated[
        list[Path] | None,
        typer.Option(
            "--events", "-e", help="A file with events of yours: fields that none has are told."
        ),
    ] = None,
    *,
    show_all: Annotated[
        bool, typer.Option("--all", help="Show every remark and the cost of every rule.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit code 1 for remarks as well, not only faults.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check rules, each fault with file:line and remedy; exit code 1 if there is any.

    Rules that run are looked at for what is no good Sigma by the specification's schema, for log
    sources and fields that are never read here, for their cost, and for overlap with other rules.
    """
    checked = check_rules(read_config(config), paths or [], events or [])
    if as_json:
        for document in _documents(checked):
            print_json(document)
    else:
        _print(checked, show_all=show_all)
    if checked.faults or (strict and checked.remarks):
        raise typer.Exit(1)


def _documents(checked: Checked) -> Iterator[dict[str, object]]:
    for fault in checked.faults:
        yield {
            "kind": "fault",
            "path": str(fault.path),
            "line": fault.line,
            "problem": fault.problem,
            "remedy": fault.remedy,
        }
    for each in checked.remarks:
        yield {
            "kind": each.kind,
            "path": str(each.path),
            "line": each.line,
            "rule": each.rule,
            "problem": each.problem,
            "remedy": each.remedy,
        }
    for cost in checked.costs:
        yield {
            "kind": "cost",
            "rule": cost.rule,
            "title": checked.titles[cost.rule],
            "grade": cost.grade,
            "share": cost.share,
            "atoms": cost.atoms,
            "fields": cost.fields,
            "regexes": cost.regexes,
            "keywords": cost.keywords,
            "triggers": cost.triggers,
            "tested": cost.tested,
        }


def _print(checked: Checked, *, show_all: bool) -> None:
    for fault in checked.faults:
        complain(fault)
    shown: Counter[str] = Counter()
    for each in checked.remarks:
        shown[each.kind] += 1
        if show_all or shown[each.kind] <= SHOWN_MAX:
            say(each)
    for kind, count in shown.items():
        if count > SHOWN_MAX and not show_all:
            say(f"... and {counted(count - SHOWN_MAX, 'remark')} more on {kind}: --all shows them")
    _print_costs(checked, show_all=show_all)
    if checked.sampled:
        say(f"{counted(checked.sampled, 'event')} looked at for fields")
    grades: Counter[str] = Counter(cost.grade for cost in checked.costs)
    cost = ", ".join(f"{grades[grade]:,} {grade}" for grade in reversed(_GRADES) if grades[grade])
    say(
        f"{counted(checked.rules, 'good rule')}, {counted(checked.correlations, 'correlation')},"
        f" {counted(checked.filters, 'filter')}, {counted(len(checked.faults), 'fault')},"
        f" {counted(len(checked.remarks), 'remark')}{f'; cost: {cost}' if cost else ''}"
    )


def _print_costs(checked: Checked, *, show_all: bool) -> None:
    ordered = sorted(checked.costs, key=lambda cost: (_GRADES.index(cost.grade), -cost.share))
    if not show_all and len(ordered) > FEW:
        ordered = [cost for cost in ordered if cost.grade in _STYLES][:SHOWN_MAX]
    if not ordered:
        return
    rows = [
        (
            text(cost.grade, _STYLES.get(cost.grade, "")),
            text(f"{cost.share:.2%}" if cost.share >= 1e-4 else "< 0.01%"),  # noqa: PLR2004
            text(checked.titles[cost.rule]),
            text(f"{cost.atoms:,}"),
            text(", ".join([*(f"tests {each}" for each in cost.tested), *cost.triggers]) or "-"),
        )
        for cost in ordered
    ]
    console().print(table("", ["cost", "looks at", "rule", "atoms", "because of"], rows))
