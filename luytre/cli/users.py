"""`luytre users`: who may log in to the console, and for what."""

from __future__ import annotations

import getpass
import sys
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from luytre.accounts.passwords import made_up
from luytre.accounts.sessions import Limits, Sessions
from luytre.accounts.users import Users
from luytre.cli.output import console, counted, print_json, say, table, text
from luytre.cli.person import person
from luytre.cli.settings import ConfigOption, JsonOption, read_config
from luytre.core.clock import SystemClock
from luytre.core.errors import Refused
from luytre.processor import case_host
from luytre.processor.places import Places

if TYPE_CHECKING:
    from collections.abc import Iterator

    from luytre.core.actor import Actor

app = typer.Typer(no_args_is_help=True, help="Users of the console, their roles and sessions.")

NameArgument = Annotated[str, typer.Argument(help="The user's name.")]
RoleOption = Annotated[
    list[str] | None,
    typer.Option("--role", "-r", help="analyst, rule-admin, auditor, or admin; several may be."),
]
OrganizationOption = Annotated[
    list[str] | None,
    typer.Option("--organization", "-o", help="An organisation that the user sees; all if none."),
]
MadeUpOption = Annotated[
    bool, typer.Option("--make-up", help="Make up a password, and print it this once.")
]


class Office(NamedTuple):
    """What these commands work with."""

    actor: Actor
    users: Users
    sessions: Sessions


@contextmanager
def office(config: Path | None) -> Iterator[Office]:
    """Open the accounts for the person who gives the command."""
    settings, clock = read_config(config), SystemClock()
    limits = Limits(
        timedelta(minutes=settings.console.idle_minutes),
        timedelta(hours=settings.console.session_hours),
    )
    sessions = Sessions(Places(settings.data_dir).sessions, clock, limits)
    try:
        with case_host.case_database(settings) as cases:
            yield Office(person(settings), Users(cases, clock), sessions)
    finally:
        sessions.shut()


@app.command()
def add(
    name: NameArgument,
    role: RoleOption = None,
    organization: OrganizationOption = None,
    config: ConfigOption = None,
    *,
    make_up: MadeUpOption = False,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="Give none: the user logs in through OIDC.")
    ] = False,
) -> None:
    """Make a user. The password is asked for, or read from a pipe's first line."""
    with office(config) as at:
        at.actor.require("people")
        password = "" if no_password else _password(make_up=make_up)
        user = at.users.create(at.actor, name, role or [], organization or [], password)
    say(f"user {user.name}: {', '.join(user.roles)}" + (f"; {password}" if make_up else ""))


@app.command("list")
def list_users(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """List users with their roles, organisations, and where they are logged in."""
    with office(config) as at:
        found = [(user, at.sessions.of(user.name)) for user in at.users.find(at.actor)]
    if as_json:
        for user, open_ in found:
            print_json({"user": user, "sessions": len(open_)})
        return
    rows = [
        (
            text(user.name),
            text(", ".join(user.roles)),
            text(", ".join(user.organizations) or "all"),
            text("" if user.enabled else "disabled"),
            text(len(open_) or ""),
        )
        for user, open_ in found
    ]
    console().print(table("", ["user", "roles", "organisations", "", "sessions"], rows))
    say(counted(len(rows), "user"))


@app.command()
def change(
    name: NameArgument,
    role: RoleOption = None,
    organization: OrganizationOption = None,
    config: ConfigOption = None,
    *,
    everywhere: Annotated[
        bool, typer.Option("--everywhere", help="The user sees all organisations.")
    ] = False,
) -> None:
    """Give a user other roles, or other organisations; it holds from the next request on."""
    if not role and not organization and not everywhere:
        raise Refused("say what changes: --role, --organization, or --everywhere")
    with office(config) as at:
        places = [] if everywhere else organization
        at.users.change(at.actor, name, roles=role, organizations=places)
    say(f"user {name} is changed")


@app.command()
def disable(name: NameArgument, config: ConfigOption = None) -> None:
    """Shut a user out: every session and key of theirs ends at once."""
    with office(config) as at:
        at.users.change(at.actor, name, enabled=False)
        ended = at.sessions.close_of(name)
    say(f"user {name} is disabled; {counted(ended, 'session')} ended")


@app.command()
def enable(name: NameArgument, config: ConfigOption = None) -> None:
    """Let a user in again."""
    with office(config) as at:
        at.users.change(at.actor, name, enabled=True)
    say(f"user {name} is enabled")


@app.command()
def password(
    name: NameArgument, config: ConfigOption = None, *, make_up: MadeUpOption = False
) -> None:
    """Give a user another password; every session of theirs ends."""
    with office(config) as at:
        at.actor.require("people")
        given = _password(make_up=make_up)
        at.users.set_password(at.actor, name, given)
        at.sessions.close_of(name)
    say(f"user {name} has another password" + (f": {given}" if make_up else ""))


@app.command()
def logout(name: NameArgument, config: ConfigOption = None) -> None:
    """End every session of a user at once."""
    with office(config) as at:
        at.users.note(at.actor, "session.revoke", f"user:{name}")
        ended = at.sessions.close_of(name)
    say(f"{counted(ended, 'session')} ended")


def _password(*, make_up: bool) -> str:
    if make_up:
        return made_up()
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    first = getpass.getpass("Password: ")
    if first != getpass.getpass("Again: "):
        raise Refused("the two passwords differ")
    return first
