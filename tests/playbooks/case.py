"""A case database with playbooks, people, and counterparts that count, for tests of runs."""

from pathlib import Path
from typing import Any

from luytre.audit.database import CaseDatabase
from luytre.audit.signer import Signer
from luytre.cases.clocks import read_profiles
from luytre.cases.read import Incidents
from luytre.core.actor import Actor
from luytre.core.clock import Clock, ManualClock
from luytre.core.config_playbooks import ApprovalsConfig, PlaybooksConfig
from luytre.core.organization import Scope
from luytre.core.yamlfile import Document
from luytre.processor.case_desk import CaseDesk
from luytre.processor.case_host import ROOMS
from playbooks.actions import Actions, Services
from playbooks.load import Loaded, read_playbook
from playbooks.run_rows import Run, Step
from playbooks.runner import ACTOR, Runner
from playbooks.runs import Runs

PLAYBOOK = "playbook--00000000-0000-4000-8000-0000000000aa"
GROUP = "group--00000000-0000-4000-8000-000000000003"
REMIND = ApprovalsConfig(channel="duty", escalation_channel="lead", remind_after_minutes=60)


def person(name: str, *roles: Any, organizations: tuple[str, ...] = ()) -> Actor:
    scope = Scope.only(*organizations) if organizations else Scope.everything()
    return Actor(name, frozenset(roles or ("analyst",)), scope, "test")


def action(number: int) -> str:
    return f"action--00000000-0000-4000-8000-{number:012}"


def playbook(*commands: dict[str, Any], **extra: Any) -> Loaded:
    """Return a playbook that does one command after the other."""
    start, end = (
        "start--00000000-0000-4000-8000-000000000001",
        "end--00000000-0000-4000-8000-000000000002",
    )
    workflow: dict[str, Any] = {start: {"type": "start", "on_completion": action(0)}}
    for number, command in enumerate(commands):
        onward = action(number + 1) if number + 1 < len(commands) else end
        step = {
            k: v
            for k, v in command.items()
            if k in {"out_args", "on_failure", "step_extensions", "delay", "timeout"}
        }
        way = {"on_success": onward} if "on_failure" in step else {"on_completion": onward}
        inner = {k: v for k, v in command.items() if k not in step}
        workflow[action(number)] = {
            "type": "action",
            "name": f"Step {number}",
            "agent": GROUP,
            "commands": [inner],
            **step,
            **way,
        }
    workflow[end] = {"type": "end"}
    now = "2026-11-25T08:00:00.000Z"
    document = {
        "type": "playbook", "spec_version": "cacao-2.0", "id": PLAYBOOK, "name": "Test",
        "created_by": "identity--00000000-0000-4000-8000-000000000002", "created": now, "modified": now,
        "workflow_start": start, "workflow": workflow, "agent_definitions": {GROUP: {"type": "group", "name": "Team"}},
        **extra,
    }  # fmt: skip
    loaded, faults = read_playbook(Document(Path("test.yml"), document))
    assert loaded is not None, faults
    return loaded


def manual(text: str, *outputs: str) -> dict[str, Any]:
    return {"type": "manual", "command": text, **({"out_args": [*outputs]} if outputs else {})}


def ours(name: str, **arguments: Any) -> dict[str, Any]:
    return {"type": "luytre", "command": name, "arguments": arguments}


class House:
    """Everything a run needs; ``restarted`` is the same house after its process died."""

    def __init__(self, folder: Path, settings: PlaybooksConfig, clock: Clock | None = None) -> None:
        self.folder, self.settings = folder, settings
        self.clock: Any = clock or ManualClock()
        self.cases = CaseDatabase(
            folder / "cases.sqlite", Signer(folder / "signer"), self.clock, ROOMS
        )
        desk = CaseDesk(self.cases, self.clock, ACTOR, read_profiles())
        self.actions = Actions(
            settings,
            Services(
                self.clock,
                desk=desk,
                resolve=lambda *_: ["127.0.0.1"],
            ),
        )
        self.runs = Runs(self.cases, self.clock, self.actions, desk)
        self.runner = Runner(self.runs, self.actions, self.clock, settings.approvals)

    def restarted(self) -> "House":
        self.cases.close()
        after = House(self.folder, self.settings, self.clock)
        after.runner.recover()
        return after

    def start(self, loaded: Loaded, actor: Actor, **given: str) -> Run:
        name = self.runs.start(
            actor, {loaded.playbook.id: loaded}, loaded.playbook.id, given, organization="tinh"
        )
        return self.run(name)

    def run(self, name: str) -> Run:
        return self.runs.rows.run(name, Scope.everything())

    def steps(self, run: Run) -> list[Step]:
        return self.runs.rows.steps(run.id)

    def clocks(self, run: Run) -> list[tuple[str, bool]]:
        """Return the legal clocks of a run's incident, and whether each was stopped in time."""
        rows = Incidents(self.cases).clocks(int(run.incident), Scope.everything())
        return [(name, "" < stopped <= due) for name, _, _, due, stopped in rows]

    def states(self, run: Run) -> list[str]:
        return [step.state for step in self.steps(run)]

    def work(self) -> None:
        while self.runner.turn():
            pass
