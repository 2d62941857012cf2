"""Drafts of rules: checked and tried as they are written, and never run by one person's will."""

import re
from pathlib import Path

import pytest

from luytre.console.rule_trial import lines_of
from luytre.core.actor import Actor
from luytre.core.errors import Fault
from luytre.core.organization import Scope
from luytre.processor.places import Places
from luytre.review.drafts import Drafts
from tests.console.installation import Installation
from tests.console.test_rules import HOSTILE, OWN, OWN_ID

RULE = """\
title: Root by Password
id: 0b0f7a52-6ed0-4c55-8f5a-0c8f1f6a2a11
status: test
logsource:
  product: linux
  service: sshd
detection:
  selection:
    - Accepted password for root
  condition: selection
level: high
"""
EVENT = "Nov 25 06:00:00 srv-1 sshd[812]: Accepted password for {} from 203.0.113.9 port 4022 ssh2"
CHIEF = Actor("chief", frozenset({"rule_admin"}), Scope.everything(), "test")


def drafts(console: Installation, bench: object) -> Drafts:
    cases = bench.cases  # type: ignore[attr-defined]
    return Drafts(cases, console.clock, Places(console.config.data_dir).review)


def keep(console: Installation, user: str = "lan", text: str = RULE) -> int:
    answer = console.browser(user).post("/rules/drafts", text=text, reason="seen in the drill")
    assert answer.status_code == 303, answer.text
    return int(answer.headers["location"].rsplit("/", 1)[1])


def prove(console: Installation, number: int) -> None:
    with console.app.state.house.bench() as bench:
        drafts(console, bench).tested(CHIEF, number, {"events": 10, "gained": 1})


def test_an_error_stands_at_its_line(console: Installation) -> None:
    wrong = RULE.replace("condition: selection", "condition: selektion")
    page = console.browser("hoa").post("/rules/new", text=wrong).text

    line = re.search(r'<li class="wrong"><code>(.*?)</code>', page)
    assert line
    assert "selektion" in line[1]
    assert "is a good rule" not in page


@pytest.mark.parametrize(
    ("user", "verdict"),
    [
        pytest.param("root", "It matches this event", id="match"),
        pytest.param("an", "It does not match this event", id="no match"),
    ],
)
def test_a_rule_is_tried_on_a_pasted_event(console: Installation, user: str, verdict: str) -> None:
    page = console.browser("hoa").post(
        "/rules/new", text=RULE, events=EVENT.format(user), hint="auth"
    ).text  # fmt: skip

    assert verdict in page
    assert "is a good rule" in page


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        pytest.param({"text": RULE, "events": "nothing that a log says"}, 200, id="no event"),
        pytest.param({"text": RULE, "events": EVENT.format("x"), "hint": "no"}, 200, id="no hint"),
        pytest.param({"text": RULE, "events": EVENT.format("x"), "number": "9"}, 200, id="no 9th"),
        pytest.param({"text": RULE, "number": "0"}, 422, id="no number"),
        pytest.param({"text": ""}, 200, id="nothing"),
        pytest.param({"text": "a: [1, 2"}, 200, id="no YAML"),
        pytest.param({"text": "x" * 70_000}, 400, id="too long"),
        pytest.param({"text": "\ud800".encode("utf-8", "replace").decode()}, 200, id="odd text"),
    ],
)
def test_what_cannot_be_tried_is_said(
    console: Installation, fields: dict[str, str], status: int
) -> None:
    answer = console.browser("hoa").post("/rules/new", **fields)

    assert answer.status_code == status
    assert "It matches" not in answer.text
    assert "/tmp" not in answer.text


def test_hostile_text_is_shown_and_does_nothing(console: Installation) -> None:
    page = console.browser("hoa").post("/rules/new", text=f"a: '{HOSTILE}'\n", events=HOSTILE).text

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_looking_keeps_nothing(console: Installation) -> None:
    browser = console.browser("hoa")
    browser.post("/rules/new", text=RULE)

    assert "There is no draft." in browser.get("/rules/drafts").text


def test_a_rule_runs_once_another_person_agreed(console: Installation) -> None:
    number = keep(console)
    path, hoa = f"/rules/drafts/{number}", console.browser("hoa")
    digest = re.search(r"<code>([0-9a-f]{16})</code>", hoa.get(path).text)
    assert digest
    early = hoa.post(f"{path}/approve", digest=digest[1]).status_code
    prove(console, number)

    assert early == 400
    assert console.browser("lan").post(f"{path}/approve", digest=digest[1]).status_code == 403
    assert "Agree to this text" in hoa.get(path).text
    assert hoa.post(f"{path}/approve", digest=digest[1]).status_code == 303
    assert hoa.post(f"{path}/activate").status_code == 303
    console.clock.advance(60)
    assert "Root by Password" in hoa.get("/rules?text=0b0f7a52").text
    assert hoa.post(f"{path}/retire", reason="it was a drill").status_code == 303
    console.clock.advance(60)
    assert "No rule matches." in hoa.get("/rules?text=0b0f7a52").text


def test_nobody_agrees_to_a_draft_of_their_own(console: Installation) -> None:
    number = keep(console, "hoa")
    prove(console, number)
    hoa = console.browser("hoa")
    with console.app.state.house.bench() as bench:
        digest = drafts(console, bench).get(number, Scope.everything()).digest

    assert "another person has to agree" in hoa.get(f"/rules/drafts/{number}").text
    assert hoa.post(f"/rules/drafts/{number}/approve", digest=digest).status_code == 400


def test_a_refused_draft_says_why(console: Installation) -> None:
    number = keep(console, text=OWN)
    hoa = console.browser("hoa")

    assert hoa.post(f"/rules/drafts/{number}/refuse", reason=" ").status_code == 400
    assert hoa.post(f"/rules/drafts/{number}/refuse", reason=HOSTILE).status_code == 303
    page = hoa.get(f"/rules/drafts/{number}").text
    assert "&lt;script&gt;alert" in page
    assert "<script>alert" not in page
    assert OWN_ID in page


def test_a_bad_rule_does_not_become_a_draft(console: Installation) -> None:
    browser = console.browser("hoa")
    answer = browser.post("/rules/drafts", text=RULE.replace("detection:", "no:"), reason="x")

    assert answer.status_code == 400
    assert "There is no draft." in browser.get("/rules/drafts").text


def test_a_rule_that_runs_can_be_changed_and_the_change_is_shown(console: Installation) -> None:
    hoa = console.browser("hoa")
    name, entry = next(
        (k, e) for k, e in console.app.state.house.rule_book.content().rules.items() if e.grade
    )
    text = Path(entry.card.path).read_text()
    number = keep(console, text=re.sub(r"(?m)^level: .*$", "level: low", text))
    page = hoa.get(f"/rules/drafts/{number}").text

    assert name in hoa.get(f"/rules/new?rule={name}").text
    assert "<ins>+level: low</ins>" in page
    assert f"<del>-level: {entry.card.level}</del>" in page


def test_faults_beyond_the_text_stand_at_its_last_line() -> None:
    fault = Fault(Path("x"), 9, "is wrong")

    assert [bool(line.faults) for line in lines_of("a\nb", [fault])] == [False, True]
    assert lines_of("", [fault])[0].faults == (fault,)


def test_a_rule_for_everybody_is_not_drafted_for_one_organisation(console: Installation) -> None:
    minh = console.browser("minh")

    assert "Keep as a draft" not in minh.get("/rules/new").text
    assert minh.post("/rules/drafts", text=RULE, reason="x").status_code == 403
    assert "Keep as a draft" in console.browser("lan").get("/rules/new").text
