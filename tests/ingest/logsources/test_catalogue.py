"""The reference of log sources is what the code does."""

from pathlib import Path

from ingest.logsources import HINTS
from ingest.logsources.catalogue import describe, page

PAGE = Path(__file__).parents[3] / "docs/reference/log-sources.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == page(), (
        "run: python -c 'from ingest.logsources.catalogue import page; print(page(), end=\"\")'"
        " > docs/reference/log-sources.md"
    )


def test_every_hint_is_described() -> None:
    described = {row.hint for row in describe()}

    assert set(HINTS) - described <= {"sshd", "sudo"}
