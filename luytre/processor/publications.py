"""Who put which rules on the topic ``config``, and who agreed: kept and recorded in the history.

A publication is *proposed* where a second person must agree, then *sending*, which is recorded
before anything leaves, then *published*. What died between the two is found as sending, and ends
when the same bundle is published again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from luytre.audit.canonical import stamp
from luytre.audit.database import Room
from luytre.core.errors import Refused

if TYPE_CHECKING:
    from luytre.audit.database import CaseDatabase, Change
    from luytre.core.actor import Actor
    from luytre.core.clock import Clock

ROOM = Room(
    "publications",
    [
        """
        CREATE TABLE publications (
            digest TEXT PRIMARY KEY,
            state TEXT NOT NULL CHECK (state IN ('proposed', 'sending', 'published')),
            proposed_by TEXT NOT NULL,
            agreed_by TEXT NOT NULL DEFAULT '',
            changed_at TEXT NOT NULL
        ) STRICT;
        """
    ],
    {
        "content.propose": "content.propose",
        "content.publish": "content.approve",
        "content.published": "content.approve",
    },
)
SHOWN = 12


@dataclass(frozen=True, slots=True)
class Offer:
    """A bundle that somebody wants to run instead of ``before``."""

    digest: str
    before: str
    files: int
    faults: int

    @property
    def subject(self) -> str:
        return f"bundle:{self.digest[:SHOWN]}"

    @property
    def detail(self) -> dict[str, str | int]:
        return {
            "before": self.before,
            "after": self.digest,
            "files": self.files,
            "faults": self.faults,
        }


@dataclass(frozen=True, slots=True)
class Publication:
    """One bundle's way to the workers."""

    digest: str
    state: str
    proposed_by: str
    agreed_by: str
    changed_at: str


class Publications:
    """The publications of an installation, in its case database."""

    def __init__(self, cases: CaseDatabase, clock: Clock) -> None:
        self._cases, self._clock = cases, clock

    def of(self, digest: str) -> Publication | None:
        """Return what is known of a bundle."""
        row = self._cases.connection.execute(
            "SELECT digest, state, proposed_by, agreed_by, changed_at FROM publications"
            " WHERE digest = ?",
            (digest,),
        ).fetchone()
        return Publication(*map(str, row)) if row else None

    def propose(self, actor: Actor, offer: Offer) -> None:
        """Ask for a second person. Raises ``Forbidden``."""
        with self._cases.change(actor) as change:
            self._put(change, offer.digest, "proposed", actor.user)
            change.record("content.propose", offer.subject, organization="", **offer.detail)

    def begin(self, actor: Actor, offer: Offer, *, alone: bool) -> None:
        """Record that a bundle is about to be sent. Nothing may leave before this returns.

        Unless ``alone``, another person must have proposed this very bundle.

        Raises:
            Forbidden: the actor has no role for it.
            Refused: nobody proposed it, or the actor did.
        """
        known = self.of(offer.digest)
        # What was agreed to and not finished is finished by whoever may publish.
        if not alone and not (known and known.state == "sending"):
            _check_second(actor, offer.digest, known)
        by = known.proposed_by if known and not alone else actor.user
        with self._cases.change(actor) as change:
            self._put(change, offer.digest, "sending", by, actor.user)
            change.record(
                "content.publish", offer.subject, organization="", **offer.detail, proposed_by=by
            )

    def finish(self, actor: Actor, offer: Offer) -> None:
        """Record that the brokers have the bundle, and that it should run."""
        known = self.of(offer.digest)
        assert known is not None
        with self._cases.change(actor) as change:
            self._put(change, known.digest, "published", known.proposed_by, known.agreed_by)
            change.record("content.published", offer.subject, organization="", after=known.digest)

    def _put(
        self, change: Change, digest: str, state: str, proposed_by: str, agreed_by: str = ""
    ) -> None:
        change.connection.execute(
            "INSERT INTO publications VALUES (?, ?, ?, ?, ?) ON CONFLICT (digest) DO UPDATE SET"
            " state = excluded.state, proposed_by = excluded.proposed_by,"
            " agreed_by = excluded.agreed_by, changed_at = excluded.changed_at",
            (digest, state, proposed_by, agreed_by, stamp(self._clock.now())),
        )


def _check_second(actor: Actor, digest: str, known: Publication | None) -> None:
    shown = digest[:SHOWN]
    if known is None or known.state != "proposed":
        raise Refused(
            f"nobody has proposed {shown}, which is what the folders hold now:"
            " `luytre kafka publish` proposes it"
        )
    if known.proposed_by == actor.user:
        raise Refused(f"{actor.user} proposed {shown}: another person must agree")
