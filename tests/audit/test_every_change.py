"""Every call that changes something leaves its entry; a new call without one fails here."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from luytre.accounts.keys import ApiKeys
from luytre.accounts.users import Users
from luytre.audit import anchors, erase, export, reading
from luytre.audit.book import LogQuery
from luytre.audit.database import AUDIT, CaseDatabase
from luytre.cases.clocks import Clocks, read_profiles
from luytre.cases.decide import Decisions
from luytre.cases.model import STATES, IncidentQuery
from luytre.cases.regroup import Regrouping
from luytre.cases.triage import Triage
from luytre.core.actor import Actor
from luytre.core.alert import Alert
from luytre.core.organization import Scope
from luytre.processor import case_host
from luytre.processor.case_desk import CaseDesk
from luytre.processor.publications import Offer, Publications
from luytre.review.drafts import Drafts
from tests.cases.conftest import PLACE, Desk, made
from tests.cli.running import GOOD_RULE
from tests.playbooks.case import House, manual, playbook
from tests.playbooks.servers import fortigate, web
from tests.playbooks.world import BLOCK, LAN, NAM, World

PACKAGES = ("luytre", "playbooks", "detections", "enrich", "ingest")
ALL = Scope.everything()
ADMIN = Actor("root", frozenset({"analyst", "auditor", "admin", "rule_admin"}), ALL, "test")

# Of what takes an actor: what other calls are made of, which changes nothing by itself.
INNER = {
    "luytre.audit.database:Change.__init__", "luytre.audit.database:CaseDatabase.change",
    "luytre.audit.entry:entry_bytes", "luytre.cases.decide:Decisions.on",
    "luytre.processor.case_desk:CaseDesk.__init__", "luytre.review.prove:prove_draft",
    "luytre.review.backtest:Backtest.__init__",
}  # fmt: skip
READS = {"luytre.accounts.users:Users.find"}
"""What takes an actor and changes nothing."""

ELSEWHERE = {
    "luytre.processor.pack:pack": "tests/processor/test_pack.py",
    "luytre.processor.publish:publish": "it calls the publications, which are below",
    "luytre.processor.operations:record": "the commands and loops that call it are in FOUND_IN",
}
"""Where the entry of a call is looked for instead."""

FOUND_IN = {
    "cli/test_every_command.py": {
        "content.install", "playbooks.import", "rejects.replay", "archive.mend", "backup.write",
        "backup.restore", "elastic.setup", "kafka.setup",  # the last only as the command's entry
    },
    "processor/test_retention.py": {"archive.expire", "alerts.expire"},
    "console/test_incidents.py": {"incident.pack"},
}  # fmt: skip
"""The tests that run what changes files and other programs, and find the entry in the history."""


def calls() -> Iterator[str]:
    """Yield every public function and method that takes an actor, but for those of the faces.

    Commands are in ``tests/cli/test_every_command.py``; pages and commands only pass the actor on.
    """
    for root in PACKAGES:
        package = importlib.import_module(root)
        for found in pkgutil.walk_packages(package.__path__, f"{root}."):
            if not found.name.startswith(
                ("luytre.cli", "luytre.console")
            ) and not found.name.endswith("__main__"):
                yield from _calls_of(importlib.import_module(found.name))


def _calls_of(module: Any) -> Iterator[str]:
    for name, thing in vars(module).items():
        if name.startswith("_") or getattr(thing, "__module__", "") != module.__name__:
            continue
        functions = {name: thing} if inspect.isfunction(thing) else {}
        if inspect.isclass(thing):
            functions = {f"{name}.{k}": v for k, v in vars(thing).items() if inspect.isfunction(v)}
        for path, function in functions.items():
            kinds = [str(kind) for at, kind in function.__annotations__.items() if at != "return"]
            is_public = not path.rpartition(".")[2].startswith("_") or path.endswith("__init__")
            if is_public and "Actor" in kinds:
                yield f"{module.__name__}:{path}"


class Office:
    """A desk with two incidents of two alerts each, and everything that decides about them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.desk = Desk(folder)
        self.desk.cases.close()
        self.cases = CaseDatabase(
            folder / "cases.sqlite", self.desk.signer, self.desk.clock, case_host.ROOMS
        )
        self.decisions = Decisions(self.cases, self.desk.clock)
        self.regroup = Regrouping(self.cases, self.desk.clock, self.decisions)
        self.clocks = Clocks(self.decisions, read_profiles())
        self.users, self.keys = (
            Users(self.cases, self.desk.clock),
            ApiKeys(self.cases, self.desk.clock),
        )
        self.drafts = Drafts(self.cases, self.desk.clock, folder / "review")
        self.publications = Publications(self.cases, self.desk.clock)
        self.triage = Triage(self.cases, self.desk.clock)
        for number in range(4):
            self.take(made(number, {"host.name": f"pc-{number // 2}"}), number + 1)

    def note_sessions(self) -> int:
        """Note what the console says of sessions."""
        for each in SESSIONS:
            self.users.note(ADMIN, each, "user:root")
        return len(SESSIONS)

    def propose(self) -> None:
        """Propose the same rule once more."""
        text = GOOD_RULE.encode()
        self.drafts.propose(ADMIN, text, "new", lambda _path: ())

    def approve(self) -> None:
        """Agree to the first draft in another person's name."""
        other = replace(ADMIN, user="hoa")
        self.drafts.approve(other, 1, self.drafts.get(1, ALL).digest)

    def refuse(self) -> None:
        """Say no to another draft."""
        self.propose()
        self.drafts.refuse(ADMIN, 2, "not now")

    def take(self, alert: Alert, offset: int) -> None:
        self.triage.take([alert], {PLACE: offset})


OFFER = Offer("ab" * 32, before="", files=1, faults=0)
P = "luytre.processor.publications:Publications."
V = "luytre.review.drafts:Drafts."
U, K = "luytre.accounts.users:Users.", "luytre.accounts.keys:ApiKeys."
SESSIONS = ("session.open", "session.refuse", "session.revoke", "session.own-revoke")
OLD, NEW = "một mật khẩu dài 1", "một mật khẩu dài 2"
D, R, C = (
    "luytre.cases.decide:Decisions.",
    "luytre.cases.regroup:Regrouping.",
    "luytre.cases.clocks:Clocks.",
)
CALLS: dict[str, Callable[[Office], object]] = {
    D + "set_state": lambda o: o.decisions.set_state(ADMIN, 1, "in progress"),
    D + "comment": lambda o: o.decisions.comment(ADMIN, 1, "Đã xem"),
    D + "assign": lambda o: o.decisions.assign(ADMIN, 1, "lan"),
    D + "add_task": lambda o: o.decisions.add_task(ADMIN, 1, "Thu thập", "lan"),
    D + "finish_task": lambda o: o.decisions.finish_task(ADMIN, 1, 1),
    D + "read_notifications": lambda o: o.decisions.read_notifications(ADMIN, ["lan"]),
    D + "save_view": lambda o: o.decisions.save_view(ADMIN, "đêm", IncidentQuery()),
    D + "delete_view": lambda o: o.decisions.delete_view(ADMIN, "đêm"),
    C + "start": lambda o: o.clocks.start(ADMIN, 1, "incident-report"),
    C + "stop": lambda o: o.clocks.stop(ADMIN, 1, "incident-report"),
    R + "split": lambda o: o.regroup.split(ADMIN, 1, ["alert-0"]),
    R + "merge": lambda o: o.regroup.merge(ADMIN, 3, 1),
    R + "close_alert": lambda o: o.regroup.close_alert(ADMIN, "alert-0", "false positive"),
    D + "close": lambda o: o.decisions.close(ADMIN, 1, "false positive"),
    D + "decide_many": lambda o: o.decisions.decide_many(
        ADMIN, IncidentQuery(states=STATES), 3, state="on hold"
    ),
    U + "create": lambda o: o.users.create(ADMIN, "root", ["admin"], [], OLD),
    U + "change": lambda o: o.users.change(ADMIN, "root", roles=["admin", "analyst"]),
    U + "set_password": lambda o: o.users.set_password(ADMIN, "root", NEW),
    U + "change_own_password": lambda o: o.users.change_own_password(ADMIN, NEW, OLD),
    U + "note": lambda o: o.note_sessions(),
    K + "create": lambda o: o.keys.create(ADMIN, "reports", 30),
    K + "revoke": lambda o: o.keys.revoke(ADMIN, o.keys.of("root")[0].id),
    P + "propose": lambda o: o.publications.propose(replace(ADMIN, user="hoa"), OFFER),
    P + "begin": lambda o: o.publications.begin(ADMIN, OFFER, alone=False),
    P + "finish": lambda o: o.publications.finish(ADMIN, OFFER),
    V + "propose": lambda o: o.propose(),
    V + "tested": lambda o: o.drafts.tested(ADMIN, 1, {"lost": 0}),
    V + "approve": lambda o: o.approve(),
    V + "activate": lambda o: o.drafts.activate(ADMIN, 1),
    V + "searched": lambda o: o.drafts.searched(ADMIN, 1, {"alerts": 0}),
    V + "retire": lambda o: o.drafts.retire(ADMIN, 1, "too loud"),
    V + "refuse": lambda o: o.refuse(),
    "luytre.audit.erase:hold": lambda o: erase.hold(o.cases, ADMIN, "incident:1", "", "a request"),
    "luytre.audit.erase:release": lambda o: erase.release(o.cases, ADMIN, "incident:1", ""),
    "luytre.audit.erase:erase": lambda o: erase.erase(o.cases, ADMIN, 1, "a request"),
    "luytre.audit.anchors:anchor_in": lambda o: anchors.anchor_in(o.cases, ADMIN, o.folder / "usb"),
    "luytre.audit.anchors:anchor_page": lambda o: anchors.anchor_page(
        o.cases, ADMIN, datetime(2026, 11, 25, tzinfo=UTC)
    ),
    "luytre.audit.reading:read_history": lambda o: reading.read_history(o.cases, ADMIN, LogQuery()),
    "luytre.audit.export:export": lambda o: export.export(o.cases, ADMIN, o.folder / "out"),
}
"""In an order in which one makes the next possible."""


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    office = Office(tmp_path_factory.mktemp("office"))
    yield office
    office.cases.close()


def test_every_call_that_takes_an_actor_is_known_here() -> None:
    known = INNER | READS | set(ELSEWHERE) | set(CALLS) | PLAYED

    assert set(calls()) - known == set(), "add the call to CALLS, or to READS if it changes nothing"
    assert known - set(calls()) == set(), "it is gone: take it out here"


def test_every_call_leaves_an_entry_and_all_actions_of_the_rooms_are_seen(
    office: Office, tmp_path: Path
) -> None:
    for call, do in CALLS.items():
        before = office.cases.book.size()
        do(office)
        assert office.cases.book.size() > before, call
    seen = _actions(office.cases) | played(tmp_path) | desked(office)
    for file, actions in FOUND_IN.items():
        text = (Path(__file__).parents[1] / file).read_text()
        assert [action for action in actions if f'"{action}"' not in text] == [], file
        seen |= actions

    declared = {action for room in (AUDIT, *case_host.ROOMS) for action in room.actions}
    assert declared - seen == set(), "no call here leads to this action"


PLAYED = {
    f"playbooks.runs:Runs.{name}" for name in ("start", "answer", "approve", "decide", "undo")
}


def played(folder: Path) -> set[str]:
    """Let a playbook run with everything that people and the loop do, and return the actions."""
    with web(fortigate) as firewall, web() as edr, web() as chat:
        house = House(folder, World(firewall, edr, chat).settings())
        run = house.start(playbook(manual("Look"), BLOCK), LAN)
        _grown(house, lambda: house.runs.answer(LAN, run, house.steps(run)[0].key, {}))
        house.work()
        key = house.steps(run)[1].key
        _grown(house, lambda: house.runs.approve(NAM, run, key, agree=False))
        house.work()
        _grown(house, lambda: house.runs.decide(LAN, run, key, "again"))
        house.clock.advance(3 * 3600)
        house.work()
        _grown(house, lambda: house.runs.approve(NAM, run, key, agree=True))
        house.work()
        _grown(house, lambda: house.runs.undo(LAN, run))
        return _actions(house.cases)


def desked(office: Office) -> set[str]:
    """Have the desk of playbooks write to an incident, and an alert revised; return the actions."""
    desk = CaseDesk(office.cases, office.desk.clock, Actor.loop("respond"), read_profiles())
    _write_to(desk, "2", office.cases)
    office.take(made("0", {"host.name": "pc-0"}, revision=1), 9)
    return _actions(office.cases)


def _write_to(desk: CaseDesk, incident: str, cases: CaseDatabase) -> None:
    changes: tuple[Callable[[], object], ...] = (
        lambda: desk.assign(incident, "mai", "lan"),
        lambda: desk.comment(incident, "seen", "lan"),
        lambda: desk.start_clock(incident, "report-72h", "lan"),
        lambda: desk.stop_clock(incident, "report-72h", "lan"),
    )
    for change in changes:
        before = cases.book.size()
        change()
        assert cases.book.size() > before


def _actions(cases: CaseDatabase) -> set[str]:
    sql = "SELECT DISTINCT json_extract(entry, '$.action') FROM audit_entries"
    return {str(action) for (action,) in cases.connection.execute(sql)}


def _grown(house: House, change: Callable[[], object]) -> None:
    before = house.cases.book.size()
    change()
    assert house.cases.book.size() > before
