"""`luytre filters`: what hides false positives, drafted from them, proven, agreed to, ending."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from luytre.cases.read import Incidents
from luytre.cli.content_desk import (
    Desk,
    check,
    desk,
    done,
    list_drafts,
    prove,
    show_draft,
    show_life,
)
from luytre.cli.output import console, counted, level_text, print_json, say, table, text, time_text
from luytre.cli.person import person
from luytre.cli.settings import ConfigOption, JsonOption, read_installation, scope, utc
from luytre.core.alert import AlertQuery
from luytre.core.clock import SystemClock
from luytre.core.errors import Refused
from luytre.processor import build
from luytre.processor.content import plan_rules
from luytre.processor.source import settings
from luytre.review.drafting import Choice, choices, filter_text
from luytre.review.drafts import Draft

if TYPE_CHECKING:
    from collections.abc import Sequence

    from luytre.core.alert import Alert, AlertStore

app = typer.Typer(
    no_args_is_help=True, help="Filters: draft, prove, approve, retire, and what they hide."
)

OTHERS_MAX = 5_000
Number = Annotated[int, typer.Argument(help="The draft's number.")]
ReasonOption = Annotated[str, typer.Option("--reason", "-m", help="Why.")]


@app.command("list")
def list_filters(
    config: ConfigOption = None,
    state: Annotated[str, typer.Option("--state", "-s", help="Only in this state.")] = "",
    *,
    as_json: JsonOption = False,
) -> None:
    """List filters that went through review, newest first."""
    with desk(config, writes=False) as at:
        list_drafts(at.drafts.find(at.actor.scope, "filter", state), as_json=as_json)


@app.command()
def draft(  # noqa: PLR0913 - one option each
    alerts: Annotated[
        list[str] | None, typer.Argument(help="False positives: beginnings of alerts' ids.")
    ] = None,
    config: ConfigOption = None,
    incident: Annotated[
        int | None, typer.Option("--incident", "-i", help="All alerts of this incident.")
    ] = None,
    rule: Annotated[str, typer.Option(help="Of several rules, this one's id.")] = "",
    file: Annotated[
        Path | None, typer.Option("--file", help="A filter that you wrote, instead.")
    ] = None,
    reason: ReasonOption = "",
    days: Annotated[float, typer.Option(min=1, help="For how many days it holds.")] = 90,
    fields: Annotated[
        list[str] | None, typer.Option("--field", "-f", help="Ask for this field, and no others.")
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Draft a filter from false positives: what they have in common, which is shown."""
    with desk(config) as at:
        at.actor.require("content.propose")
        if file is not None:
            found = at.drafts.propose(
                at.actor, file.read_bytes(), reason, lambda path: check(at.config, path)
            )
        else:
            found = _drafted(at, alerts or [], incident, rule, reason, days, fields or [],
                             as_json=as_json)  # fmt: skip
        show_draft(found, as_json=as_json)
        if not as_json:
            say("")
            say(f"next: luytre filters prove {found.id}")


def _drafted(
    at: Desk,
    ids: Sequence[str],
    incident: int | None,
    rule: str,
    reason: str,
    days: float,
    fields: Sequence[str],
    *,
    as_json: bool,
) -> Draft:
    store = build.alert_store(at.config)
    alerts = [a for a in _alerts(at, store, ids, incident) if not rule or a.rule.id == rule]
    if not alerts:
        raise Refused("name alerts that are false positives, or --incident NO")
    others = store.find(AlertQuery(rule=alerts[0].rule.id, limit=OTHERS_MAX), at.actor.scope)
    store.close()
    chosen = choices(alerts, others, fields)
    plan = plan_rules(at.config, settings(at.config)).plan
    source = next((r.logsource for r in plan.rules if r.card.id == alerts[0].rule.id), None)
    if source is None:
        raise Refused(f"the rule {alerts[0].rule.id} does not run any more")
    written = filter_text(
        alerts, chosen, source,
        owner=at.actor.user, reason=reason, now=SystemClock().now(), days=days,
    )  # fmt: skip
    only = [c for c in chosen if c.taken and c.field == "organization.id" and len(c.values) == 1]
    if not as_json:
        _show_choices(chosen)
    return at.drafts.propose(
        at.actor,
        written,
        reason,
        lambda path: check(at.config, path),
        only[0].values[0] if only else "",
    )


def _alerts(at: Desk, store: AlertStore, ids: Sequence[str], incident: int | None) -> list[Alert]:
    wanted = list(ids)
    if incident is not None:
        members, _ = Incidents(at.cases).members(incident, at.actor.scope)
        wanted += [member.document for member in members]
    found = [store.get(each, at.actor.scope) for each in wanted]
    for name, alert in zip(wanted, found, strict=True):
        if alert is None:
            raise Refused(f"no alert, or more than one, begins with {name}")
    return [alert for alert in found if alert is not None]


def _show_choices(chosen: Sequence[Choice]) -> None:
    rows = [
        (
            text("yes" if choice.taken else "no"),
            text(choice.field),
            text(" | ".join(choice.values)[:120]),
            text(f"{choice.others:,} of {choice.of:,}"),
        )
        for choice in chosen
    ]
    columns = ["asked", "field", "value", "other alerts of the rule with it"]
    console().print(table("", columns, rows))


@app.command("prove")
def prove_filter(
    number: Number,
    config: ConfigOption = None,
    days: Annotated[float, typer.Option(min=0, help="Of the archive's last days.")] = 30,
    limit: Annotated[int, typer.Option(min=0, help="Hidden alerts shown.")] = 20,
    *,
    as_json: JsonOption = False,
) -> None:
    """Run a filter over the archive and over what is protected; say what it would hide.

    Exit code 8: it hides a protected event, which is shown; 9: it was stopped, and can go on.
    """
    with desk(config) as at:
        proof = prove(at, number, days, limit, as_json=as_json)
        if as_json:
            return
        digest = at.drafts.get(number, at.actor.scope).digest
    protection = proof.protection
    say(
        f"It hides none of {counted(protection.alerts, 'protected alert')} and"
        f" {counted(protection.examples, 'example')} of its rules", "green",
    )  # fmt: skip
    if protection.unjudged:
        say(f"{len(protection.unjudged)} of them cannot be judged again", "yellow")
    say(f"next, another person: luytre filters approve {number} {digest[:16]}")


@app.command()
def approve(
    number: Number,
    digest: Annotated[str, typer.Argument(help="The beginning of the digest that was proven.")],
    config: ConfigOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Agree to a filter that another person drafted and that is proven: it hides from now on."""
    with desk(config) as at:
        at.drafts.approve(at.actor, number, digest)
        found = at.drafts.activate(at.actor, number)
    done(f"filter {number} is active until {found.expires_at[:16]}Z", found, as_json=as_json)


@app.command()
def refuse(
    number: Number,
    config: ConfigOption = None,
    reason: ReasonOption = "",
    *,
    as_json: JsonOption = False,
) -> None:
    """Say no to a draft."""
    with desk(config) as at:
        found = at.drafts.refuse(at.actor, number, reason)
    done(f"filter {number} is refused", found, as_json=as_json)


@app.command()
def retire(
    number: Number,
    config: ConfigOption = None,
    reason: ReasonOption = "",
    *,
    as_json: JsonOption = False,
) -> None:
    """End a filter before its time."""
    with desk(config) as at:
        found = at.drafts.retire(at.actor, number, reason)
    done(f"filter {number} is retired", found, as_json=as_json)


@app.command("show")
def show_filter(
    number: Number, config: ConfigOption = None, *, as_json: JsonOption = False
) -> None:
    """Show a filter whole, with its proof and its life."""
    with desk(config, writes=False) as at:
        show_draft(at.drafts.get(number, at.actor.scope), as_json=as_json)
        if not as_json:
            show_life(at, number, as_json=False)


@app.command()
def hidden(
    filter_id: Annotated[str, typer.Argument(help="A filter's id; all filters if none.")] = "",
    config: ConfigOption = None,
    organization: Annotated[
        list[str] | None, typer.Option("--organization", "-o", help="Only these organisations'.")
    ] = None,
    words: Annotated[str, typer.Option("--text", help="Words to find.")] = "",
    since: Annotated[datetime | None, typer.Option(help="From this time on (UTC).")] = None,
    until: Annotated[datetime | None, typer.Option(help="Before this time (UTC).")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 50,
    *,
    as_json: JsonOption = False,
) -> None:
    """List and count the hits that filters hide, newest first."""
    installation = read_installation(config)
    actor = person(installation)
    actor.require("read")
    seen = actor.within(scope(organization))
    query = AlertQuery(
        text=words, since=utc(since), until=utc(until), limit=limit,
        hidden=True, hidden_by=filter_id,
    )  # fmt: skip
    store = build.alert_store(installation)
    found, total = store.find(query, seen), store.count(query, seen)
    store.close()
    if as_json:
        for alert in found:
            print_json(alert)
        return
    rows = [
        (
            text(time_text(alert.seen_at)),
            level_text(alert.rule.level),
            text(alert.rule.title),
            text(alert.organization_id),
            text(alert.event.get("host.name", "")),
            text(", ".join(alert.hidden_by)),
            text(alert.id[:16]),
        )
        for alert in found
    ]
    columns = ["time", "level", "rule", "organisation", "host", "hidden by", "id"]
    console().print(table("", columns, rows))
    say(f"{len(found):,} of {counted(total, 'hidden hit')}")
