from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from detections.load import BUILTIN
from luytre.core.alert import Alert, RuleCard
from luytre.core.clock import ManualClock
from luytre.core.config_playbooks import PlaybooksConfig
from playbooks import LIBRARY
from playbooks.actions import ACTIONS, Actions, Services
from playbooks.binding import ANY, TECHNIQUE, closeness, fitting, given_by
from playbooks.load import load_folder
from playbooks.machine import Machine
from playbooks.model import Action
from playbooks.rehearse import rehearse

FOUND, FAULTS = load_folder(LIBRARY)
PLAYBOOKS = {loaded.playbook.id: loaded for loaded in FOUND}
STEMS = {loaded.document.path.stem: loaded for loaded in FOUND}
FAMILIES = {"LG", "WP", "EG", "OS", "DM", "ML", "SG", "NW", "WN", "NV", "DB", "RW", "PD"}
PHASES = ["detect", "protect", "contain", "classify", "recover", "trace"]
WITHOUT = Path(__file__).parent / "techniques_without_a_playbook.txt"
EVERYTHING = PlaybooksConfig.model_validate({
    "never_touch": {"addresses": ["203.0.113.0/30"], "hosts": ["mail"], "accounts": ["root"]},
    "nftables": {"enabled": True},
    "channels": ({"name": "duty", "url": "https://chat.test/"},),
    "isolation": ({"name": "edr", "url": "https://edr.test/"},),
    "directories": ({"name": "ad", "url": "ldaps://dc1.test", "user": "a", "password_file": "/dev/null", "search_in": "b", "domains": ("DONGSON", "TAYHO", "NAMHAI", "BACLAM", "minhha.example")},),
})  # fmt: skip
ACTING = Actions(EVERYTHING, Services(ManualClock()))


def card(rule: str, tags: tuple[str, ...]) -> RuleCard:
    return RuleCard(rule, "A rule", "high", "v", tags=tags)


def alert(
    rule: str = "r", tags: tuple[str, ...] = (), organization: str = "tinh", **event: str
) -> Alert:
    now = datetime(2026, 11, 25, tzinfo=UTC)
    cells = {key.replace("_", "."): value for key, value in event.items()}
    return Alert("a", card(rule, tags), "e", organization, now, now, now, "p", (), cells, b"", {})


def test_the_library_is_without_fault_or_remark() -> None:
    assert not FAULTS
    assert [str(remark) for loaded in FOUND for remark in loaded.remarks] == []


def test_every_family_of_the_province_has_one() -> None:
    assert {family for loaded in FOUND for family in loaded.notes.families} >= FAMILIES


@pytest.mark.parametrize("stem", STEMS)
def test_everything_a_person_reads_is_in_both_languages(stem: str) -> None:
    loaded = STEMS[stem]
    silent = []
    for step, model in loaded.playbook.workflow.items():
        notes = loaded.step_notes[step]
        manual = isinstance(model, Action) and model.commands[0].type == "manual"
        if model.type not in {"start", "end"} and not (model.name and notes.vi.name):
            silent.append(step)
        if manual and not notes.vi.command:
            silent.append(step)

    assert not silent
    assert loaded.notes.vi.name
    assert loaded.notes.vi.description


@pytest.mark.parametrize("stem", [s for s in STEMS if s != "data-breach-notice"])
def test_the_phases_of_the_decree_are_all_there_in_order(stem: str) -> None:
    outcome = rehearse(PLAYBOOKS, STEMS[stem].playbook.id, fitted(stem))
    own = [line.phase for line in outcome.lines if line.step in STEMS[stem].playbook.workflow]

    assert list(dict.fromkeys(own)) == PHASES


@pytest.mark.parametrize("stem", STEMS)
def test_every_clock_that_is_started_is_stopped(stem: str) -> None:
    kinds: dict[str, list[str]] = {"start-clock": [], "stop-clock": []}
    for model in STEMS[stem].playbook.workflow.values():
        for command in model.commands if isinstance(model, Action) else ():
            if command.command in kinds:
                kinds[command.command].append(command.arguments["clock"])

    assert sorted(kinds["start-clock"]) == sorted(kinds["stop-clock"])
    assert kinds["start-clock"]


@pytest.mark.parametrize("stem", [s for s in STEMS if s != "data-breach-notice"])
def test_the_root_cause_is_asked_and_a_second_look_taken_later(stem: str) -> None:
    words = [model.name for model in STEMS[stem].playbook.workflow.values()]

    assert (
        words.index("Find the root cause")
        < words.index("Wait before the re-check")
        < words.index("Check again")
    )


GIVEN = {
    "__address__": "192.0.2.9",
    "__account__": "nam",
    "__host__": "pc-1",
    "__organization__": "tinh",
}


def fitted(stem: str) -> dict[str, str]:
    return {n: v for n, v in GIVEN.items() if n in STEMS[stem].playbook.playbook_variables}


@pytest.mark.parametrize("stem", STEMS)
def test_every_playbook_can_be_walked_and_is_understood_by_its_actions(stem: str) -> None:
    outcome = rehearse(PLAYBOOKS, STEMS[stem].playbook.id, fitted(stem), "vi", ACTING)

    assert not outcome.problem
    assert len(outcome.lines) >= 5
    assert [line.conflict for line in outcome.lines if line.conflict] == []


@pytest.mark.parametrize("answer", ["yes", "no"])
@pytest.mark.parametrize("stem", STEMS)
def test_every_answer_leads_to_the_end(stem: str, answer: str) -> None:
    machine = Machine(PLAYBOOKS)
    state = machine.begin(STEMS[stem].playbook.id, fitted(stem))
    while due := machine.due(state):
        step: Any = due[0].playbook.playbook.workflow[due[0].step]
        machine.finish(state, due[0], outputs=dict.fromkeys(step.out_args, answer))

    assert state.ended
    assert not state.problem


def own_rules() -> list[dict[str, Any]]:
    found = []
    for path in sorted(BUILTIN.rglob("*.yml")):
        found += [d for d in yaml.safe_load_all(path.read_text()) if d and "title" in d]
    return found


def test_every_rule_of_ours_has_a_playbook_of_its_own_kind() -> None:
    without = []
    for rule in own_rules():
        tags = {str(tag).lower() for tag in rule.get("tags", ())}
        best = max(closeness(p, str(rule.get("id")), tags, "tinh") for p in FOUND)
        if best <= ANY:
            without.append(rule["title"])

    assert len(own_rules()) > 50
    assert not without


@pytest.mark.data
def test_which_techniques_of_sigmahq_have_no_playbook_is_written_down(
    shared_data: Callable[[str], Path],
) -> None:
    """The file lists them; every such alert still gets the playbook of its tactic, or the general one."""
    techniques = set()
    unbound = []
    for path in shared_data("sigma-rules").rglob("*.yml"):
        for document in yaml.safe_load_all(path.read_text()):
            tags = {str(t).lower() for t in (document or {}).get("tags") or ()}
            techniques |= {t.removeprefix("attack.") for t in tags if t.startswith("attack.t1")}
            if not fitting(FOUND, alert(str((document or {}).get("id")), tuple(tags))):
                unbound.append(path)
    without = {
        technique
        for technique in techniques
        if max(closeness(p, "r", {f"attack.{technique}"}, "tinh") for p in FOUND) <= ANY
    }

    assert not unbound
    assert len(techniques) > 300
    assert sorted(without) == WITHOUT.read_text().split()


def test_the_closest_playbook_comes_first() -> None:
    upload = next(r for r in own_rules() if r["title"].startswith("Executable Page Answered"))

    def stems(*given: Any, **more: Any) -> list[str]:
        return [p.document.path.stem for p in fitting(FOUND, alert(*given, **more))]

    assert stems(upload["id"])[0] == "web-shell"
    assert stems("r", ("attack.t1114.003",))[0] == "mailbox-takeover"
    assert stems("r", ("attack.t1486",))[0] == "ransomware"
    assert stems("r", ("attack.t1505.999",))[0] == "web-shell"
    assert stems("r", ("attack.exfiltration",))[0] == "data-breach-notice"
    assert stems("r", ("anything",)) == ["general-incident"]
    assert closeness(STEMS["ransomware"], "r", {"attack.t1486"}, "x") == TECHNIQUE


def test_an_organisations_own_playbook_is_only_for_it_and_comes_first(tmp_path: Path) -> None:
    text = (LIBRARY / "ransomware.yml").read_text()
    old = STEMS["ransomware"].playbook.id
    text = text.replace(old, old[:-4] + "0000").replace(
        "    applies:\n", "    applies:\n      organizations: [so-y-te]\n"
    )
    (tmp_path / "own.yml").write_text(text)
    own, faults = load_folder(tmp_path)
    assert not faults

    there = fitting([*FOUND, *own], alert("r", ("attack.t1486",), "so-y-te"))
    elsewhere = fitting([*FOUND, *own], alert("r", ("attack.t1486",), "tinh"))

    assert there[0].document.path.stem == "own"
    assert "own" not in [p.document.path.stem for p in elsewhere]


def test_an_event_fills_only_what_fits() -> None:
    hostile = alert(source_ip="$(touch /tmp/x)", user_name="nam")

    assert given_by(STEMS["web-shell"], hostile)["__account__"] == "nam"
    with_address = rehearse(
        PLAYBOOKS,
        STEMS["web-shell"].playbook.id,
        given_by(STEMS["web-shell"], hostile),
        actions=ACTING,
    )
    blocked = [line for line in with_address.lines if line.name == "Block the address"]
    assert "is no address" in blocked[0].conflict
    assert not blocked[0].touches


@pytest.mark.parametrize("user", ["NT AUTHORITY\\SYSTEM", "SYSTEM", "Font Driver Host\\UMFD-0"])
def test_what_windows_does_itself_is_nobody_s_account(user: str) -> None:
    assert "__account__" not in given_by(STEMS["ransomware"], alert(user_name=user))
    assert given_by(STEMS["ransomware"], alert(user_name="MINHHA\\lan"))["__account__"] == (
        "MINHHA\\lan"
    )


def test_every_action_of_the_library_exists() -> None:
    used = {
        c.command for p in FOUND for m in p.playbook.workflow.values() if isinstance(m, Action)
        for c in m.commands if c.type == "luytre"
    }  # fmt: skip

    assert used <= set(ACTIONS)
