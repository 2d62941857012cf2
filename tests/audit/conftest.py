from collections.abc import Iterator
from pathlib import Path

import pytest

from luytre.audit.database import CaseDatabase, Room
from luytre.audit.signer import Signer
from luytre.core.actor import Actor
from luytre.core.clock import ManualClock
from luytre.core.organization import Scope

NOTES = Room(
    "notes",
    ["CREATE TABLE notes (id INTEGER PRIMARY KEY, organization TEXT NOT NULL, text TEXT) STRICT"],
    {"note.write": "triage", "note.approve": "content.approve"},
)
"""A room as others are: one table, two actions."""


def person(*roles: str, scope: Scope | None = None, user: str = "lan") -> Actor:
    return Actor(user, frozenset(roles), scope or Scope.everything(), via="test")  # type: ignore[arg-type]


def write(cases: CaseDatabase, actor: Actor, text: str, organization: str = "so-y-te") -> int:
    with cases.change(actor) as change:
        change.connection.execute(
            "INSERT INTO notes (organization, text) VALUES (?, ?)", (organization, text)
        )
        return change.record("note.write", "note:1", organization=organization, after=text)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer(tmp_path / "signer")


@pytest.fixture
def cases(tmp_path: Path, signer: Signer, clock: ManualClock) -> Iterator[CaseDatabase]:
    opened = CaseDatabase(tmp_path / "cases.sqlite", signer, clock, [NOTES])
    yield opened
    opened.close()
