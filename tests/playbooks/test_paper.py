from html.parser import HTMLParser

import pytest

from luytre.core.clock import ManualClock
from luytre.core.config_playbooks import PlaybooksConfig
from playbooks import LIBRARY
from playbooks.actions import Actions, Services
from playbooks.load import load_folder
from playbooks.paper import PaperStep, form, rehearsed
from playbooks.rehearse import rehearse

FOUND, _ = load_folder(LIBRARY)
PLAYBOOKS = {loaded.playbook.id: loaded for loaded in FOUND}
ACTING = Actions(
    PlaybooksConfig.model_validate({"nftables": {"enabled": True}}), Services(ManualClock())
)


class Seen(HTMLParser):
    """Every tag and the text of a page; unclosed tables show as a count that is not zero."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.tables = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.tables += tag == "table"
        assert not [name for name, _ in attrs if name.startswith("on") or name in {"src", "href"}]

    def handle_endtag(self, tag: str) -> None:
        self.tables -= tag == "table"

    def handle_data(self, data: str) -> None:
        self.text += data


def read(page: str) -> Seen:
    seen = Seen()
    seen.feed(page)
    return seen


@pytest.mark.parametrize("language", ["vi", "en"])
@pytest.mark.parametrize("stem", [p.document.path.stem for p in FOUND])
def test_every_playbook_fits_on_paper(stem: str, language: str) -> None:
    loaded = next(p for p in FOUND if p.document.path.stem == stem)
    outcome = rehearse(PLAYBOOKS, loaded.playbook.id, {}, language, ACTING)

    page = form(loaded.words(language)[0], rehearsed(outcome), language)

    seen = read(page)
    assert seen.tables == 0
    assert not {"script", "img", "link", "iframe", "a"} & set(seen.tags)
    assert all(line.name in seen.text for line in outcome.lines)
    assert seen.text.count("☐") >= len(outcome.lines)
    assert len(page.encode()) < 100_000


def test_two_people_have_two_lines_to_sign() -> None:
    steps = [PaperStep("contain", "Isolate", "cut pc-1 off", "Luytre", approvals=2)]

    assert read(form("x", steps, "en")).text.count("Agrees (name, signature)") == 2


def test_what_is_done_is_printed_and_not_asked_again() -> None:
    steps = [
        PaperStep("contain", "Block", "x", "Luytre", (), 1, "done 2026-11-25 lan: yes", "blocked")
    ]

    text = read(form("x", steps, "vi")).text
    assert "done 2026-11-25 lan: yes" in text
    assert "☐" not in text


def test_log_content_stays_text() -> None:
    hostile = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'
    steps = [PaperStep("detect", hostile, hostile, hostile, (hostile,), 1, "", "")]

    seen = read(form(hostile, steps, "en", [(hostile, hostile)]))

    assert not {"script", "img"} & set(seen.tags)
    assert hostile in seen.text
