"""Every playbook of the library does what makes sense on the attack that it is for."""

import pytest

from detections.load import BUILTIN, load_rules
from luytre.core.alert import Alert, RuleCard
from luytre.core.clock import ManualClock
from luytre.core.config_playbooks import NeverTouchConfig
from luytre.simulator.province import ADMIN_PC, GATEWAY, MONITOR, RESOLVER, SCANNER
from luytre.simulator.web import CRAWLERS
from playbooks.actions import Actions, Services
from playbooks.binding import fitting
from playbooks.rehearse import look_back
from tests.playbooks.rehearsals import (
    ACTING,
    FOUND,
    PAGE,
    PLAYBOOKS,
    SETTINGS,
    Played,
    gravest,
    page,
    play,
)

STEMS = {loaded.document.path.stem for loaded in FOUND}
LEADS_TO = {
    "web-shell": {"web-shell"},
    "gambling-pages": {"gambling-pages"},
    "phishing": {"phishing-mail", "account-takeover", "commune-infection"},
    "recorder": {"camera-recorder"},
    "stolen-passwords": {"firewall-vpn", "mailbox-takeover"},
    "ransomware": {
        "firewall-vpn", "account-takeover", "security-switched-off", "endpoint-compromise",
        "ransomware",
    },
    "silence": {"log-source-silence"},
    "data-sharing": {"lgsp-misuse"},
    "dossiers": {"citizen-dossiers"},
    "documents": {"general-incident", "document-leak"},
    "signing": {"signing-misuse"},
    "database": {"sensitive-database", "data-breach-notice"},
    "gazette": {"gazette-tampering"},
    "portal-probe": {"portal-intrusion"},
    "mailbox": {"mailbox-takeover"},
    "spoofed-leader": {"phishing-mail"},
}  # fmt: skip
"""What each attack leads to; the general one by a rule of the installation's own."""

CHANGES = {
    "account-takeover": set(),  # SYSTEM did it: nobody's account
    "camera-recorder": {"address"},
    "citizen-dossiers": {"address", "account"},
    "commune-infection": {"address"},
    "data-breach-notice": set(),
    "document-leak": {"account"},
    "endpoint-compromise": {"host"},
    "firewall-vpn": {"address"},  # root must never be touched
    "gambling-pages": set(),  # who asks for the pages is a search engine
    "gazette-tampering": set(),
    "general-incident": set(),
    "lgsp-misuse": {"address"},
    "log-source-silence": {"host"},
    "mailbox-takeover": {"address", "account"},
    "phishing-mail": {"host"},
    "portal-intrusion": {"address"},
    "ransomware": {"host", "account"},
    "security-switched-off": {"host", "account"},
    "sensitive-database": {"address"},
    "signing-misuse": {"account"},
    "web-shell": {"address"},
}
"""What a rehearsal on the gravest alert would change."""

INNOCENT = {ADMIN_PC, GATEWAY, MONITOR, RESOLVER, SCANNER, *(client for client, _ in CRAWLERS)}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> list[Played]:
    return play(tmp_path_factory.mktemp("played"))


@pytest.fixture(scope="module")
def best(played: list[Played]) -> dict[str, Played]:
    return gravest(played)


def test_every_attack_leads_to_the_playbooks_for_it(played: list[Played]) -> None:
    led: dict[str, set[str]] = {}
    for each in played:
        led.setdefault(each.attack.id, set()).add(each.stem)

    assert led == LEADS_TO


def test_every_playbook_is_rehearsed_on_an_attack(best: dict[str, Played]) -> None:
    assert best.keys() == STEMS == CHANGES.keys()


@pytest.mark.parametrize("stem", sorted(STEMS))
def test_what_it_would_do_makes_sense(stem: str, best: dict[str, Played]) -> None:
    played = best[stem]
    outcome = played.rehearse()
    touches = {touch for line in outcome.lines for touch in line.touches}
    conflicts = [line.conflict for line in outcome.lines if line.conflict]

    assert not outcome.problem
    assert {touch.kind for touch in touches} == CHANGES[stem]
    # What is changed stands in the very event that raised the alert, and is nobody innocent.
    for touch in touches:
        assert touch.value in played.alert.event.values()
        assert touch.value not in INNOCENT
    assert conflicts == (["account root must never be touched"] if stem == "firewall-vpn" else [])
    # The one thing that nobody can know before is what people will find.
    assert {name for line in outcome.lines for name in line.missing} <= {"__cause__"}
    for line in outcome.lines:
        assert line.phase
        assert line.by
        assert line.what


@pytest.mark.parametrize("stem", sorted(STEMS))
def test_it_reads_the_same_in_vietnamese(stem: str, best: dict[str, Played]) -> None:
    english, vietnamese = best[stem].rehearse(), best[stem].rehearse("vi")

    assert [line.touches for line in english.lines] == [line.touches for line in vietnamese.lines]
    pairs = zip(english.lines, vietnamese.lines, strict=True)
    names = {line.by for line in vietnamese.lines} - {"Luytre"}
    assert not any(name.isascii() for name in names), names
    assert [en.what for en, vi in pairs if en.what == vi.what and en.kind != "luytre"] == []


def test_the_page_is_current(best: dict[str, Played]) -> None:
    assert PAGE.read_text(encoding="utf-8") == page(best)


def test_a_silent_office_leads_to_the_playbook_for_silence() -> None:
    silence = next(
        rule.card
        for rule in load_rules([BUILTIN], builtin=False).correlations
        if rule.card.title.startswith("Windows Security Log of an Office Silent")
    )
    card = RuleCard(silence.id, silence.title, silence.level, "v", tags=silence.tags)
    now = ManualClock().now()
    alert = Alert("a", card, "e", "tinh", now, now, now, "p", (), {}, b"", {})

    assert fitting(FOUND, alert)[0].document.path.stem == "log-source-silence"


def test_looking_back_says_what_would_have_been_changed_and_what_is_forbidden(
    played: list[Played],
) -> None:
    mine = [each for each in played if each.stem == "web-shell"]
    identity = mine[0].playbook.playbook.id
    intruder = mine[0].alert.event["source.ip"]
    forbidden = SETTINGS.model_copy(
        update={"never_touch": NeverTouchConfig(addresses=(f"{intruder}/32",))}
    )
    past = [each.alert for each in mine]

    free = look_back(PLAYBOOKS, identity, past, ACTING)
    held = look_back(PLAYBOOKS, identity, past, Actions(forbidden, Services(ManualClock())))

    assert free.alerts == len(mine) > 1
    assert free.asked >= 5 * free.alerts
    assert {touch.value for touch in free.touched} == {intruder}
    assert not held.touched
    assert list(held.conflicts) == [f"address {intruder} must never be touched"]
