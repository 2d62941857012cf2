"""The queue and the page of an incident: what analysts see, and what they decide."""

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.console.installation import Installation, alert, signer

ATTACK = {"host.name": "srv-1", "user.name": "an"}


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Installation]:
    """Three incidents of two organisations: 1 is critical, 3 is another organisation's."""
    with signer(tmp_path):
        made = Installation(tmp_path)
        made.fill(
            alert(1, ATTACK, level="critical"),
            alert(2, ATTACK, at=5, rule="rule-2"),
            alert(3, {"host.name": "srv-2"}, at=6),
            alert(4, {"host.name": "pc-9"}, at=7, organization="so-tai-chinh", level="medium"),
        )
        yield made
        made.close()


def titles(page: str) -> list[str]:
    return re.findall(r'<a href="/incidents/(\d+)">', page)


def test_the_most_urgent_comes_first(shared: Installation) -> None:
    page = shared.browser("lan").get("/incidents").text

    assert titles(page) == ["1", "2"]
    assert "srv-1" in page


def test_an_empty_queue_says_what_to_do_next(console: Installation) -> None:
    page = console.browser("lan").get("/incidents").text

    assert "No open incident." in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        pytest.param("", ["1", "2"], id="all open"),
        pytest.param("level=critical", ["1"], id="level"),
        pytest.param("organization=so-tai-chinh", ["2"], id="organisation"),
        pytest.param("entity=SRV-1", ["1"], id="a host, whatever its case"),
        pytest.param("assignee=-", ["1", "2"], id="nobody's"),
        pytest.param("assignee=me", [], id="mine"),
        pytest.param("state=closed", [], id="closed"),
        pytest.param("state=all", ["1", "2"], id="all"),
        pytest.param("text=pc-9", ["2"], id="words"),
        pytest.param("offset=40", [], id="behind the end"),
        pytest.param("level=nonsense&offset=-1&since=x&state=?", ["1", "2"], id="nonsense"),
        pytest.param("since=2026-11-23T06:06:00Z", ["2"], id="since"),
    ],
)
def test_the_address_says_what_is_shown(shared: Installation, query: str, found: list[str]) -> None:
    assert titles(shared.browser("lan").get(f"/incidents?{query}").text) == found


@pytest.mark.parametrize("by", ["organization", "rule", "level", "assignee", "state"])
def test_a_group_leads_to_its_incidents(shared: Installation, by: str) -> None:
    browser = shared.browser("lan")
    page = browser.get(f"/incidents?group={by}").text
    paths = re.findall(r'<td class="wrap"><a href="(/incidents\?[^"]+)"', page)

    assert paths
    assert all(titles(browser.get(path.replace("&amp;", "&")).text) for path in paths)


def test_each_sees_only_their_organisations(shared: Installation) -> None:
    browser = shared.browser("minh")

    assert titles(browser.get("/incidents").text) == ["1"]
    assert browser.get("/incidents/2").status_code == 404
    assert "so-tai-chinh" not in browser.get("/incidents?group=organization").text
    assert browser.get("/incidents/live?after=0").json()["count"] == 1
    assert "2026" not in browser.get("/incidents/2").text


@pytest.mark.parametrize(
    "act", ["take", "assign", "state", "close", "comments", "tasks", "clocks", "split", "merge"]
)
def test_nobody_decides_for_another_organisation(busy: Installation, act: str) -> None:
    fields = {
        "version": "1", "person": "minh", "state": "on hold", "disposition": "duplicate",
        "text": "mine", "clock": "incident-report", "alert": "0", "into": "1",
    }  # fmt: skip
    answer = busy.browser("minh").post(f"/incidents/3/{act}", **fields)

    assert answer.status_code == 400
    assert "version" not in str(answer.text)
    assert not [e for e in busy.history() if e["subject"] == "incident:3"][1:]


def test_a_decision_is_made_shown_and_in_the_history(busy: Installation) -> None:
    browser = busy.browser("lan")
    assert browser.post("/incidents/1/take", version="2").status_code in {303, 409}
    version = re.search(r'name="version" value="(\d+)"', browser.get("/incidents/1").text)
    assert version
    for act, fields in (
        ("comments", {"text": "dòng một\ndòng hai"}),
        ("tasks", {"text": "call them", "person": "minh"}),
        ("clocks", {"clock": "incident-report"}),
    ):
        assert browser.post(f"/incidents/1/{act}", **fields).status_code == 303
    version = re.search(r'name="version" value="(\d+)"', browser.get("/incidents/1").text)
    assert version
    closed = browser.post(
        "/incidents/1/close", version=version[1], disposition="true positive", comment="why"
    )

    page = browser.get("/incidents/1").text
    assert closed.status_code == 303
    assert all(part in page for part in ("dòng một\ndòng hai", "call them", "true positive", "why"))
    actions = {e["action"] for e in busy.history() if e["actor"]["user"] == "lan"}
    assert {"incident.comment", "incident.task", "incident.clock", "incident.close"} <= actions
    assert titles(browser.get("/incidents").text)[0] == "2"


def test_the_second_of_two_is_told_what_changed(busy: Installation) -> None:
    first, second = busy.browser("lan"), busy.browser("minh")
    version = re.search(r'name="version" value="(\d+)"', second.get("/incidents/2").text)
    assert version
    assert first.post("/incidents/2/assign", version=version[1], person="lan").status_code == 303

    answer = second.post(
        "/incidents/2/close", version=version[1], disposition="duplicate",
        comment="a long reason that I typed",
    )  # fmt: skip

    assert answer.status_code == 409
    assert "lan, assign" in answer.text
    assert "a long reason that I typed" in answer.text
    assert "state-closed" not in busy.browser("lan").get("/incidents/2").text


def test_ticked_incidents_are_decided_each_and_those_not_done_are_named(
    busy: Installation,
) -> None:
    browser = busy.browser("lan")
    ticks = re.findall(r'name="number" value="([^"]+)"', browser.get("/incidents").text)

    answer = browser.post("/incidents/chosen", number=[*ticks[:1], "2:99"], do="take")
    page = browser.get(answer.headers["location"]).text

    assert "Decided: 1" in page
    assert "changed since you looked" in page
    assert titles(browser.get("/incidents?assignee=me").text) == ["1"]


def test_all_that_match_are_counted_first_and_decided_at_once(busy: Installation) -> None:
    browser = busy.browser("lan")
    page = browser.get("/incidents/many?organization=so-y-te").text
    assert "2 incidents match" in page

    other = browser.post(
        "/incidents/many", asked="organization=so-y-te", expected="3", do="close",
        disposition="false positive",
    )  # fmt: skip
    right = browser.post(
        "/incidents/many", asked="organization=so-y-te", expected="2", do="close",
        disposition="false positive",
    )  # fmt: skip

    assert (other.status_code, right.status_code) == (409, 303)
    assert titles(browser.get("/incidents").text) == ["3"]


def test_a_view_is_kept_for_everybody_and_forgotten_by_its_owner(busy: Installation) -> None:
    lan, minh = busy.browser("lan"), busy.browser("minh")
    lan.post("/incidents/views", name="ca đêm", asked="level=critical&organization=so-y-te")

    page = minh.get("/incidents").text
    path = re.search(r'<a href="([^"]+)"[^>]*>ca đêm', page)
    assert path
    assert titles(minh.get(path[1].replace("&amp;", "&")).text) == ["1"]
    assert minh.post("/incidents/views/delete", name="ca đêm").status_code == 400
    assert lan.post("/incidents/views/delete", name="ca đêm").status_code == 303
    assert "ca đêm" not in lan.get("/incidents").text


def test_new_incidents_are_counted_live(busy: Installation) -> None:
    browser = busy.browser("lan")
    path = re.search(r'data-live="([^"]+)"', browser.get("/incidents").text)
    assert path
    before = browser.get(path[1].replace("&amp;", "&")).json()
    busy.fill(alert(9, {"host.name": "new-one"}, at=50))

    after = browser.get(path[1].replace("&amp;", "&")).json()

    assert before["count"] == 0
    assert after == {"count": 1, "text": "1 new incident"}


def test_alerts_are_split_off_and_merged_again(busy: Installation) -> None:
    browser = busy.browser("lan")
    page = browser.get("/incidents/1").text
    version = re.search(r'name="version" value="(\d+)"', page)
    alerts = re.findall(r'name="alert" value="([^"]+)"', page)
    assert version
    fresh = browser.post("/incidents/1/split", version=version[1], alert=alerts[:1]).headers[
        "location"
    ]
    version = re.search(r'name="version" value="(\d+)"', browser.get(fresh).text)
    assert version

    merged = browser.post(f"{fresh}/merge", version=version[1], into="1")

    assert len(alerts) == 2
    assert merged.headers["location"] == "/incidents/1"
    assert "2 alerts" in browser.get("/incidents/1").text


def test_the_evidence_is_given_as_a_file_and_that_it_was_taken_is_in_the_history(
    busy: Installation,
) -> None:
    answer = busy.browser("binh").post("/incidents/1/pack")
    other = busy.browser("minh").post("/incidents/3/pack")

    assert answer.headers["content-disposition"] == 'attachment; filename="incident-1.zip"'
    assert "pack.json" in ZipFile(BytesIO(answer.content)).namelist()
    packed = [e for e in busy.history() if e["action"] == "incident.pack"]
    assert [(e["actor"]["user"], e["subject"]) for e in packed] == [("binh", "incident:1")]
    assert other.status_code == 400


def test_an_auditor_reads_and_has_no_forms_of_decision(shared: Installation) -> None:
    page = shared.browser("binh").get("/incidents/1").text

    assert "Title of rule-1" in page
    assert re.findall(r'action="(/incidents[^"]*)"', page.split("<main")[1]) == [
        "/incidents/1/pack"
    ]
