"""What other rooms say in English, in the reader's language: closed words, and known sentences.

Rooms write reasons and states as English sentences around values of logs. The sentence is looked
up, the values stay as they are; a sentence that is not known is shown as it was written.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from luytre.console import text as texts
from luytre.console.words import N_

if TYPE_CHECKING:
    import gettext
    from collections.abc import Mapping

WORDS = frozenset({
    N_("new"), N_("in progress"), N_("on hold"), N_("closed"),
    N_("true positive"), N_("benign true positive"), N_("false positive"), N_("duplicate"),
    N_("informational"), N_("low"), N_("medium"), N_("high"), N_("critical"),
    N_("analyst"), N_("rule_admin"), N_("auditor"), N_("admin"),
    N_("host"), N_("machine"), N_("address"), N_("user"), N_("site"),
    N_("a rule that had not fired here for 30 days"), N_("no alert is left"),
    N_("it names nothing to group by"),
    N_("incident.open"), N_("incident.grow"), N_("incident.revise"), N_("incident.state"),
    N_("incident.close"), N_("incident.assign"), N_("incident.comment"), N_("incident.task"),
    N_("organization"), N_("rule"), N_("level"), N_("assignee"), N_("state"),
    N_("running"), N_("done"), N_("stopped"), N_("asked"), N_("approval"), N_("failed"),
    N_("refused"), N_("unknown"), N_("ready"), N_("intent"), N_("waiting"), N_("skipped"),
    N_("yes"), N_("no"), N_("happened"), N_("again"), N_("skip"), N_("stop"),
    N_("detect"), N_("protect"), N_("contain"), N_("classify"), N_("recover"), N_("trace"),
    N_("incident"), N_("notice"), N_("breach"),
    N_("incident.merge"), N_("incident.split"), N_("incident.clock"), N_("alert.close"),
})  # fmt: skip
"""Closed sets of words: states, dispositions, levels, roles, kinds of entities, actions."""

KINDS = ("host", "machine", "address", "user", "site")
_KIND = r"(?P<kind>host|machine|address|user|site)"
SENTENCES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.DOTALL), message)
    for pattern, message in (
        (r"level (?P<level>[a-z]+)", N_("level %(level)s")),
        (r"asset of security level (?P<number>\d)", N_("asset of security level %(number)s")),
        (
            r"indicator of confidence (?P<number>\d+)",
            N_("indicator of confidence %(number)s"),
        ),
        (
            r"(?P<number>\d+) tactics of an attack: (?P<what>.*)",
            N_("%(number)s tactics of an attack: %(what)s"),
        ),
        (
            r"its rarest rule fired (?P<number>\d+) times here in 30 days",
            N_("its rarest rule fired %(number)s times here in 30 days"),
        ),
        (
            rf"same {_KIND} (?P<what>.*) within (?P<number>\d+) hours",
            N_("same %(kind)s %(what)s within %(number)s hours"),
        ),
        (
            rf"new, since incident (?P<number>\d+) with the same {_KIND} (?P<what>.*) is closed",
            N_("new, since incident %(number)s with the same %(kind)s %(what)s is closed"),
        ),
        (r"the first about (?P<things>.*)", N_("the first about %(things)s")),
        (
            (
                r"incident (?P<number>\d+) changed since you looked \(.*?\): (?P<what>.*)\."
                r" Nothing was done: look again"
            ),
            N_("Incident %(number)s changed since you looked: %(what)s. Nothing was done."),
        ),
        (
            r"incident (?P<number>\d+) is closed already \((?P<kind>[a-z ]+)\)(?P<what>.*)",
            N_("Incident %(number)s is closed already (%(kind)s)%(what)s"),
        ),
        (
            r"(?P<number>\d+) incidents were counted, and (?P<other>\d+) match now:.*",
            N_(
                "%(number)s incidents were counted, and %(other)s match now. Count again: nothing"
                " was done."
            ),
        ),
        (r"there is no incident (?P<number>\d+)", N_("There is no incident %(number)s.")),
        (
            r"(?P<what>.*) may not do this: it needs .*",
            N_("%(what)s may not do this: it needs another role."),
        ),
        (
            r"(?P<what>.*) may not act for .*",
            N_("%(what)s may not act for this organisation."),
        ),
        (r"an empty text says nothing", N_("An empty text says nothing.")),
        (
            r"this page is too old, or of another session: load it again",
            N_("This page is too old, or of another session: load it again."),
        ),
        (
            r"this request does not come from the console's own pages",
            N_("This request does not come from the console's own pages."),
        ),
        (
            r"a password has at least (?P<number>\d+) characters",
            N_("A password has at least %(number)s characters."),
        ),
        (
            r"this password is easily guessed: choose another",
            N_("This password is easily guessed: choose another."),
        ),
        (r"the present password is wrong", N_("The present password is wrong.")),
    )
)
TRANSLATED = frozenset({"level", "kind"})
"""Parts of a sentence that are words of ours; all others are values."""
MORE: Mapping[str, str] = {
    "; split off from incident ": N_("split off from incident %(number)s"),
    "; came with incident ": N_("came with incident %(number)s"),
}
"""What is added to a reason when incidents are parted or joined."""


def say(words: gettext.NullTranslations, value: object) -> str:
    """Return a word or sentence of ours in the reader's language; anything else unchanged."""
    said = "" if value is None else str(value)
    if said in WORDS:
        return words.gettext(said)
    for added, message in MORE.items():
        first, is_added, other = said.rpartition(added)
        if is_added and other.isdigit():
            return f"{say(words, first)}; {words.gettext(message) % {'number': other}}"
    for pattern, message in SENTENCES:
        if found := pattern.fullmatch(said):
            parts = found.groupdict().items()
            return words.gettext(message) % {name: _part(words, name, p) for name, p in parts}
    return said


def _part(words: gettext.NullTranslations, name: str, part: str) -> str:
    if name == "things":
        named = (each.partition(" ") for each in part.split(", "))
        return ", ".join(
            f"{words.gettext(kind) if kind in KINDS else kind}{space}{value}"
            for kind, space, value in named
        )
    return words.gettext(part) if name in TRANSLATED and part in WORDS else part


def number(language: str, value: int) -> str:
    """Return a number with its thousands apart, as the language has them."""
    shown = f"{value:,}"
    return shown.replace(",", ".") if language == "vi" else shown


def span(words: gettext.NullTranslations, seconds: float | None) -> str:
    """Return a length of time in few words: ``5 min``."""
    if seconds is None:
        return ""
    count, unit = texts.span(seconds)
    forms = {"s": N_("%(count)s s"), "min": N_("%(count)s min"), "h": N_("%(count)s h"),
             "d": N_("%(count)s d")}  # fmt: skip
    return words.gettext(forms[unit]) % {"count": count}
