"""The case database of a configuration, with its signer."""

from __future__ import annotations

from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from luytre.accounts.room import ROOM as ACCOUNTS
from luytre.audit.anchors import anchor_in, is_behind
from luytre.audit.database import CaseDatabase, Room
from luytre.audit.signer_client import RemoteSigner
from luytre.audit.signer_process import serve, start_for_a_moment
from luytre.cases.content_room import ROOM as CONTENT
from luytre.cases.room import ROOM as CASES
from luytre.core.actor import Actor
from luytre.core.clock import SystemClock
from luytre.core.errors import LuytreError
from luytre.core.health import HEALTH
from luytre.core.log import get_logger
from luytre.processor import slots
from luytre.processor.operations import ROOM as OPERATIONS
from luytre.processor.places import Places
from luytre.processor.publications import ROOM as PUBLICATIONS
from playbooks.run_rows import ROOM as PLAYBOOKS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from luytre.core.config import Config

log = get_logger("cases")

ROOMS: Sequence[Room] = (CASES, CONTENT, PLAYBOOKS, ACCOUNTS, OPERATIONS, PUBLICATIONS)
"""What every room adds to the case database."""


def signer_places(config: Config) -> tuple[Path, Path]:
    """Return the signer's folder and its socket."""
    places = Places(config.data_dir)
    return (
        config.audit.signer_dir or places.signer,
        config.audit.signer_socket or places.signer_socket,
    )


def sign(config: Config, stopped: Callable[[], bool]) -> None:
    """Be the signer until stopped."""
    folder, path = signer_places(config)
    HEALTH.ask("signer", partial(_unasked, path))
    with slots.metrics(config, "signer", folder):
        serve(folder, path, stopped)


def _unasked(path: Path) -> str:
    """Return why nobody would get a signature: asked as everybody asks, over the socket."""
    client = RemoteSigner(path)
    try:
        client.state()
    except LuytreError as error:
        return str(error)
    finally:
        client.close()
    return ""


@contextmanager
def case_database(config: Config, *, loop: bool = False) -> Iterator[CaseDatabase]:
    """Open the case database, with every room's tables and actions.

    A command starts a signer for a moment if none answers. A ``loop`` does not: beside it, the
    supervisor starts one, and until it answers the loop's changes are refused, and tried again.
    """
    if not loop:
        wake_signer(config)
    client = RemoteSigner(signer_places(config)[1])
    opened = CaseDatabase(Places(config.data_dir).cases, client, SystemClock(), ROOMS)
    try:
        yield opened
    finally:
        opened.close()
        client.close()


def wake_signer(config: Config) -> None:
    """Start a signer for a moment if none answers, and one may be started."""
    folder, path = signer_places(config)
    with closing(RemoteSigner(path)) as client:
        if config.audit.start_signer and not client.answers():
            start_for_a_moment(folder, path)


def anchor_everywhere(config: Config) -> int:
    """Bring every configured anchor up to date that misses more than anchors; return how many.

    A place that cannot be reached (a stick that is not there) is tried again at the next turn; a
    place that keeps another history is an alarm in the log at every turn.
    """
    if not config.audit.anchors or not Places(config.data_dir).cases.exists():
        return 0
    with case_database(config, loop=True) as cases:
        return sum(_anchor(cases, place) for place in config.audit.anchors)


def _anchor(cases: CaseDatabase, place: Path) -> bool:
    try:
        if not is_behind(cases, place):
            return False
        anchor_in(cases, Actor.loop("upkeep"), place)
    except LuytreError as error:
        log.error("not anchored", place=str(place), reason=str(error))
        return False
    return True
