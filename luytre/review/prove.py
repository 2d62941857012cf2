"""A filter's proof: what it would have hidden in the archive, and that it hides nothing true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from luytre.core.errors import Refused
from luytre.review.backtest import Report
from luytre.review.protected import Protection, Violation, check_protected

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from luytre.core.actor import Actor
    from luytre.core.alert import Alert
    from luytre.core.organization import Scope
    from luytre.review.backtest import Backtest, Progress
    from luytre.review.drafts import Draft, Drafts
    from luytre.review.protected import Decode
    from luytre.review.side import Side

SHOWN_MAX = 20


class HidesTruth(Refused):
    """A filter would hide what is protected; the text shows it."""

    exit_code = 8


@dataclass(frozen=True, slots=True)
class Proof:
    """What a test of a draft came to."""

    report: Report
    protection: Protection


def prove_draft(  # noqa: PLR0913 - what it is made of
    drafts: Drafts,
    actor: Actor,
    draft: Draft,
    backtest: Backtest,
    after: Side,
    protected: Sequence[Alert],
    decode: Decode,
    *,
    progress: Progress = lambda _done, _all: None,
    stopped: Callable[[], bool] = bool,
) -> Proof:
    """Run a draft over the archive, and a filter over what is protected; keep what came of it.

    Raises:
        HidesTruth: the filter hides a protected event, which the text shows; it stays a draft.
        Refused: the draft is no longer one, or another process tests it.
    """
    report = backtest.run(progress, stopped)
    if not report.finished:
        return Proof(report, Protection(0, 0, ()))
    protection = Protection(0, 0, ())
    if draft.kind == "filter":
        protection = check_protected(after, draft.name, protected, decode, actor.scope)
        violations = [*protection.violations, *_lost(backtest, protected, protection, actor.scope)]
        if violations:
            raise HidesTruth(_said(draft, violations))
    drafts.tested(actor, draft.id, summary(report, protection))
    return Proof(report, protection)


def summary(report: Report, protection: Protection) -> dict[str, Any]:
    """Return what the history keeps of a test."""
    return {
        "backtest": report.key,
        "content before": report.digest_before,
        "content after": report.digest_after,
        "since": report.since,
        "until": report.until,
        "events": report.events,
        "judged": report.judged,
        "gained": report.gained,
        "lost": report.lost,
        "level changed": report.level_changed,
        "protected alerts": protection.alerts,
        "protected examples": protection.examples,
        "not judged again": len(protection.unjudged),
    }


def _lost(
    backtest: Backtest, protected: Sequence[Alert], known: Protection, seen: Scope
) -> list[Violation]:
    """Return protected alerts that the archive would lose: those of correlations too."""
    keys = {alert.episode or alert.id: alert for alert in protected}
    said = {violation.what for violation in known.violations}
    found = backtest.job.differences("lost", ids=sorted(keys)) if keys else []
    return [
        Violation(
            f"alert {each.id[:16]}",
            each.rule,
            each.title,
            each.at if seen.allows(each.organization) else "",
            each.organization if seen.allows(each.organization) else "another organisation",
            "",
        )
        for each in found
        if f"alert {each.id[:16]}" not in said
    ]


def _said(draft: Draft, violations: Sequence[Violation]) -> str:
    lines = [f"draft {draft.id} would hide {len(violations)} protected events:"]
    for each in violations[:SHOWN_MAX]:
        lines.append(f"  {each.what}: {each.title} {each.at} {each.organization}".rstrip())
        if each.original:
            lines.append(f"    {each.original[:2_000]!r}")
    return "\n".join(lines)
