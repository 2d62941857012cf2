"""The history's page: who did what, before and after; who reads it is written down too."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import pytest

from luytre.console.pages.history import FIELDS_MAX, PAGE, VALUE_CHARS_MAX, Side, sides
from luytre.processor import case_host
from tests.console.installation import ROOT, Installation, alert

HOSTILE = "<script>alert(1)</script>\u202e"


def looks(console: Installation) -> list[Mapping[str, Any]]:
    return [e for e in console.history() if e["action"] == "audit.look"]


def note(console: Installation, subject: str, **detail: Any) -> None:
    with case_host.case_database(console.config) as cases, cases.change(ROOT) as change:
        change.record("audit.hold", subject, organization="", **detail)


def test_a_change_is_shown_with_who_did_it_and_both_sides(console: Installation) -> None:
    console.browser("quan").post("/users/lan/change", role=["auditor"], organizations="")

    page = console.browser("binh").get("/history?action=user.&user=quan").text

    assert "user:lan" in page
    assert "[&#34;analyst&#34;]" in page
    assert "[&#34;auditor&#34;]" in page
    assert page.count("user.change</a>") == 1


@pytest.mark.parametrize(
    ("query", "count"),
    [
        pytest.param("subject=incident:7", 1, id="object"),
        pytest.param("action=audit.hold", 2, id="action"),
        pytest.param("action=audit.ho", 2, id="beginning of an action"),
        pytest.param("action=audit.h*d", 0, id="a pattern is text"),
        pytest.param("action=audit.hold&user=root", 2, id="actor"),
        pytest.param("action=audit.hold&user=roo", 0, id="part of an actor"),
        pytest.param("action=audit.hold&since=2001-01-01", 2, id="from a day"),
        pytest.param("action=audit.hold&until=2001-01-01", 0, id="before a day"),
        pytest.param("action=audit.hold&since=2001-01-01T00:00:00Z", 2, id="from an exact time"),
        pytest.param("action=audit.hold&offset=1", 1, id="after some"),
        pytest.param("action=audit.hold&since=nonsense&offset=-1", 2, id="no values of ours"),
    ],
)
def test_the_address_holds_the_filter(filled: Installation, query: str, count: int) -> None:
    page = filled.browser("binh").get(f"/history?{query}").text

    assert page.count("audit.hold</a>") == count
    assert ("No entry matches." in page) == (count == 0)


@pytest.fixture
def filled(console: Installation) -> Installation:
    note(console, "incident:7", before="", after="a request")
    note(console, "incident:8", reason="another")
    return console


def test_a_look_is_an_entry_and_turning_pages_is_the_same_look(console: Installation) -> None:
    binh = console.browser("binh")
    for path in ("/history?user=lan", "/history?user=lan&offset=0", "/history?user=quan"):
        assert binh.get(path).status_code == 200
    assert [e["actor"]["user"] for e in looks(console)] == ["binh", "binh"]


def test_pages_are_turned_without_losing_an_entry(console: Installation) -> None:
    for number in range(PAGE + 2):
        note(console, f"incident:{number}")
    binh = console.browser("binh")

    first = binh.get("/history?action=audit.hold").text
    second = binh.get(f"/history?action=audit.hold&offset={PAGE}").text

    assert (first.count("audit.hold</a>"), second.count("audit.hold</a>")) == (PAGE, 2)
    assert 'rel="next"' in first
    assert 'rel="next"' not in second
    assert 'rel="prev"' in second


def test_an_auditor_of_one_office_sees_its_entries_only(console: Installation) -> None:
    console.fill(
        alert(1, {"host.name": "srv-1"}),
        alert(2, {"host.name": "pc-9"}, organization="so-tai-chinh"),
    )
    console.people()("minh", roles=["auditor"])

    page = console.browser("minh").get("/history").text

    assert "incident.open</a>" in page
    assert "so-tai-chinh" not in page
    assert "user:minh" in page
    assert "user:quan" not in page
    assert "entries in all" not in page
    assert [e["organization"] for e in looks(console)] == ["so-y-te"]


def test_hostile_values_are_shown_and_do_nothing(console: Installation) -> None:
    note(console, f"x:{HOSTILE}", before={HOSTILE: HOSTILE}, after={HOSTILE: 1}, other=HOSTILE)
    binh = console.browser("binh")

    pages = [
        binh.get(f"/history?{name}={quote(HOSTILE)}").text
        for name in ("user", "action", "subject", "since", "until", "offset")
    ] + [binh.get("/history?action=audit.hold").text]

    assert all("<script>alert" not in page and "\u202e" not in page for page in pages)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\u202e" in pages[-1]


def test_the_page_is_vietnamese_for_who_reads_it(console: Installation) -> None:
    page = console.browser("binh", language="vi").get("/history?user=nobody").text

    assert "Không có bản ghi nào khớp." in page
    assert "No entry" not in page


@pytest.mark.parametrize(
    ("detail", "changed", "said"),
    [
        pytest.param(None, [], [], id="erased"),
        pytest.param({"nonce": "n"}, [], [], id="nothing"),
        pytest.param({"before": "a", "after": "b"}, [Side("", "a", "b")], [], id="plain values"),
        pytest.param(
            {"before": {"a": 1, "same": 2}, "after": {"a": 3, "same": 2, "new": [1]}},
            [Side("a", "1", "3"), Side("new", "", "[1]")], [], id="only what differs",
        ),
        pytest.param(
            {"before": {"a": None}, "after": {}}, [Side("a", "", "")], [], id="a field that went",
        ),
        pytest.param({"after": {"a": 1}}, [Side("a", "", "1")], [], id="no before"),
        pytest.param({"reason": "r", "nonce": "n"}, [], [("reason", "r")], id="the rest"),
    ],
)  # fmt: skip
def test_sides_of_a_detail(detail: Any, changed: list[Side], said: list[tuple[str, str]]) -> None:
    assert sides(detail) == (changed, said, 0)


def test_a_large_detail_is_cut_and_says_so() -> None:
    changed, _, left = sides({"after": {str(n): "x" * 10_000 for n in range(FIELDS_MAX + 5)}})

    assert (len(changed), left) == (FIELDS_MAX, 5)
    assert all(len(side.after) == VALUE_CHARS_MAX + 1 for side in changed)
