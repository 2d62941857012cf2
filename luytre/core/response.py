"""What response playbooks ask of other rooms: the archive, indicators, and the desk of cases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from luytre.core.actor import Actor
    from luytre.core.database import Connection
    from luytre.core.organization import Scope


class EventCounter(Protocol):
    """Counts events of the archive."""

    def count(self, scope: Scope, column: str, value: str, since: datetime) -> int:
        """Return how many events since a time have a value in a column."""


class IndicatorBook(Protocol):
    """Knows indicators of compromise."""

    def find(self, value: str) -> Sequence[str]:
        """Return a line for each indicator that an address, a name, or a hash is."""


class Desk(Protocol):
    """Where people work on incidents."""

    def assign(self, incident: str, person: str, actor: str) -> None:
        """Give an incident to a person."""

    def comment(self, incident: str, text: str, actor: str) -> None:
        """Write a comment to an incident."""

    def start_clock(self, incident: str, clock: str, actor: str) -> None:
        """Start a legal clock of an incident; one that runs runs on."""

    def stop_clock(self, incident: str, clock: str, actor: str) -> None:
        """Stop a legal clock of an incident: what it asks for is done."""


class Recording(Protocol):
    """A change of the case database that is going on."""

    @property
    def connection(self) -> Connection:
        """The connection that is changed through."""

    @property
    def actor(self) -> Actor:
        """Who changes."""

    def record(self, action: str, subject: str, *, organization: str, **detail: Any) -> int:
        """Write the entry of what is changed, and return its number."""


class IncidentBook(Protocol):
    """Knows which incident something belongs to."""

    def home(
        self, change: Recording, *, incident: str, alert: str, organization: str, title: str
    ) -> str:
        """Return the number of an incident: the named one, the alert's, or one opened now.

        Raises:
            Refused: the named one does not exist, or its actor may not see it.
        """
