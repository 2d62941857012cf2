"""Rules: the catalogue, a rule's page, what is refused, and the matrix of techniques."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from luytre.cases.entities import TACTICS
from luytre.cases.model import IncidentQuery
from luytre.cases.rule_fires import Fires, rule_fires
from luytre.console.pages.rules import SORTS, TACTIC_NAMES
from luytre.console.rule_book import LOOKED_FOR_S, RuleBook
from luytre.core.actor import Actor
from luytre.core.clock import ManualClock
from luytre.core.config import Config, RulesConfig
from luytre.core.organization import Scope
from tests.console.installation import NOW, Installation, alert, signer

HOSTILE = "</code></pre><script>alert(1)</script>"
OWN = f"""\
title: A <b>bold</b> rule
id: 6b1f4d0e-3a57-4c3d-9a53-0d9c1b7c1f01
status: test
description: "{HOSTILE}"
author: "{HOSTILE}"
logsource:
  product: windows
  category: process_creation
detection:
  selection:
    CommandLine|contains: "{HOSTILE}"
  condition: selection
level: critical
tags:
  - attack.execution
  - attack.t1059.001
"""
OWN_ID = "6b1f4d0e-3a57-4c3d-9a53-0d9c1b7c1f01"
ANALYST = Actor("lan", frozenset({"analyst"}), Scope.everything(), "test")
BAD = "title: Broken\nlogsource:\n  product: windows\ndetection:\n  selection:\n    a: 1\n  condition: nothing\n"


@pytest.fixture(scope="module")
def ruled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation with our rules, one of its own that fired, and one that is refused."""
    folder = tmp_path_factory.mktemp("ruled")
    rules = folder / "rules-of-mine"
    rules.mkdir()
    (rules / "own.yml").write_text(OWN)
    (rules / "own.ndjson").write_text(
        '{"expect": "match", "why": "<i>why</i>", "hint": "windows", "raw": "<u>raw</u>"}\n'
    )
    (rules / "bad.yml").write_text(BAD)
    with signer(folder):
        made = Installation(folder, rules=(rules,))
        made.fill(*(
            alert(n, {"host.name": f"pc-{n}"}, at=-days * 1440, rule=OWN_ID, level="critical",
                  organization=organization)
            for n, days, organization in (
                (1, 1, "so-y-te"), (2, 10, "so-y-te"), (3, 2, "so-tai-chinh"), (4, 40, "so-y-te"),
            )
        ))  # fmt: skip
        yield made
        made.close()


def ids(page: str) -> list[str]:
    return re.findall(r'<a href="/rules/([0-9a-f-]{36})">', page)


def test_every_rule_that_runs_is_listed_the_one_that_fired_most_first(ruled: Installation) -> None:
    page = ruled.browser("hoa").get("/rules").text

    assert ids(page)[0] == OWN_ID
    assert len(ids(page)) == 50
    assert "next" in page
    assert "1 fault" in page


@pytest.mark.parametrize(
    ("user", "counts"),
    [
        pytest.param("hoa", ["2", "3"], id="of all organisations"),
        pytest.param("minh", ["1", "2"], id="of one's own organisation"),
    ],
)
def test_alerts_are_counted_of_what_a_reader_may_see(
    ruled: Installation, user: str, counts: list[str]
) -> None:
    page = ruled.browser(user).get(f"/rules?text={OWN_ID}").text

    assert re.findall(r'<td class="num">(\d+)</td>', page) == counts


@pytest.mark.parametrize(
    ("query", "found"),
    [
        pytest.param("text=BOLD", True, id="words, whatever their case"),
        pytest.param("text=bold+other", False, id="all words"),
        pytest.param("level=critical&fired=yes", True, id="level"),
        pytest.param("level=low&fired=yes", False, id="another level"),
        pytest.param("source=windows/process_creation/*&fired=yes", True, id="log source"),
        pytest.param("source=linux/*/sshd&fired=yes", False, id="another log source"),
        pytest.param("tag=attack.T1059.001&fired=yes", True, id="technique"),
        pytest.param("tag=attack.t1110&fired=yes", False, id="another technique"),
        pytest.param("text=bold&fired=no", False, id="fired though"),
        pytest.param("text=bold&level=nonsense&sort=nonsense&offset=nonsense", True, id="nonsense"),
        pytest.param("text=bold&offset=999999999", False, id="behind the end"),
    ],
)
def test_a_filter_shows_what_it_asks_for(ruled: Installation, query: str, *, found: bool) -> None:
    answer = ruled.browser("lan").get(f"/rules?{query}")

    assert answer.status_code == 200
    assert (OWN_ID in ids(answer.text)) == found


@pytest.mark.parametrize("sort", SORTS)
def test_each_order_lists_every_rule(ruled: Installation, sort: str) -> None:
    browser = ruled.browser("lan")
    pages = [ids(browser.get(f"/rules?sort={sort}&offset={n}").text) for n in (0, 50, 100)]
    every = [each for page in pages for each in page]

    assert len(every) == len(set(every)) == len(ruled.app.state.house.rule_book.content().rules)


def test_a_rule_that_comes_in_is_there_soon_after(tmp_path: Path) -> None:
    rules = tmp_path / "rules-of-mine"
    rules.mkdir()
    clock = ManualClock(NOW)
    book = RuleBook(Config(data_dir=tmp_path, rules=RulesConfig(paths=(rules,))), clock)
    before = book.content()
    (rules / "own.yml").write_text(OWN)

    assert book.content() is before
    clock.advance(LOOKED_FOR_S + 1)
    assert OWN_ID in book.content().rules


def test_what_people_said_makes_the_share_of_false_positives(console: Installation) -> None:
    console.fill(*(alert(n, at=n * 600, rule="rule-1") for n in range(1, 5)))
    with console.app.state.house.bench() as bench:
        numbers = bench.incidents.numbers(IncidentQuery(), Scope.everything())
        bench.decisions.close(ANALYST, numbers[0], "false positive", "a drill")
        bench.decisions.close(ANALYST, numbers[1], "true positive", "an attack")
        since = NOW - timedelta(days=7)
        found = rule_fires(bench.cases, Scope.everything(), since, since)["rule-1"]

    assert (found.all, found.judged, found.false, found.false_share) == (4, 2, 1, 0.5)
    assert Fires().false_share is None


def test_a_rule_shows_its_text_tests_and_alerts_and_runs_nothing(ruled: Installation) -> None:
    page = ruled.browser("hoa").get(f"/rules/{OWN_ID}").text

    assert "&lt;/code&gt;&lt;/pre&gt;&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    assert "&lt;i&gt;why" in page
    assert "&lt;u&gt;raw" in page
    assert "A &lt;b&gt;bold&lt;/b&gt; rule" in page
    assert page.count('href="/alerts/0') == 4


def test_each_of_our_rules_can_be_shown(ruled: Installation) -> None:
    browser = ruled.browser("lan", "vi")
    every = ruled.app.state.house.rule_book.content().rules

    assert {browser.get(f"/rules/{name}").status_code for name in every} == {200}


def test_an_unknown_rule_is_not_there(ruled: Installation) -> None:
    assert ruled.browser("lan").get("/rules/999999").status_code == 404


def test_a_refused_rule_stands_with_its_line_and_remedy(ruled: Installation) -> None:
    page = ruled.browser("hoa").get("/rules/refused").text

    assert re.search(r"bad\.yml:\d+</td>", page)
    assert "Every rule runs." not in page


def test_where_no_rule_is_refused_the_page_says_so(shared: Installation) -> None:
    assert "Every rule runs." in shared.browser("hoa").get("/rules/refused").text


def test_the_matrix_counts_rules_and_alerts_of_each_technique(ruled: Installation) -> None:
    page = ruled.browser("binh").get("/rules/matrix").text

    row = re.search(r">execution</th>(.*?)</tr>", page, re.DOTALL)
    assert row
    cell = re.search(
        r'fired" href="/rules\?tag=attack.t1059.001">T1059.001 <b>(\d+)</b> · 3<', row[1]
    )
    assert cell
    listed = ruled.browser("binh").get("/rules?tag=attack.t1059.001").text
    assert int(cell[1]) <= len(ids(listed))


def test_every_tactic_has_its_name() -> None:
    assert tuple(name.replace(" ", "-") for name in TACTIC_NAMES) == TACTICS
