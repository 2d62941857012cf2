"""Every command, setting, metric and column is documented, and the pages are current."""

from pathlib import Path

import pytest
import typer

from luytre.cli.main import app
from luytre.core.config import Config
from tests import reference

DOCS = Path(__file__).parent.parent / "docs"


@pytest.mark.parametrize("page", reference.PAGES)
def test_reference_page_is_current(page: str) -> None:
    assert (DOCS / "reference" / page).read_text() == reference.PAGES[page]()


def test_every_setting_has_a_sentence() -> None:
    silent = [name for name, _, text in reference.settings(Config) if not text]

    assert not silent


def test_every_command_and_option_has_a_sentence() -> None:
    group = typer.main.get_command(app)
    silent = [
        (path, parameter.name)
        for path, command in reference.walk(group, ("luytre",))
        for parameter in command.params
        if parameter.name != "help" and not getattr(parameter, "help", "")
    ]

    assert not silent


def test_every_command_is_in_the_guide() -> None:
    guide = (DOCS / "guides" / "commands.md").read_text()
    group = typer.main.get_command(app)

    missing = [
        " ".join(path)
        for path, _ in reference.walk(group, ("luytre",))
        if f"`{' '.join(path)}" not in guide
    ]

    assert not missing


def test_every_local_link_leads_somewhere() -> None:
    pages = [*DOCS.rglob("*.md"), DOCS.parent / "README.md"]
    broken = [
        (str(page), target)
        for page in pages
        for target in _links(page.read_text())
        if not (page.parent / target).exists()
    ]

    assert not broken


def _links(text: str) -> list[str]:
    targets = [part.split(")")[0] for part in text.split("](")[1:]]
    return [t.split("#")[0] for t in targets if t and not t.startswith(("http", "#", "mailto"))]
