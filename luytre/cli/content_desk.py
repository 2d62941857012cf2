"""What the commands about content share: the desk with its drafts, and how one is shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import typer

import enrich
from luytre.audit.database import CaseDatabase
from luytre.cli.output import complain, console, print_json, say, table, text
from luytre.cli.person import person
from luytre.cli.rules_backtest import UNFINISHED, document, prepare, show, span_of, watched
from luytre.cli.settings import read_installation
from luytre.core.actor import Actor
from luytre.core.clock import SystemClock
from luytre.core.config import Config
from luytre.core.errors import Fault
from luytre.core.organization import Scope
from luytre.processor import build, case_host
from luytre.processor.content import example_decoder
from luytre.processor.places import Places
from luytre.processor.publish import publish
from luytre.processor.supervise import Stopped
from luytre.processor.trial import Proposed, faults_of
from luytre.review.drafts import Draft, Drafts
from luytre.review.protected import protected_alerts
from luytre.review.prove import Proof, prove_draft


class Desk(NamedTuple):
    """What a command works with."""

    config: Config
    actor: Actor
    cases: CaseDatabase
    drafts: Drafts


@contextmanager
def desk(config: Path | None, *, writes: bool = True, loop: Actor | None = None) -> Iterator[Desk]:
    """Open the case database for the person who gives the command, or for a loop of ours."""
    settings = read_installation(config)
    actor = loop or person(settings)
    actor.require("read")

    def tell() -> None:
        if not settings.kafka.content:
            return
        made = publish(settings, actor)
        if made.state == "proposed":
            complain(f"another person: luytre kafka publish --agree {made.digest[:16]}")

    with case_host.case_database(settings, loop=not writes) as cases:
        drafts = Drafts(cases, SystemClock(), Places(settings.data_dir).review, tell)
        if writes:
            drafts.publish()
        yield Desk(settings, actor, cases, drafts)


def check(config: Config, path: Path) -> Sequence[Fault]:
    """Return what is wrong with a draft among all that runs."""
    return faults_of(config, Proposed((path,)))


def prove(at: Desk, number: int, days: float, limit: int, *, as_json: bool) -> Proof:
    """Test a draft over the archive, and print what came of it; it ends here if it was stopped."""
    draft = at.drafts.get(number, at.actor.scope)
    at.actor.require("content.propose", draft.organization)
    where = Scope.only(draft.organization) if draft.organization else at.actor.scope
    span = span_of(at.config, where, days, None, None)
    changed = Proposed((at.drafts.path(draft),))
    test, sides = prepare(at.config, at.actor, changed, span, where, whole=False)
    about = next((f.rules for f in sides.after.plan.filters if f.id == draft.name), ())
    rules = sides.after.plan.rules
    ids = None if about is None else frozenset(rules[n].card.id for n in about)
    store = build.alert_store(at.config)
    everywhere = Scope.only(draft.organization) if draft.organization else Scope.everything()
    protected = protected_alerts(at.cases, store, ids, everywhere) if draft.kind == "filter" else []
    clock = SystemClock()
    tables = enrich.build(at.config.enrich, Places(at.config.data_dir).enrichment / "check", clock)
    decode = example_decoder(sides.after.needed, [tables])
    with watched(quiet=as_json) as progress:
        proof = prove_draft(
            at.drafts, at.actor, draft, test, sides.after, protected, decode,
            progress=progress, stopped=Stopped(),
        )  # fmt: skip
    if as_json:
        protection = {
            "alerts": proof.protection.alerts,
            "examples": proof.protection.examples,
            "not_judged_again": list(proof.protection.unjudged),
        }
        print_json({"draft": number, "protected": protection, **document(proof.report)})
    else:
        show(test, proof.report, limit)
    store.close()
    test.job.close()
    if not proof.report.finished:
        raise typer.Exit(UNFINISHED)
    return proof


def show_draft(draft: Draft, *, as_json: bool) -> None:
    """Print a draft whole."""
    if as_json:
        print_json(asdict(draft))
        return
    say(f"{draft.kind} {draft.id}: {draft.title}  [{draft.state}]", "bold")
    facts = [
        ("digest", draft.digest),
        ("id", draft.name),
        ("organisation", draft.organization or "all"),
        ("drafted", f"{draft.drafted_at[:16]}Z by {draft.drafted_by}"),
        ("why", draft.reason),
        ("ends", draft.expires_at[:16]),
        ("approved by", draft.approved_by),
    ]
    rows = [(text(name), text(value)) for name, value in facts if value]
    console().print(table("", ["", ""], rows))
    if draft.test:
        results = [(text(name), text(value)) for name, value in draft.test.items()]
        console().print(table("\nTest", ["", ""], results))
    say("")
    for line in draft.text.splitlines():
        say(line)


def list_drafts(found: Sequence[Draft], *, as_json: bool) -> None:
    """Print drafts, one a line."""
    if as_json:
        for draft in found:
            print_json(asdict(draft))
        return
    if not found:
        say("None.")
        return
    rows = [
        (
            text(draft.id),
            text(draft.state),
            text(draft.title),
            text(draft.organization or "all"),
            text(draft.drafted_by),
            text(draft.approved_by),
            text(draft.expires_at[:10]),
            text(draft.digest[:16]),
        )
        for draft in found
    ]
    columns = ["no", "state", "title", "organisation", "by", "approved by", "ends", "digest"]
    console().print(table("", columns, rows))


def show_life(at: Desk, number: int, *, as_json: bool) -> None:
    """Print what happened to a draft."""
    steps = at.drafts.life(number, at.actor.scope)
    if as_json:
        for step in steps:
            print_json(asdict(step))
        return
    rows = [
        (
            text(step.at[:19] + "Z"),
            text(step.user),
            text(step.action),
            text(", ".join(f"{k} {v}" for k, v in step.detail.items() if k != "test")),
        )
        for step in steps
    ]
    console().print(table("", ["time", "who", "did", ""], rows))


def done(what: str, draft: Draft, *, as_json: bool) -> None:
    """Say what became of a draft."""
    if as_json:
        print_json({"draft": draft.id, "state": draft.state, "digest": draft.digest})
    else:
        say(what)
