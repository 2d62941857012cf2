"""Playbooks at work: what waits for people, and each run with its steps, answers and agreements."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Form
from starlette.responses import Response

from luytre.console.render import go_to, render
from luytre.console.routes import At, Fields, NavItem, Routes, Typed
from luytre.console.words import N_
from luytre.core.errors import Refused
from luytre.processor import respond
from luytre.processor.report import Gatherer
from luytre.processor.report_form import fill
from luytre.processor.report_write import WRITERS
from playbooks.paper import STYLE, asked
from playbooks.runs import ALLOWED, Decision

if TYPE_CHECKING:
    from luytre.console.visit import Desk
    from playbooks.run_rows import Run, Step

routes = Routes()
NAV = (NavItem("/runs", N_("Playbooks"), "read", order=30),)
WAITS = ("asked", "approval", "failed", "refused", "unknown")
FORMS = ("incident", "notice", "breach")
KINDS = {
    "html": "text/html; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}
RUNS_SHOWN = 100
Text = Annotated[str, Form()]


@routes.get("/runs", may="read")
def waiting(at: At) -> Response:
    """Show what waits for people, the oldest first, and the last runs."""
    rows = at.bench.runs.rows
    found = rows.runs(at.scope, limit=RUNS_SHOWN)
    running = rows.runs(at.scope, running=True)
    steps = [
        {"run": run, "number": number, "step": step, "what": _what(at, run, step)}
        for run in reversed(running)
        for number, step in enumerate(rows.steps(run.id), 1)
        if step.state in WAITS
    ]
    return render(at, "runs/runs.html", waiting=steps, runs=found)


@routes.get("/runs/{name}", may="read")
def show(at: At, name: str) -> Response:
    """Show a run: each step, who agreed, what came of it, and what is asked now."""
    runs = at.bench.runs
    run = runs.rows.run(name, at.scope)
    machine = runs.machine(run)
    undoable = {step.key for step in runs.undoable(run)}
    steps = [
        {
            "number": number,
            "step": step,
            "what": _what(at, run, step),
            "phase": machine[step.playbook].step_notes[step.step].phase or "",
            "approvals": runs.rows.approvals(step),
            "answers": _answers(at, run, step),
            "decisions": [d for d, states in ALLOWED.items() if step.state in states],
            "undoable": step.key in undoable,
        }
        for number, step in enumerate(runs.rows.steps(run.id), 1)
    ]
    title, description = machine[run.playbook].words(at.language)
    return render(
        at, "runs/run.html", run=run, steps=steps, title=title, description=description,
        forms=FORMS, waits=WAITS,
    )  # fmt: skip


@routes.post("/runs/{name}/steps/{number:int}/answer", may="playbook.run")
def answer(at: At, name: str, number: int, given: Fields) -> Response:
    """Say that a step is done, or could not be, with what it asks for."""
    run, step = _find(at, name, number)
    wanted = [each["name"] for each in _answers(at, run, step)]
    outputs = {each: given.get(f"answer.{each}", "") for each in wanted}
    failed = "failed" in given
    if not failed and not all(value.strip() for value in outputs.values()):
        raise Refused(f"the step asks for {', '.join(wanted)}")
    at.bench.runs.answer(
        at.actor, run, step.key, {} if failed else outputs, note=given.get("note", ""),
        failed=failed,
    )  # fmt: skip
    at.say("The answer is written.")
    return go_to(f"/runs/{run.id}#step-{number}")


@routes.post("/runs/{name}/steps/{number:int}/approve", may="playbook.approve")
def approve(at: At, name: str, number: int, say: Text = "", note: Typed = "") -> Response:
    """Agree to a step, or say no."""
    if say not in {"yes", "no"}:
        raise Refused("say yes or no")
    run, step = _find(at, name, number)
    at.bench.runs.approve(at.actor, run, step.key, agree=say == "yes", note=note)
    at.say("Your answer counts.")
    return go_to(f"/runs/{run.id}#step-{number}")


@routes.post("/runs/{name}/steps/{number:int}/decide", may="playbook.approve")
def decide(at: At, name: str, number: int, decision: Text = "", note: Typed = "") -> Response:
    """Decide about a step that does not go on by itself."""
    chosen: Decision | None = next((known for known in ALLOWED if known == decision), None)
    if chosen is None:
        raise Refused("say what to decide")
    run, step = _find(at, name, number)
    at.bench.runs.decide(at.actor, run, step.key, chosen, note)
    at.say("It is decided.")
    return go_to(f"/runs/{run.id}#step-{number}")


@routes.post("/runs/{name}/undo", may="playbook.approve")
def undo(at: At, name: str, key: Text = "") -> Response:
    """Take back one change of a run, or all of them, newest first."""
    run = at.bench.runs.rows.run(name, at.scope)
    taken = at.bench.runs.undo(at.actor, run, key)
    at.say("Changes to be taken back: %(count)s", count=len(taken))
    return go_to(f"/runs/{run.id}")


@routes.get("/runs/{name}/paper", may="read")
def paper(at: At, name: str) -> Response:
    """Give a run as a form to print and fill in by hand."""
    run = at.bench.runs.rows.run(name, at.scope)
    return _document(respond.paper(at.bench.runs, run, at.language), STYLE)


@routes.get("/runs/{name}/report.{kind}", may="read")
def report(at: At, name: str, kind: str, form: str = "incident") -> Response:
    """Give the report of a run in one of the legal forms."""
    if kind not in WRITERS or form not in FORMS:
        raise Refused("there is no such report")
    run = at.bench.runs.rows.run(name, at.scope)
    gatherer = Gatherer(at.house.config, at.scope, at.language, datetime.now(UTC))
    written = WRITERS[kind](fill(form, gatherer.run(run.id), at.language))
    answer = Response(written, media_type=KINDS[kind])
    answer.headers["Content-Disposition"] = f'attachment; filename="{form}-{run.id[:10]}.{kind}"'
    return answer


def _document(page: str, style: str) -> Response:
    """Answer with a page to print that has a style of its own: that one is allowed, by its hash."""
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; frame-ancestors 'none'"
    return Response(
        page, media_type="text/html; charset=utf-8", headers={"Content-Security-Policy": policy}
    )


def _find(at: Desk, name: str, number: int) -> tuple[Run, Step]:
    run = at.bench.runs.rows.run(name, at.scope)
    steps = at.bench.runs.rows.steps(run.id)
    if not 0 < number <= len(steps):
        raise Refused(f"run {run.id[:10]} has {len(steps)} steps")
    return run, steps[number - 1]


def _what(at: Desk, run: Run, step: Step) -> str:
    return respond.words(at.bench.runs, run, step, at.language)


def _answers(at: Desk, run: Run, step: Step) -> list[dict[str, Any]]:
    """Return what a step asks a person for: name, type, and what it means."""
    if step.state != "asked":
        return []
    loaded = at.bench.runs.machine(run)[step.playbook]
    variables = loaded.playbook.playbook_variables
    return [
        {"name": name, "type": variables[name].type if name in variables else "string",
         "means": variables[name].description if name in variables else ""}
        for name in asked(loaded, step.step)
    ]  # fmt: skip
