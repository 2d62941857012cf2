"""`luytre incidents close|assign|...`: what people decide about incidents, one or many."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from luytre.cases.clocks import Clocks, read_profiles
from luytre.cases.decide import Decisions
from luytre.cases.model import DISPOSITIONS, Disposition, IncidentQuery
from luytre.cases.regroup import Regrouping
from luytre.cases.room import DUTY
from luytre.cli.incidents import (
    AssigneeOption,
    Desk,
    EntityOption,
    LevelOption,
    Number,
    OrganizationOption,
    RuleOption,
    SinceOption,
    StateOption,
    TextOption,
    UntilOption,
    app,
    desk,
    query_of,
    show_many,
    states,
)
from luytre.cli.output import console, counted, print_json, say, table, text
from luytre.cli.settings import ConfigOption, JsonOption, utc
from luytre.core.clock import SystemClock
from luytre.core.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VersionOption = Annotated[
    int | None,
    typer.Option("--if-version", help="Only if this is still the incident's version."),
]
DispositionOption = Annotated[
    str,
    typer.Option(
        "--disposition", "-d",
        help="true-positive, benign-true-positive, false-positive, or duplicate.",
    ),
]  # fmt: skip
CommentOption = Annotated[str, typer.Option("--comment", "-m", help="A comment to go with it.")]


class Deciding(NamedTuple):
    """What a deciding command works with."""

    at: Desk
    decisions: Decisions
    regrouping: Regrouping
    clocks: Clocks


@contextmanager
def deciding(config: Path | None, organization: list[str] | None = None) -> Iterator[Deciding]:
    """Open the case database for a decision of the person who gives the command."""
    clock = SystemClock()
    with desk(config, organization, writes=True) as opened:
        at = opened._replace(actor=opened.actor.narrowed(opened.seen))
        decisions = Decisions(at.cases, clock)
        yield Deciding(
            at,
            decisions,
            Regrouping(at.cases, clock, decisions),
            Clocks(decisions, read_profiles()),
        )


def disposition_of(name: str) -> Disposition:
    """Return the disposition that was named; raises ``Refused``."""
    word = name.replace("-", " ").lower()
    if word not in DISPOSITIONS:
        raise Refused(f"{name}: a disposition is one of {', '.join(DISPOSITIONS)}")
    return word


def _done(what: str, *, as_json: bool, **facts: Any) -> None:
    if as_json:
        print_json(facts)
    else:
        say(what)


@app.command()
def take(number: Number, config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Take an incident: it is yours and in progress."""
    with deciding(config) as on:
        me = on.at.actor.user
        on.decisions.assign(on.at.actor, number, me)
        if on.at.incidents.get(number, on.at.seen).state != "in progress":
            on.decisions.set_state(on.at.actor, number, "in progress")
    _done(f"incident {number} is yours", as_json=as_json, incident=number, assignee=me)


@app.command("state")
def set_state(
    number: Number,
    state: Annotated[str, typer.Argument(help="new, in-progress, or on-hold.")],
    config: ConfigOption = None,
    if_version: VersionOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Set an open state; a closed incident is so opened again."""
    (word,) = states([state])
    with deciding(config) as on:
        on.decisions.set_state(on.at.actor, number, word, if_version)
    _done(f"incident {number} is {word}", as_json=as_json, incident=number, state=word)


@app.command()
def close(
    number: Number,
    disposition: DispositionOption,
    config: ConfigOption = None,
    comment: CommentOption = "",
    if_version: VersionOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Close an incident with what it turned out to be."""
    word = disposition_of(disposition)
    with deciding(config) as on:
        on.decisions.close(on.at.actor, number, word, comment, if_version)
    _done(
        f"incident {number} is closed: {word}", as_json=as_json, incident=number, disposition=word
    )


@app.command()
def assign(
    number: Number,
    who: Annotated[str, typer.Argument(help="A person; - for nobody.")],
    config: ConfigOption = None,
    if_version: VersionOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Give an incident to a person, who is notified."""
    who = "" if who == "-" else who
    with deciding(config) as on:
        on.decisions.assign(on.at.actor, number, who, if_version)
    _done(
        f"incident {number} is {who}'s" if who else f"incident {number} is nobody's",
        as_json=as_json, incident=number, assignee=who,
    )  # fmt: skip


@app.command()
def comment(
    number: Number,
    words: Annotated[str, typer.Argument(metavar="TEXT", help="The comment.")],
    config: ConfigOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Write a comment to an incident."""
    with deciding(config) as on:
        on.decisions.comment(on.at.actor, number, words)
    _done(f"comment written to incident {number}", as_json=as_json, incident=number)


@app.command()
def task(
    number: Number,
    words: Annotated[str, typer.Argument(metavar="TEXT", help="What is to be done.")] = "",
    config: ConfigOption = None,
    who: Annotated[str, typer.Option("--for", help="Who is to do it.")] = "",
    done: Annotated[int | None, typer.Option("--done", help="The task that is done.")] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Add a task to an incident, or say that one is done."""
    if bool(words) == (done is not None):
        raise Refused("say what is to be done, or --done TASK")
    with deciding(config) as on:
        if done is not None:
            on.decisions.finish_task(on.at.actor, number, done)
            _done(f"task {done} is done", as_json=as_json, incident=number, task=done)
            return
        found = on.decisions.add_task(on.at.actor, number, words, who)
    _done(f"task {found} of incident {number}", as_json=as_json, incident=number, task=found)


@app.command()
def merge(
    number: Number,
    into: Annotated[int, typer.Option("--into", help="The incident that takes its alerts.")],
    config: ConfigOption = None,
    if_version: VersionOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Close an incident as the duplicate of another, which takes its alerts."""
    with deciding(config) as on:
        on.regrouping.merge(on.at.actor, number, into, if_version)
    _done(f"incident {number} is now part of {into}", as_json=as_json, incident=number, into=into)


@app.command()
def split(
    number: Number,
    alerts: Annotated[list[str], typer.Argument(help="Alerts, by the beginnings of their ids.")],
    config: ConfigOption = None,
    if_version: VersionOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Move alerts of an incident to a new one."""
    with deciding(config) as on:
        fresh = on.regrouping.split(on.at.actor, number, alerts, if_version)
    _done(f"split off as incident {fresh}", as_json=as_json, incident=number, into=fresh)


@app.command("clock")
def legal_clock(
    number: Number,
    name: Annotated[str, typer.Argument(help="A clock, as `luytre incidents clocks` names it.")],
    config: ConfigOption = None,
    since: Annotated[
        datetime | None, typer.Option("--from", help="T0 (UTC); when it was opened by default.")
    ] = None,
    *,
    stop: Annotated[bool, typer.Option("--stop", help="What it asks for is done.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Start or stop a legal clock of an incident."""
    with deciding(config) as on:
        if stop:
            on.clocks.stop(on.at.actor, number, name)
            _done(f"clock {name} stopped", as_json=as_json, incident=number, clock=name)
            return
        found = on.clocks.start(on.at.actor, number, name, utc(since))
    due = found.due_at.strftime("%Y-%m-%d %H:%MZ")
    what = f"due {due}: {found.clock.en} ({found.clock.source})"
    _done(what, as_json=as_json, incident=number, clock=name, profile=found.profile, due=due)


@app.command("clocks")
def list_clocks(*, as_json: JsonOption = False) -> None:
    """List the clocks that the law has, and since when."""
    profiles = read_profiles()
    if as_json:
        for profile in profiles:
            print_json(profile.model_dump(mode="json"))
        return
    rows = [
        tuple(map(text, (p.name, p.effective_from, c.id, f"{c.hours} h", c.en, c.vi, c.source)))
        for p in profiles
        for c in p.clocks
    ]
    columns = ["profile", "from", "clock", "", "what", "việc phải làm", "source"]
    console().print(table("", columns, rows))


@app.command()
def inbox(
    config: ConfigOption = None,
    *,
    read: Annotated[bool, typer.Option("--read", help="Mark all of it as read.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what you, or whoever is on duty, were notified of."""
    with deciding(config) as on:
        people = [on.at.actor.user, DUTY]
        found = on.at.incidents.notifications(people, on.at.seen)
        if read:
            on.decisions.read_notifications(on.at.actor, people)
    if as_json:
        for _, at, incident, what in found:
            print_json({"at": at, "incident": incident, "what": what})
        return
    if not found:
        say("Nothing new.")
        return
    rows = [
        (text(at[:16] + "Z"), text(f"{incident}"), text(what)) for _, at, incident, what in found
    ]
    console().print(table("", ["time", "incident", "what"], rows))


@app.command()
def many(  # noqa: PLR0913, PLR0917 - one option each
    config: ConfigOption = None,
    organization: OrganizationOption = None,
    state: StateOption = None,
    level: LevelOption = None,
    assignee: AssigneeOption = "",
    rule: RuleOption = "",
    entity: EntityOption = "",
    words: TextOption = "",
    since: SinceOption = None,
    until: UntilOption = None,
    disposition: Annotated[
        str, typer.Option("--disposition", "-d", help="Close them with this disposition.")
    ] = "",
    assign_to: Annotated[str, typer.Option("--assign", help="Give them to this person.")] = "",
    comment: CommentOption = "",
    expect: Annotated[
        int | None, typer.Option("--expect", help="Decide, if so many match; else only count.")
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Decide about all incidents that match, at once. Without --expect it only counts them."""
    with deciding(config, organization) as on:
        query = query_of(
            on.at.actor, state=state, level=level, assignee=assignee, rule=rule, entity=entity,
            words=words, since=since, until=until,
        )  # fmt: skip
        if expect is None:
            total = on.at.incidents.count(query, on.at.seen)
            what = f"{counted(total, 'incident')} match; repeat with --expect {total} to decide"
            _done(what, as_json=as_json, count=total)
            return
        if not disposition and not assign_to:
            raise Refused("say what to decide: --disposition or --assign")
        done = on.decisions.decide_many(
            on.at.actor,
            query,
            expect,
            disposition=disposition_of(disposition) if disposition else None,
            person=assign_to or None,
            comment=comment,
        )
    _done(f"{counted(done, 'incident')} decided", as_json=as_json, count=done)


@app.command()
def view(  # noqa: PLR0913, PLR0917 - one option each
    name: Annotated[str, typer.Argument(help="A view; without one, the views there are.")] = "",
    config: ConfigOption = None,
    organization: OrganizationOption = None,
    state: StateOption = None,
    level: LevelOption = None,
    assignee: AssigneeOption = "",
    rule: RuleOption = "",
    entity: EntityOption = "",
    words: TextOption = "",
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 50,
    *,
    save: Annotated[bool, typer.Option("--save", help="Keep these options by that name.")] = False,
    delete: Annotated[bool, typer.Option("--delete", help="Forget the view.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show a saved view of the queue, keep one, or list them."""
    with deciding(config, organization) as on:
        if save:
            query = query_of(
                on.at.actor, state=state, level=level, assignee=assignee, rule=rule,
                entity=entity, words=words, since=None, until=None,
            )  # fmt: skip
            on.decisions.save_view(on.at.actor, name, query)
            _done(f"view {name} kept", as_json=as_json, view=name)
            return
        if delete:
            on.decisions.delete_view(on.at.actor, name)
            _done(f"view {name} forgotten", as_json=as_json, view=name)
            return
        views = on.decisions.views()
        if name and name not in views:
            raise Refused(f"no view is named {name}; there are {', '.join(views) or 'none'}")
        if name:
            show_many(on.at, views[name][1], limit, 0, as_json=as_json)
            return
    _list_views(views, as_json=as_json)


def _list_views(views: dict[str, tuple[str, IncidentQuery]], *, as_json: bool) -> None:
    if as_json:
        for name, (owner, query) in views.items():
            print_json({"view": name, "owner": owner, "query": query})
        return
    rows = [tuple(map(text, (name, owner))) for name, (owner, _) in views.items()]
    console().print(table("", ["view", "owner"], rows))
