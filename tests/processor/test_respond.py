from datetime import UTC, datetime
from pathlib import Path

import pytest

from luytre.core.clock import ManualClock
from luytre.core.ecs import ARCHIVED
from luytre.processor.respond import Indicators
from playbooks.actions.lookup import ArchiveArguments

LIST = """value,name,confidence
203.0.113.0/24,bad net,80
evil.example,bad domain,
https://evil.example/x,bad page,
0cc175b9c0f1b6a831c399e269772661,bad file,
"""


@pytest.fixture
def book(tmp_path: Path) -> Indicators:
    path = tmp_path / "indicators.csv"
    path.write_text(LIST)
    return Indicators([path], ManualClock(datetime(2026, 11, 25, tzinfo=UTC)))


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("203.0.113.9", "bad net"),
        ("evil.example", "bad domain"),
        ("https://evil.example/x", "bad page"),
        ("0cc175b9c0f1b6a831c399e269772661", "bad file"),
        ("198.51.100.1", None),
        ("good.example", None),
        ("2001:db8::1", None),
    ],
)
def test_a_value_is_looked_up_as_an_event_would_be(
    book: Indicators, value: str, name: str | None
) -> None:
    found = book.find(value)

    assert [line.split(" (")[0] for line in found] == ([name] if name else [])


def test_playbooks_count_only_what_the_archive_keeps() -> None:
    columns = ArchiveArguments.model_fields["column"].annotation.__args__  # type: ignore[union-attr]

    assert set(columns) <= set(ARCHIVED)
