"""Rules: which run and what came of them, each with its text, and the ATT&CK techniques."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from detections.evidence import examples_beside
from luytre.cases.entities import TACTICS
from luytre.cases.rule_fires import Fires, rule_fires
from luytre.console.queue_query import level_of
from luytre.console.render import render
from luytre.console.routes import At, NavItem, Routes
from luytre.console.words import N_
from luytre.core.alert import LEVELS, AlertQuery
from luytre.core.errors import Refused
from playbooks.binding import closeness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from luytre.console.rule_book import Entry
    from luytre.console.visit import Desk

routes = Routes()
NAV = (NavItem("/rules", N_("Rules"), "read", order=40),)
PAGE, FAULTS_SHOWN, EXAMPLES_SHOWN, ALERTS_SHOWN = 50, 100, 20, 8
OFFSET_MAX, TEXT_CHARS_MAX, FILE_BYTES_MAX = 100_000, 200, 65_536
RECENT, LONG = timedelta(days=7), timedelta(days=30)
SORTS = {
    "fires": N_("Alerts"),
    "false": N_("False positives"),
    "level": N_("Level"),
    "title": N_("Title"),
    "cost": N_("Cost"),
}
FIELDS = ("text", "source", "tag", "fired")
TACTIC_NAMES = (
    N_("reconnaissance"), N_("resource development"), N_("initial access"), N_("execution"),
    N_("persistence"), N_("privilege escalation"), N_("stealth"), N_("defense evasion"),
    N_("credential access"), N_("discovery"), N_("lateral movement"), N_("collection"),
    N_("command and control"), N_("exfiltration"), N_("impact"),
)  # fmt: skip
"""What ``TACTICS`` are called, in the same order."""
GRADES = (N_("cheap"), N_("fair"), N_("dear"), N_("every event"))


@routes.get("/rules", may="read")
def catalogue(at: At) -> Response:
    """Show the rules that run, those that fired most first."""
    asked = at.request.query_params
    query = {
        n: asked.get(n, "")[:TEXT_CHARS_MAX].strip() for n in ("text", "source", "tag", "fired")
    }
    query["level"] = level_of(asked.get("level", "")) or ""
    query["sort"] = asked.get("sort", "") if asked.get("sort", "") in SORTS else "fires"
    offset = asked.get("offset", "")
    first = min(int(offset), OFFSET_MAX) if offset.isascii() and offset.isdigit() else 0
    content, fires = at.house.rule_book.content(), _fires(at)
    wanted = _filter(at, query, fires)
    found = [each for each in content.rules.values() if wanted(each)]
    found.sort(key=_order(query["sort"], fires))
    return render(
        at, "rules/rules.html", query=query, sorts=SORTS, found=found[first : first + PAGE],
        total=len(found), limit=PAGE, offset=first, every=len(content.rules), fires=fires,
        unfired=Fires(), faults=len(content.faults), off=at.house.config.rules.disabled,
        sources=sorted({each.source for each in content.rules.values()}),
    )  # fmt: skip


@routes.get("/rules/refused", may="read")
def refused(at: At) -> Response:
    """Show what is wrong with the rules that do not run, and the remedy."""
    faults = at.house.rule_book.content().faults
    return render(at, "rules/refused.html", faults=faults[:FAULTS_SHOWN], total=len(faults))


@routes.get("/rules/matrix", may="read")
def matrix(at: At) -> Response:
    """Show which ATT&CK techniques the rules are about, by tactic."""
    rows, without = _by_tactic(at.house.rule_book.content().rules.values(), _fires(at))
    return render(at, "rules/matrix.html", rows=rows, without=without)


@routes.get("/rules/{name}", may="read")
def show(at: At, name: str) -> Response:
    """Show one rule: its text, its examples, its alerts, what hides them, and what to do."""
    every = at.house.rule_book.content().rules
    entry = every.get(name)
    if entry is None:
        raise Refused(f"there is no rule {name} that runs")
    text, whole = _text(Path(entry.card.path))
    examples, faults = examples_beside(Path(entry.card.path))
    query = AlertQuery(rule=name, limit=ALERTS_SHOWN)
    return render(
        at, "rules/rule.html", entry=entry, text=text, whole=whole,
        fires=_fires(at).get(name, Fires()),
        examples=[(e, e.raw.decode(errors="backslashreplace")) for e in examples[:EXAMPLES_SHOWN]],
        examples_count=len(examples), faults=faults,
        alerts=at.bench.alerts.find(query, at.scope),
        rests_on=[(id_, every.get(id_)) for id_ in entry.rests_on],
        used_by=[each for each in every.values() if name in each.rests_on],
        playbooks=_playbooks(at, entry),
        description=at.house.rule_words.description(entry.card.description, name)
        if at.language == "vi" else entry.card.description,
    )  # fmt: skip


def _fires(at: Desk) -> dict[str, Fires]:
    now = at.house.clock.now()
    return rule_fires(at.bench.cases, at.scope, now - RECENT, now - LONG)


def _filter(at: Desk, query: dict[str, str], fires: dict[str, Fires]) -> Callable[[Entry], bool]:
    words, tag = query["text"].lower().split(), query["tag"].lower()

    def spoken(entry: Entry) -> bool:
        card = entry.card
        said = f"{card.title} {at.rule(card.title, card.id)} {card.id} {card.author} {entry.file}"
        return all(word in said.lower() for word in words)

    def wanted(entry: Entry) -> bool:
        card = entry.card
        return (
            query["level"] in ("", card.level)
            and query["source"] in ("", entry.source)
            and (not tag or any(tag in each.lower() for each in card.tags))
            and (not query["fired"] or (card.id in fires) == (query["fired"] == "yes"))
            and (not words or spoken(entry))
        )

    return wanted


def _order(sort: str, fires: dict[str, Fires]) -> Callable[[Entry], tuple[Any, ...]]:
    def key(entry: Entry) -> tuple[Any, ...]:
        card, own = entry.card, fires.get(entry.card.id, Fires())
        first: Any = {
            "fires": -own.all,
            "false": (-(own.false_share or 0), -own.false),
            "level": 0,
            "title": card.title.lower(),
            "cost": -(GRADES.index(entry.grade) if entry.grade else -1),
        }[sort]
        return first, -LEVELS.index(card.level), card.title.lower(), card.id

    return key


def _by_tactic(
    entries: Iterable[Entry], fires: dict[str, Fires]
) -> tuple[list[tuple[str, str, list[tuple[str, int, int]]]], int]:
    """Return techniques with numbers of rules and alerts by tactic, and rules that name none.

    A rule's techniques stand under each tactic that the rule names.
    """
    table: dict[str, dict[str, tuple[int, int]]] = {tactic: {} for tactic in TACTICS}
    without = 0
    for entry in entries:
        tags = {tag.lower().removeprefix("attack.").replace("_", "-") for tag in entry.card.tags}
        named = [tactic for tactic in TACTICS if tactic in tags]
        without += not named
        for tactic in named:
            for technique in entry.techniques or ("",):
                rules, alerts = table[tactic].get(technique, (0, 0))
                own = fires.get(entry.card.id, Fires()).all
                table[tactic][technique] = rules + 1, alerts + own
    rows = [
        (TACTIC_NAMES[number], tactic, [(name, *cells[name]) for name in sorted(cells)])
        for number, (tactic, cells) in enumerate(table.items())
    ]
    return rows, without


def _text(path: Path) -> tuple[str, bool]:
    """Return the beginning of a rule's file, and whether that is all of it."""
    try:
        with path.open("rb") as stream:
            data = stream.read(FILE_BYTES_MAX + 1)
    except OSError:
        # It was taken away since the rules were read.
        return "", False
    return data[:FILE_BYTES_MAX].decode(errors="backslashreplace"), len(data) <= FILE_BYTES_MAX


def _playbooks(at: Desk, entry: Entry) -> list[tuple[str, str]]:
    """Return id and name of the playbooks for its alerts, the closest first."""
    tags = {tag.lower() for tag in entry.card.tags}
    ranked = [
        (-rank, loaded.playbook.id, loaded.words(at.language)[0])
        for loaded in at.house.shelf().playbooks.values()
        if not loaded.playbook.revoked
        and (rank := closeness(loaded, entry.card.id, tags, at.house.config.organization))
    ]
    return [(number, title) for _, number, title in sorted(ranked)]
