"""Every message is there in both languages, and what other rooms say is understood."""

import re

import pytest

from luytre.cases.model import DISPOSITIONS, STATES
from luytre.cases.score import Weighed, score
from luytre.console import phrases, text
from luytre.console.words import FOLDER, catalogue, preferred, translations
from luytre.core.actor import ROLES
from luytre.core.alert import LEVELS
from luytre.processor import case_host
from tests.console import messages
from tests.console.installation import Installation

PLACEHOLDER = re.compile(r"%\((\w+)\)s")


def test_no_message_is_missing_in_vietnamese() -> None:
    assert not messages.missing()


def test_no_entry_is_left_over() -> None:
    used = set(messages.used())
    singles = used | {message[0] for message in used if isinstance(message, tuple)}
    known = [m.id for language in ("vi", "en") for m in catalogue(language) if m.id]

    assert not [message for message in known if message not in singles]


def test_no_message_has_two_translations() -> None:
    several = {k: v for k, v in messages.entries().items() if len({str(t) for _, t in v}) > 1}

    assert not several


def test_no_message_stands_in_two_files() -> None:
    twice = {k: [name for name, _ in v] for k, v in messages.entries().items() if len(v) > 1}

    assert not twice


@pytest.mark.parametrize("language", ["vi", "en"])
def test_a_translation_has_the_values_of_its_message(language: str) -> None:
    assert language in {"vi", "en"}
    wrong = [
        m.id
        for m in catalogue("vi" if language == "vi" else "en")
        if m.id
        for said in (m.string if isinstance(m.string, tuple | list) else [m.string])
        if set(PLACEHOLDER.findall(said or "")) != set(PLACEHOLDER.findall(_last(m.id)))
    ]

    assert not wrong


def _last(message: str | tuple[str, ...] | list[str]) -> str:
    return message if isinstance(message, str) else message[-1]


def test_every_file_of_messages_can_be_read() -> None:
    assert sorted(FOLDER.rglob("*.po"))
    assert translations("vi").gettext("Log in") == "Đăng nhập"
    assert translations("en").gettext("Log in") == "Log in"


@pytest.mark.parametrize(
    "word", [*STATES, *DISPOSITIONS, *LEVELS, *(role for role in ROLES if role != "service")]
)
def test_every_word_of_a_closed_set_is_known(word: str) -> None:
    assert phrases.say(translations("vi"), word) != word


@pytest.mark.parametrize(
    "said",
    [
        *(
            part
            for each in (
                Weighed(4, ("execution", "impact"), 3, 80, "r", 0),
                Weighed(1, (), 0, 0, "r", 500),
            )
            for part, _ in score([each])[1]
        ),
        score([])[1][0][0],
        "same host srv-1 within 4 hours; split off from incident 7",
        "the first about host srv-1; came with incident 7; split off from incident 8",
        "new, since incident 3 with the same user an is closed",
        "it names nothing to group by",
    ],
)
def test_what_other_rooms_say_is_said_in_vietnamese(said: str) -> None:
    assert phrases.say(translations("vi"), said) != said


def test_the_reasons_of_triage_are_said_in_vietnamese(shared: Installation) -> None:
    with case_host.case_database(shared.config) as cases:
        rows = cases.connection.execute("SELECT DISTINCT reason FROM incident_alerts")
        reasons = [str(row[0]) for row in rows]

    assert len(reasons) > 1
    assert not [r for r in reasons if phrases.say(translations("vi"), r) == r]


def test_a_value_that_looks_like_a_message_stays_a_value() -> None:
    said = phrases.say(translations("vi"), "same host new within 4 hours")

    assert "máy new" in said
    assert phrases.say(translations("vi"), "%(what)s <b>") == "%(what)s <b>"


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        pytest.param("vi-VN,vi;q=0.9,en;q=0.8", "vi", id="Vietnamese first"),
        pytest.param("en-US,en;q=0.9", "en", id="English"),
        pytest.param("fr,en;q=0.5,vi;q=0.7", "vi", id="by weight"),
        pytest.param("de", "vi", id="neither: the configured one"),
        pytest.param("en;q=x", "vi", id="nonsense"),
        pytest.param("", "vi", id="nothing"),
    ],
)
def test_the_browser_says_which_language(accepted: str, language: str) -> None:
    assert preferred(accepted, "vi") == language


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param("a\x1b[31mb", "a\\x1b[31mb", id="terminal control"),
        pytest.param("exe\u202egpj", "exe\\u202egpj", id="bidi"),
        pytest.param("a\u200bb", "a\\u200bb", id="zero width"),
        pytest.param("a\x00b", "a\\x00b", id="nul"),
        pytest.param("hai dòng\nđây", "hai dòng\nđây", id="lines and Vietnamese stay"),
        pytest.param("a\ud800b", "a\\ud800b", id="half a character"),
        pytest.param("\U000e0041", "\\U000e0041", id="tags"),
    ],
)
def test_what_is_unseen_is_written_out(value: str, shown: str) -> None:
    assert text.visible(value) == shown


@pytest.mark.parametrize(
    ("value", "pattern", "shown"),
    [
        pytest.param("cmd.exe /c WHOAMI", "*whoami*", "cmd.exe /c <mark>WHOAMI</mark>", id="part"),
        pytest.param("C:\\A.exe", "*\\A.exe", "C:<mark>\\A.exe</mark>", id="signs are text"),
        pytest.param("<b>x</b>", "*x*", "&lt;b&gt;<mark>x</mark>&lt;/b&gt;", id="markup"),
        pytest.param("anything", "*", "<mark>anything</mark>", id="no plain piece: all of it"),
        pytest.param("İx", "*x*", "<mark>İx</mark>", id="lowering changes the length"),
        pytest.param("", "*", "", id="nothing"),
    ],
)
def test_what_matched_is_marked(value: str, pattern: str, shown: str) -> None:
    assert str(text.marked(value, pattern)) == shown
