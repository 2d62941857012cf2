"""Playbooks at work: started from an alert, answered, agreed to, decided, printed, reported."""

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.console.installation import Browser, Installation, alert, signer


@pytest.fixture
def begun(tmp_path: Path) -> Iterator[tuple[Installation, str]]:
    """A run of the playbook for an alert, and the path of its page."""
    with signer(tmp_path):
        made = Installation(tmp_path)
        made.fill(
            alert(1, {"host.name": "srv-1", "user.name": "an"}, level="critical"),
            alert(3, {"host.name": "pc-9"}, at=7, organization="so-tai-chinh"),
        )
        browser = made.browser("minh")
        page = browser.get("/alerts/00000001").text
        playbook = re.search(r'name="playbook" value="([^"]+)"', page)
        assert playbook
        answer = browser.post("/alerts/00000001/runs", playbook=playbook[1])
        assert answer.status_code == 303
        yield made, answer.headers["location"]
        made.close()


def answer_first(browser: Browser, path: str) -> int:
    page = browser.get(path).text
    form = re.search(r'action="([^"]+/answer)".*?</form>', page, re.DOTALL)
    assert form
    fields = dict.fromkeys(re.findall(r'name="(answer\.[^"]+)"', form[0]), "yes")
    return int(browser.post(form[1], note="I looked", **fields).status_code)


def test_a_run_shows_what_waits_and_takes_an_answer(begun: tuple[Installation, str]) -> None:
    made, path = begun
    browser = made.browser("minh")
    waiting = browser.get("/runs").text
    before = browser.get(path).text.count('class="card step')

    status = answer_first(browser, path)
    page = browser.get(path).text

    assert f'href="{path}#step-1"' in waiting
    assert status == 303
    assert "I looked" in page
    assert page.count('class="card step') > before
    assert {"run.start", "run.answer"} <= {e["action"] for e in made.history()}


def test_an_answer_that_is_missing_is_asked_for(begun: tuple[Installation, str]) -> None:
    made, path = begun
    answer = made.browser("minh").post(f"{path}/steps/1/answer", note="nothing else")

    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("act", "fields"),
    [
        pytest.param("steps/1/decide", {"decision": "skip", "note": "not needed"}, id="skip"),
        pytest.param("steps/1/decide", {"decision": "stop"}, id="stop the run"),
        pytest.param("steps/1/answer", {"failed": "1", "note": "no time"}, id="could not be done"),
    ],
)
def test_a_person_decides_otherwise(
    begun: tuple[Installation, str], act: str, fields: dict[str, str]
) -> None:
    made, path = begun

    assert made.browser("lan").post(f"{path}/{act}", **fields).status_code == 303


@pytest.mark.parametrize(
    ("act", "fields"),
    [
        pytest.param("steps/1/decide", {"decision": "again"}, id="a decision that is none now"),
        pytest.param("steps/1/decide", {"decision": "x"}, id="no decision"),
        pytest.param("steps/1/approve", {"say": "yes"}, id="nothing to agree to"),
        pytest.param("steps/1/approve", {"say": "perhaps"}, id="neither yes nor no"),
        pytest.param("steps/99/answer", {}, id="no such step"),
        pytest.param("undo", {}, id="nothing to take back"),
    ],
)
def test_what_cannot_be_done_now_is_refused(
    begun: tuple[Installation, str], act: str, fields: dict[str, str]
) -> None:
    made, path = begun

    assert made.browser("lan").post(f"{path}/{act}", **fields).status_code == 400


def test_a_run_of_another_office_does_not_exist(begun: tuple[Installation, str]) -> None:
    made, _ = begun
    alerts = made.browser("lan")
    playbook = re.search(r'name="playbook" value="([^"]+)"', alerts.get("/alerts/00000003").text)
    assert playbook
    path = alerts.post("/alerts/00000003/runs", playbook=playbook[1]).headers["location"]
    minh = made.browser("minh")

    assert alerts.get(path).status_code == 200
    assert minh.get(path).status_code == 404
    assert path not in minh.get("/runs").text
    assert minh.post(f"{path}/steps/1/answer").status_code == 400
    assert minh.get(f"{path}/paper").status_code == 404
    assert minh.get(f"{path}/report.docx").status_code == 404


def test_the_paper_form_may_have_its_own_style_and_nothing_else(
    begun: tuple[Installation, str],
) -> None:
    made, path = begun
    answer = made.browser("lan").get(f"{path}/paper")

    assert "style-src 'sha256-" in answer.headers["content-security-policy"]
    assert "script" not in answer.headers["content-security-policy"]
    assert "@page" in answer.text


@pytest.mark.parametrize("form", ["incident", "notice", "breach"])
@pytest.mark.parametrize("kind", ["html", "csv", "docx"])
def test_a_report_is_given_as_a_file(begun: tuple[Installation, str], form: str, kind: str) -> None:
    made, path = begun
    answer = made.browser("lan", "vi").get(f"{path}/report.{kind}?form={form}")

    assert answer.status_code == 200
    assert answer.headers["content-disposition"].startswith(f'attachment; filename="{form}-')
    if kind == "docx":
        assert "word/document.xml" in ZipFile(BytesIO(answer.content)).namelist()


def test_a_run_is_started_from_an_incident_for_its_gravest_alert(
    begun: tuple[Installation, str],
) -> None:
    made, _ = begun
    browser = made.browser("minh")
    page = browser.get("/incidents/1").text
    playbook = re.search(r'name="playbook" value="([^"]+)"', page)
    assert playbook

    answer = browser.post("/incidents/1/runs", playbook=playbook[1])

    assert answer.status_code == 303
    assert browser.get("/incidents/1").text.count('href="/runs/') == 2
    assert made.browser("binh").post("/incidents/1/runs", playbook=playbook[1]).status_code == 403
