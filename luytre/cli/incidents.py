"""`luytre incidents`: the queue, and what is known and decided about one incident."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from luytre.audit.canonical import stamp
from luytre.cases.model import OPEN_STATES, STATES, Incident, IncidentQuery, IncidentState, Member
from luytre.cases.read import Incidents
from luytre.cli.output import console, counted, level_text, print_json, say, table, text
from luytre.cli.person import person
from luytre.cli.settings import ConfigOption, JsonOption, levels, read_installation, scope, utc
from luytre.core.errors import Refused
from luytre.processor import case_host

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from rich.text import Text

    from luytre.audit.database import CaseDatabase
    from luytre.core.actor import Actor
    from luytre.core.organization import Scope

app = typer.Typer(no_args_is_help=True, help="The queue of incidents, and decisions about them.")

OrganizationOption = Annotated[
    list[str] | None, typer.Option("--organization", "-o", help="Only these organisations'.")
]
LevelOption = Annotated[list[str] | None, typer.Option("--level", "-l", help="Only these levels.")]
StateOption = Annotated[
    list[str] | None,
    typer.Option("--state", "-s", help="new, in-progress, on-hold, closed, or all; open if none."),
]
TextOption = Annotated[
    str, typer.Option("--text", help="Words to find; marks and case do not count, đ is d.")
]
AssigneeOption = Annotated[
    str, typer.Option("--assignee", "-a", help="Whose; me, or - for nobody's.")
]
RuleOption = Annotated[str, typer.Option(help="A rule's id, or words of its title.")]
EntityOption = Annotated[str, typer.Option(help="A host, address, or user.")]
SinceOption = Annotated[datetime | None, typer.Option(help="Last alert from this time on (UTC).")]
UntilOption = Annotated[datetime | None, typer.Option(help="Last alert before this time (UTC).")]
Number = Annotated[int, typer.Argument(help="The incident's number.")]


class Desk(NamedTuple):
    """What a command works with: who asks, what they may see, and the case database."""

    actor: Actor
    seen: Scope
    cases: CaseDatabase
    incidents: Incidents


@contextmanager
def desk(
    config: Path | None, organization: list[str] | None = None, *, writes: bool = False
) -> Iterator[Desk]:
    """Open the case database for the person who gives the command."""
    settings = read_installation(config)
    actor = person(settings)
    actor.require("read")
    with case_host.case_database(settings, loop=not writes) as cases:
        yield Desk(actor, actor.within(scope(organization)), cases, Incidents(cases))


def query_of(  # noqa: PLR0913 - one option each
    actor: Actor,
    *,
    state: list[str] | None,
    level: list[str] | None,
    assignee: str,
    rule: str,
    entity: str,
    words: str,
    since: datetime | None,
    until: datetime | None,
) -> IncidentQuery:
    """Return the query that a command's options ask."""
    first, last = utc(since), utc(until)
    return IncidentQuery(
        states=states(state),
        levels=levels(level),
        assignee=actor.user if assignee == "me" else assignee,
        rule=rule,
        entity=entity,
        text=words,
        since=stamp(first) if first else "",
        until=stamp(last) if last else "",
    )


def states(names: list[str] | None) -> tuple[IncidentState, ...]:
    """Return the states that were named; raises ``Refused``."""
    asked = [name.replace("-", " ") for name in names or []]
    if asked == ["all"]:
        return STATES
    unknown = [name for name in asked if name not in STATES]
    if unknown:
        raise Refused(f"{', '.join(unknown)}: states are {', '.join(STATES)}")
    return tuple(state for state in STATES if state in asked) or OPEN_STATES


@app.command("list")
def list_incidents(  # noqa: PLR0913, PLR0917 - one option each
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
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 50,
    offset: Annotated[int, typer.Option(min=0, help="After how many.")] = 0,
    *,
    as_json: JsonOption = False,
) -> None:
    """List incidents, most urgent first; open ones, unless --state says otherwise."""
    with desk(config, organization) as at:
        query = query_of(
            at.actor, state=state, level=level, assignee=assignee, rule=rule, entity=entity,
            words=words, since=since, until=until,
        )  # fmt: skip
        show_many(at, query, limit, offset, as_json=as_json)


def show_many(at: Desk, query: IncidentQuery, limit: int, offset: int, *, as_json: bool) -> None:
    """Print the incidents of a query."""
    found = at.incidents.find(replace(query, limit=limit, offset=offset), at.seen)
    if as_json:
        for incident in found:
            print_json(incident)
        return
    if not found:
        say("No incidents. `--state all` shows closed ones too.")
        return
    rows = [
        (
            text(f"{incident.id}"),
            text(f"{incident.score}"),
            level_text(incident.level),
            text(incident.state + (" (backfill)" if incident.backfill else "")),
            text(incident.title),
            text(f"{incident.alerts}"),
            text(_minute(incident.last_at)),
            text(incident.organization),
            text(incident.assignee),
        )
        for incident in found
    ]
    columns = ["no", "score", "level", "state", "title", "alerts", "last", "organisation", "who"]
    console().print(table("", columns, rows))
    total = at.incidents.count(query, at.seen)
    say(f"{len(found):,} of {counted(total, 'incident')}; `luytre incidents show NO` explains one")


@app.command()
def show(
    number: Number,
    config: ConfigOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show an incident: why it is urgent, its alerts with the reasons, what was done."""
    with desk(config) as at:
        incident = at.incidents.get(number, at.seen)
        members, hidden = at.incidents.members(number, at.seen)
        life = at.incidents.life(number, at.seen)
        comments = at.incidents.comments(number, at.seen)
        tasks = at.incidents.tasks(number, at.seen)
        clocks = at.incidents.clocks(number, at.seen)
    if as_json:
        print_json(
            {
                "incident": incident,
                "alerts": members,
                "alerts_of_others": hidden,
                "life": life,
                "comments": comments,
                "tasks": tasks,
                "clocks": clocks,
            }
        )
        return
    _head(incident)
    out = console()
    parts = [(text(f"{points:+}"), text(why)) for why, points in incident.score_parts]
    out.print(table(f"\nScore {incident.score}", ["", ""], parts))
    out.print(table("\nAlerts", ALERT_COLUMNS, map(_alert_row, members)))
    if hidden:
        say(f"… and {counted(hidden, 'alert')} that another organisation saw")
    for title, columns, rows in (
        ("\nComments", ["time", "who", "text"], comments),
        ("\nTasks", ["task", "text", "who", "done"], tasks),
        ("\nClocks", ["clock", "profile", "from", "due", "stopped"], clocks),
    ):
        if rows:
            cells = [tuple(text(cell) for cell in row) for row in rows]
            out.print(table(title, columns, cells))
    steps = [
        (text(_minute(s.at)), text(s.user), text(s.action), text(_said(s.detail))) for s in life
    ]
    out.print(table("\nLife", ["time", "who", "did", ""], steps))


ALERT_COLUMNS = ["alert", "event time", "received after", "level", "rule", "why here"]


def _head(incident: Incident) -> None:
    say(f"Incident {incident.id}: {incident.title}  [{incident.level}]", "bold")
    facts = [
        ("state", " - ".join(part for part in (incident.state, incident.disposition) if part)),
        ("assigned to", incident.assignee or "nobody"),
        ("organisation", incident.organization),
        ("events", f"{_minute(incident.first_at)} to {_minute(incident.last_at)}"),
        ("received", _minute(incident.received_at)),
        ("backfill", "all of it arrived late" if incident.backfill else ""),
        ("changed after it was closed", "yes" if incident.changed_after_close else ""),
        ("merged into", f"incident {incident.merged_into}" if incident.merged_into else ""),
        ("version", f"{incident.version}"),
    ]
    console().print(table("", ["", ""], [(text(k), text(v)) for k, v in facts if v]))


def _alert_row(member: Member) -> tuple[Text, ...]:
    marks = [
        word
        for word, holds in (
            (f"revision {member.revision}", member.revision > 1),
            ("withdrawn", member.withdrawn),
            ("part of a later one", bool(member.superseded_by)),
            ("backfill", member.backfill),
            (member.disposition, bool(member.disposition)),
        )
        if holds
    ]
    return (
        text(member.alert[:10]),
        text(_minute(member.at)),
        text(_delay(member.delay_s)),
        level_text(member.level),
        text(member.title + (f" ({', '.join(marks)})" if marks else "")),
        text(member.reason),
    )


def _delay(delay_s: int | None) -> str:
    if delay_s is None:
        return "no event time"
    return f"{delay_s:,} s" if delay_s >= 0 else f"{-delay_s:,} s before: a clock is ahead"


def _minute(moment: str) -> str:
    return datetime.fromisoformat(moment).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _said(detail: Mapping[str, object]) -> str:
    """Return what a step's detail says, in one line."""
    found = []
    for name, value in detail.items():
        if name == "version":
            continue
        if isinstance(value, list):
            found.append(counted(len(value), name.removesuffix("s")))
        elif isinstance(value, dict):
            words = ", ".join(f"{k} {v}" for k, v in value.items() if v and k != "version")
            found.append(f"{name}: {words}" if words else "")
        else:
            found.append(f"{name}: {value}")
    return "; ".join(part for part in found if part)
