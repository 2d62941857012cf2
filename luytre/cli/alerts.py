"""`luytre alerts`: list, show, and search what was found."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from luytre.cli.decide import CommentOption, DispositionOption, deciding, disposition_of
from luytre.cli.output import console, counted, level_text, print_json, say, table, text, time_text
from luytre.cli.settings import ConfigOption, JsonOption, levels, read_installation, scope, utc
from luytre.core.alert import Alert, AlertQuery
from luytre.core.errors import Refused
from luytre.processor import build, logs, respond
from luytre.processor.refused import refusals, send_again
from playbooks.binding import fitting

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from luytre.core.config import Config

app = typer.Typer(no_args_is_help=True, help="List, show, and search alerts.")

OrganizationOption = Annotated[
    list[str] | None, typer.Option("--organization", "-o", help="Only these organisations' alerts.")
]
LevelOption = Annotated[list[str] | None, typer.Option("--level", "-l", help="Only these levels.")]
TimeOption = datetime | None


@app.command("list")
def list_alerts(  # noqa: PLR0913, PLR0917 - one option each
    config: ConfigOption = None,
    organization: OrganizationOption = None,
    level: LevelOption = None,
    rule: Annotated[str, typer.Option(help="A rule's id, or words of its title.")] = "",
    host: Annotated[str, typer.Option(help="A host's name.")] = "",
    user: Annotated[str, typer.Option(help="A user's name.")] = "",
    tag: Annotated[str, typer.Option(help="A tag, as attack.t1059.")] = "",
    since: Annotated[TimeOption, typer.Option(help="From this time on (UTC).")] = None,
    until: Annotated[TimeOption, typer.Option(help="Before this time (UTC).")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 50,
    offset: Annotated[int, typer.Option(min=0, help="After how many.")] = 0,
    *,
    as_json: JsonOption = False,
) -> None:
    """List alerts, newest first."""
    query = AlertQuery(
        rule=rule,
        levels=levels(level),
        host=host,
        user=user,
        tag=tag,
        since=utc(since),
        until=utc(until),
        limit=limit,
        offset=offset,
    )
    _show_many(config, query, organization, as_json=as_json)


@app.command()
def search(
    words: Annotated[
        list[str], typer.Argument(help="Words to find; marks and case do not count, đ is d.")
    ],
    config: ConfigOption = None,
    organization: OrganizationOption = None,
    level: LevelOption = None,
    since: Annotated[TimeOption, typer.Option(help="From this time on (UTC).")] = None,
    until: Annotated[TimeOption, typer.Option(help="Before this time (UTC).")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 50,
    *,
    as_json: JsonOption = False,
) -> None:
    """Search alerts by free text."""
    query = AlertQuery(
        text=" ".join(words),
        levels=levels(level),
        since=utc(since),
        until=utc(until),
        limit=limit,
    )
    _show_many(config, query, organization, as_json=as_json)


@app.command()
def show(
    alert: Annotated[str, typer.Argument(help="An alert's id, or its beginning.")],
    config: ConfigOption = None,
    organization: OrganizationOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show one alert: why it fired, the event, and its original."""
    settings = read_installation(config)
    store = build.alert_store(settings)
    found = store.get(alert, scope(organization))
    store.close()
    if found is None:
        raise Refused(f"no alert, or more than one, begins with {alert}")
    if as_json:
        print_json(found)
    else:
        _show_one(found)
        _show_playbooks(settings, found)


@app.command()
def refused(
    config: ConfigOption = None,
    *,
    again: Annotated[bool, typer.Option("--again", help="Offer them to the store again.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the alerts that the store refused for good, with the reason: no other list has them."""
    opened = logs.open_log(read_installation(config))
    if again:
        sent = send_again(opened.topics(), opened.producer())
        say(
            f"{counted(sent, 'alert')} will be stored by `luytre index` if the store takes them now"
        )
        return
    found = list(refusals(opened.topics()))
    if as_json:
        for refusal in found:
            print_json(refusal)
        return
    rows = [
        (text(r.alert.id[:10]), text(time_text(r.at)), text(r.alert.rule.title), text(r.reason))
        for r in found
    ]
    if not rows:
        say("The store refused no alert.")
        return
    console().print(table("", ["id", "refused at", "rule", "reason"], rows))


def _show_many(
    config: Path | None, query: AlertQuery, organization: list[str] | None, *, as_json: bool
) -> None:
    settings = read_installation(config)
    store = build.alert_store(settings)
    seen = scope(organization)
    found = store.find(query, seen)
    total = store.count(query, seen)
    store.close()
    if as_json:
        for alert in found:
            print_json(alert)
        return
    rows = [
        (
            text(alert.id[:10]),
            text(time_text(alert.seen_at or alert.ingested_at)),
            level_text(alert.rule.level),
            text(alert.rule.title),
            text(alert.organization_id),
            text(alert.event.get("host.name", "")),
            text(alert.event.get("user.name", "")),
        )
        for alert in found
    ]
    if not rows:
        say("No alerts. `luytre ledger` shows what has arrived.")
        return
    columns = ["id", "time", "level", "rule", "organisation", "host", "user"]
    console().print(table("", columns, rows))
    say(f"{len(rows):,} of {total:,}; `luytre alerts show ID` explains one")


def _show_one(alert: Alert) -> None:
    out = console()
    say(f"{alert.rule.title}  [{alert.rule.level}]", "bold")
    facts = [
        ("id", alert.id),
        ("rule", f"{alert.rule.id} ({alert.rule.status or 'no status'})"),
        ("author", alert.rule.author),
        ("licence", alert.rule.licence),
        ("organisation", alert.organization_id),
        ("event time", time_text(alert.seen_at)),
        ("received", time_text(alert.ingested_at)),
        ("detected", time_text(alert.detected_at)),
        ("log source", alert.part),
        ("tags", ", ".join(alert.rule.tags)),
        ("judged with", ", ".join(f"{k} {v[:12]}" for k, v in alert.versions.items())),
    ]
    out.print(table("", ["", ""], [(text(k), text(v)) for k, v in facts if v]))
    for line in alert.rule.description.splitlines():
        say(line)
    reasons = [
        (
            text(r.selection),
            text(r.field or "(keyword)"),
            text(r.operation),
            text(r.pattern),
            text(r.value),
        )
        for r in alert.reasons
    ]
    out.print(table("\nWhy it fired", ["selection", "field", "", "pattern", "value"], reasons))
    event: Sequence[tuple[str, str]] = sorted(alert.event.items())
    out.print(table("\nEvent", ["field", "value"], [(text(k), text(v)) for k, v in event]))
    if alert.original:
        out.print("\nOriginal")
        say(alert.original.decode(errors="backslashreplace"))
    if alert.rule.false_positives:
        out.print()
        say("Known false positives: " + "; ".join(alert.rule.false_positives))


def _show_playbooks(settings: Config, alert: Alert) -> None:
    """Name the playbooks that apply, the most closely bound first."""
    found = fitting(respond.shelf(settings).playbooks.values(), alert)
    rows = [
        (text(p.words("en")[0]), text(p.words("vi")[0]), text(p.document.path.stem))
        for p in found[:3]
    ]
    console().print(table("\nPlaybooks", ["name", "tên", "file"], rows))
    if found:
        say(f"`luytre playbooks rehearse {found[0].document.path.stem} --alert {alert.id[:10]}`")


@app.command()
def close(
    alert: Annotated[str, typer.Argument(help="An alert's id, or its beginning.")],
    disposition: DispositionOption,
    config: ConfigOption = None,
    comment: CommentOption = "",
    *,
    as_json: JsonOption = False,
) -> None:
    """Say what one alert turned out to be; its incident stays as it is."""
    word = disposition_of(disposition)
    with deciding(config) as on:
        number = on.regrouping.close_alert(on.at.actor, alert, word, comment)
    if as_json:
        print_json({"alert": alert, "incident": number, "disposition": word})
    else:
        say(f"alert {alert} of incident {number} is closed: {word}")
