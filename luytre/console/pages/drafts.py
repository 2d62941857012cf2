"""Drafts of rules: written, checked and tried on events here; agreed to by another person."""

from __future__ import annotations

from difflib import unified_diff
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

from fastapi import Form, Path
from starlette.responses import Response

from ingest.logsources import HINTS
from luytre.console.render import go_to, render
from luytre.console.routes import At, Routes, Typed
from luytre.console.rule_trial import explained, faults_of_text, lines_of
from luytre.console.words import N_
from luytre.core.errors import Refused
from luytre.processor.places import Places
from luytre.processor.publish import publish
from luytre.processor.trial import Proposed, faults_of
from luytre.review.drafts import STATES, Drafts

if TYPE_CHECKING:
    from luytre.console.visit import Desk
    from luytre.review.drafts import Draft

routes = Routes()
TEXT_CHARS_MAX, DRAFTS_SHOWN, EVENTS_MAX = 65_536, 100, 1_000
NEW = """\
title: What was done
id: {id}
status: experimental
description: What it means, and what to look at
logsource:
  product: windows
  category: process_creation
detection:
  selection:
    Image|endswith: '\\example.exe'
  condition: selection
level: medium
"""
STATE_NAMES = (
    N_("checked"), N_("tested"), N_("approved"), N_("active"), N_("retired"), N_("refused"),
)  # fmt: skip
Number = Annotated[int, Path(ge=1, le=2**53)]


@routes.get("/rules/drafts", may="read")
def listed(at: At) -> Response:
    """Show drafts, newest first."""
    asked = at.request.query_params.get("state", "")
    state = asked if asked in STATES else ""
    found = _drafts(at).find(at.scope, state=state)
    return render(
        at, "drafts/drafts.html", drafts=found[:DRAFTS_SHOWN], total=len(found), state=state,
        states=STATES,
    )  # fmt: skip


@routes.get("/rules/new", may="content.propose")
def write(at: At) -> Response:
    """Give a form for a rule: an empty one, or a copy of one that runs."""
    name = at.request.query_params.get("rule", "")
    return _form(at, _running(at, name) or NEW.format(id=uuid4()))


@routes.post("/rules/new", may="content.propose")
def look(
    at: At,
    text: Typed = "",
    events: Typed = "",
    hint: Annotated[str, Form()] = "auto",
    number: Annotated[int, Form(ge=1, le=EVENTS_MAX)] = 1,
    reason: Typed = "",
) -> Response:
    """Check a rule's text, and say why it matches a pasted event or not. Nothing is kept."""
    _short(text)
    _short(events)
    faults = faults_of_text(at.house.config, text)
    found, problem = None, ""
    if events.strip() and not faults:
        try:
            found = explained(at.house.config, text, events, _hint(hint), number)
        except Refused as error:
            problem = str(error)
    return _form(
        at, text, events=events, hint=hint, number=number, reason=reason, problem=problem,
        found=found, faults=faults, lines=lines_of(text, faults), checked=True,
    )  # fmt: skip


@routes.post("/rules/drafts", may="content.propose")
def propose(at: At, text: Typed = "", reason: Typed = "") -> Response:
    """Keep a rule as a draft, if it is good among all that runs."""
    _short(text)
    if not text.strip():
        raise Refused("an empty text says nothing")
    config = at.house.config
    draft = _drafts(at).propose(
        at.actor, text.encode(), reason, lambda path: faults_of(config, Proposed((path,)))
    )
    at.say("The draft is kept.")
    return go_to(f"/rules/drafts/{draft.id}")


@routes.get("/rules/drafts/{number}", may="read")
def show(at: At, number: Number) -> Response:
    """Show a draft: its text, what it changes, how it was tested, and who did what."""
    drafts = _drafts(at)
    draft = drafts.get(number, at.scope)
    return render(
        at, "drafts/draft.html", draft=draft, life=drafts.life(number, at.scope),
        change=_change(at, draft), own=at.actor.user == draft.drafted_by,
        test=[(name, str(value)) for name, value in draft.test.items()],
    )  # fmt: skip


@routes.post("/rules/drafts/{number}/approve", may="content.approve")
def approve(at: At, number: Number, digest: Annotated[str, Form()] = "") -> Response:
    """Agree to what another person drafted and that was tested; the page says which text."""
    _drafts(at).approve(at.actor, number, digest)
    at.say("You have agreed to it.")
    return go_to(f"/rules/drafts/{number}")


@routes.post("/rules/drafts/{number}/activate", may="content.approve")
def activate(at: At, number: Number) -> Response:
    """Let what was agreed to run."""
    _drafts(at).activate(at.actor, number)
    at.say("It is active: every worker takes it over within seconds.")
    return go_to(f"/rules/drafts/{number}")


@routes.post("/rules/drafts/{number}/refuse", may="content.approve")
def refuse(at: At, number: Number, reason: Typed = "") -> Response:
    """Say no to a draft."""
    _drafts(at).refuse(at.actor, number, reason)
    at.say("The draft is refused.")
    return go_to(f"/rules/drafts/{number}")


@routes.post("/rules/drafts/{number}/retire", may="content.approve")
def retire(at: At, number: Number, reason: Typed = "") -> Response:
    """Take an active draft out of what runs."""
    _drafts(at).retire(at.actor, number, reason)
    at.say("It no longer runs.")
    return go_to(f"/rules/drafts/{number}")


def _drafts(at: Desk) -> Drafts:
    config, actor = at.house.config, at.actor

    def tell() -> None:
        if config.kafka.content:
            publish(config, actor)

    return Drafts(at.bench.cases, at.house.clock, Places(config.data_dir).review, tell)


def _form(at: Desk, text: str, **values: Any) -> Response:
    given: dict[str, Any] = {
        "events": "", "hint": "auto", "number": 1, "reason": "", "problem": "", "found": None,
        "faults": (), "lines": (), "checked": False,
    }  # fmt: skip
    return render(at, "drafts/new.html", text=text, hints=HINTS, **(given | values))


def _short(text: str) -> None:
    if len(text) > TEXT_CHARS_MAX:
        raise Refused(f"a text here has at most {TEXT_CHARS_MAX} characters")


def _hint(name: str) -> str:
    if name not in HINTS:
        raise Refused(f"no log source is named {name}")
    return name


def _running(at: Desk, name: str) -> str:
    """Return the file of a rule that runs; an empty text if there is none to be read."""
    entry = at.house.rule_book.content().rules.get(name)
    if entry is None:
        return ""
    try:
        return FilePath(entry.card.path).read_text("utf-8", "backslashreplace")[:TEXT_CHARS_MAX]
    except OSError:
        # It was taken away since the rules were read.
        return ""


def _change(at: Desk, draft: Draft) -> list[tuple[str, str]]:
    """Return the lines of the change to what runs with the same id: sign and text."""
    before = _running(at, draft.name)
    if not before or before == draft.text:
        return []
    found = unified_diff(before.splitlines(), draft.text.splitlines(), lineterm="", n=2)
    return [(line[:1], line[1:]) for line in list(found)[2:]]
