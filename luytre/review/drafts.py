"""The life of content: draft, checked, tested, approved by another person, active, retired.

What is approved is, byte for byte, what was tested: a draft never changes, and a change
is another draft.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, get_args

import msgspec

from detections.filters import EXPIRES
from detections.load import load_rules
from detections.reviewed import write_reviewed
from luytre.audit.book import LogQuery
from luytre.audit.canonical import stamp
from luytre.core.errors import Refused
from luytre.core.organization import Scope
from luytre.core.yamlfile import read_yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from luytre.audit.database import CaseDatabase, Change
    from luytre.core.actor import Actor
    from luytre.core.clock import Clock
    from luytre.core.errors import Fault

Kind = Literal["rule", "filter"]
State = Literal["checked", "tested", "approved", "active", "retired", "refused"]
STATES: tuple[State, ...] = get_args(State)
REASON_CHARS_MAX = 2_000
_COLUMNS = (
    "id, kind, name, title, organization, text, digest, reason, expires_at, state, drafted_by,"
    " drafted_at, test, approved_by, changed_at, search"
)


@dataclass(frozen=True, slots=True)
class Draft:
    """Content on its way.

    Times are texts in UTC; ``test`` is what the test came to, ``search`` what was found when the
    active rule was run back over the archive. ``name`` is the id of its rule, correlation, or
    filter; ``organization`` is whose hits a filter hides, "" for everybody's.
    """

    id: int
    kind: Kind
    name: str
    title: str
    organization: str
    text: str
    digest: str
    reason: str
    expires_at: str
    state: State
    drafted_by: str
    drafted_at: str
    test: Mapping[str, Any]
    approved_by: str
    changed_at: str
    search: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """A line of a draft's life, from the history."""

    at: str
    user: str
    action: str
    detail: Mapping[str, Any]


class Drafts:
    """Every call takes the actor, and leaves its entry in the history with what it changes.

    ``folder`` is the review folder: drafts lie in it as files, and what is active, where the
    running system looks for it. ``publish`` is called when that changed, to tell other machines.
    """

    def __init__(
        self,
        cases: CaseDatabase,
        clock: Clock,
        folder: Path,
        publish: Callable[[], object] = lambda: None,
    ) -> None:
        self._cases, self._clock, self._folder, self._publish = cases, clock, folder, publish

    def propose(
        self,
        actor: Actor,
        text: bytes,
        reason: str,
        check: Callable[[Path], Sequence[Fault]],
        organization: str = "",
    ) -> Draft:
        """Take a rule, correlation, or filter as a draft, if ``check`` finds no fault in its file.

        Raises:
            Refused: with every fault; the file holds not exactly one; there is no reason; a filter
                does not say who owns it, why, and when it ends.
        """
        actor.require("content.propose", organization)
        digest = hashlib.sha256(text).hexdigest()
        path = self._kept(text, digest)
        kind, name, title, expires_at = _read(path, self._clock.now())
        faults = check(path)
        if faults:
            raise Refused("\n".join(f"line {f.line}: {f.problem}; {f.remedy}" for f in faults))
        if not reason.strip() or len(reason) > REASON_CHARS_MAX:
            raise Refused(f"say why, in at most {REASON_CHARS_MAX} characters")
        with self._cases.change(actor) as change:
            now = stamp(self._clock.now())
            number: Any = change.connection.execute(
                "INSERT INTO content_drafts (kind, name, title, organization, text, digest, reason,"
                " expires_at, state, drafted_by, drafted_at, changed_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'checked', ?, ?, ?) RETURNING id",
                (kind, name, title, organization, text.decode(), digest, reason, expires_at,
                 actor.user, now, now),
            ).get  # fmt: skip
            draft = self._get(int(number))
            self._record(change, "content.draft", draft, reason=reason, title=title, name=name)
        return draft

    def path(self, draft: Draft) -> Path:
        """Return the file of a draft; what it holds is what its digest says."""
        return self._kept(draft.text.encode(), draft.digest)

    def tested(self, actor: Actor, number: int, test: Mapping[str, Any]) -> Draft:
        """Keep what a test came to. Raises ``Refused`` if that is no longer asked for."""
        with self._cases.change(actor) as change:
            draft = self._on(actor, number, "checked", "tested")
            change.connection.execute(
                "UPDATE content_drafts SET state = 'tested', test = ?, changed_at = ? WHERE id = ?",
                (msgspec.json.encode(test).decode(), stamp(self._clock.now()), number),
            )
            self._record(change, "content.test", draft, test=_whole(test))
        return self.get(number, actor.scope)

    def approve(self, actor: Actor, number: int, digest: str) -> Draft:
        """Agree to what was tested, named by the beginning of its digest.

        Raises:
            Refused: it is not tested, it is another text, or the person drafted it.
        """
        with self._cases.change(actor) as change:
            draft = self._on(actor, number, "tested")
            actor.require("content.approve", draft.organization)
            if actor.user == draft.drafted_by:
                raise Refused(f"{actor.user} drafted it: another person must agree")
            if len(digest) < 8 or not draft.digest.startswith(digest):  # noqa: PLR2004
                raise Refused(f"draft {number} is {draft.digest[:16]}, not {digest}: look again")
            _unexpired(draft.expires_at, self._clock.now())
            change.connection.execute(
                "UPDATE content_drafts SET state = 'approved', approved_by = ?, changed_at = ?"
                " WHERE id = ?",
                (actor.user, stamp(self._clock.now()), number),
            )
            self._record(change, "content.approve", draft, state="approved")
        return self.get(number, actor.scope)

    def refuse(self, actor: Actor, number: int, reason: str) -> Draft:
        """Say no to a draft."""
        self._end(actor, number, "content.refuse", "refused", reason, STATES[:3])
        return self.get(number, actor.scope)

    def activate(self, actor: Actor, number: int) -> Draft:
        """Let approved content run; an active version of the same id is retired with it."""
        with self._cases.change(actor) as change:
            draft = self._on(actor, number, "approved")
            _unexpired(draft.expires_at, self._clock.now())
            now = stamp(self._clock.now())
            older: Any = change.connection.execute(
                "UPDATE content_drafts SET state = 'retired', changed_at = ?"
                " WHERE name = ? AND state = 'active' RETURNING id",
                (now, draft.name),
            ).get
            change.connection.execute(
                "UPDATE content_drafts SET state = 'active', changed_at = ? WHERE id = ?",
                (now, number),
            )
            self._record(change, "content.activate", draft, state="active", replaces=older or 0)
        self.publish()
        return self.get(number, actor.scope)

    def retire(self, actor: Actor, number: int, reason: str) -> Draft:
        """Take content out of what runs."""
        self._end(actor, number, "content.retire", "retired", reason, ("active",))
        self.publish()
        return self.get(number, actor.scope)

    def unsearched(self, activated_before: datetime) -> list[Draft]:
        """Return active rules that were not run back over the archive yet, oldest first."""
        where = "state = 'active' AND kind = 'rule' AND search = '' AND changed_at <= ?"
        return self._find(where, stamp(activated_before))[::-1]

    def searched(self, actor: Actor, number: int, found: Mapping[str, Any]) -> None:
        """Keep what an active rule found in the archive."""
        with self._cases.change(actor) as change:
            draft = self._on(actor, number, "active")
            change.connection.execute(
                "UPDATE content_drafts SET search = ? WHERE id = ?",
                (msgspec.json.encode(found).decode(), number),
            )
            self._record(change, "content.search", draft, found=_whole(found))

    def publish(self) -> bool:
        """Bring what runs to what is active; tell whether it was anything else.

        A process that dies between the decision and this leaves it to whoever calls it next.
        """
        files = {
            f"{draft.kind}-{draft.id}.yml": draft.text.encode()
            for draft in self._find("state = 'active'")
        }
        changed = write_reviewed(self._folder, files)
        if changed:
            self._publish()
        return changed

    def get(self, number: int, scope: Scope) -> Draft:
        """Return a draft. Raises ``Refused`` if there is none that may be seen."""
        draft = self._get(number)
        if draft.organization and not scope.allows(draft.organization):
            raise Refused(f"there is no draft {number}")
        return draft

    def find(self, scope: Scope, kind: Kind | None = None, state: str = "") -> list[Draft]:
        """Return drafts, newest first: of a kind, in a state, if they are given."""
        found = self._find("(?1 = '' OR kind = ?1) AND (?2 = '' OR state = ?2)", kind or "", state)
        return [d for d in found if not d.organization or scope.allows(d.organization)]

    def life(self, number: int, scope: Scope) -> list[Step]:
        """Return what happened to a draft, oldest first, from the history."""
        draft = self.get(number, scope)
        found = self._cases.book.find(
            LogQuery(subject=f"content:{number}", limit=200), Scope.only(draft.organization)
        )
        return [
            Step(
                read.entry["at"],
                read.entry["actor"]["user"],
                read.entry["action"],
                {k: v for k, v in (read.detail or {}).items() if k != "nonce"},
            )
            for read in reversed(found)
        ]

    def _end(
        self,
        actor: Actor,
        number: int,
        action: str,
        state: State,
        reason: str,
        states: Sequence[State],
    ) -> None:
        if not reason.strip() or len(reason) > REASON_CHARS_MAX:
            raise Refused(f"say why, in at most {REASON_CHARS_MAX} characters")
        with self._cases.change(actor) as change:
            draft = self._on(actor, number, *states)
            change.connection.execute(
                "UPDATE content_drafts SET state = ?, changed_at = ? WHERE id = ?",
                (state, stamp(self._clock.now()), number),
            )
            self._record(change, action, draft, state=state, reason=reason)

    def _on(self, actor: Actor, number: int, *states: State) -> Draft:
        draft = self.get(number, actor.scope)
        if draft.state not in states:
            raise Refused(f"draft {number} is {draft.state}, not {' or '.join(states)}")
        return draft

    def _record(self, change: Change, action: str, draft: Draft, **detail: Any) -> None:
        change.record(
            action,
            f"content:{draft.id}",
            organization=draft.organization,
            digest=draft.digest,
            before=draft.state,
            **detail,
        )

    def _get(self, number: int) -> Draft:
        found = self._find("id = ?", number)
        if not found:
            raise Refused(f"there is no draft {number}")
        return found[0]

    def _find(self, where: str, *values: str | int) -> list[Draft]:
        sql = f"SELECT {_COLUMNS} FROM content_drafts WHERE {where} ORDER BY id DESC"  # noqa: S608
        rows: Any = self._cases.connection.execute(sql, values)
        return [_draft(list(row)) for row in rows]

    def _kept(self, text: bytes, digest: str) -> Path:
        path = self._folder / "drafts" / f"{digest}.yml"
        if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.write_bytes(text)
        return path


def _draft(row: list[Any]) -> Draft:
    for at in (12, 15):
        row[at] = msgspec.json.decode(row[at]) if row[at] else {}
    return Draft(*row)


def _whole(value: Any) -> Any:
    """Return facts as the history keeps them: it has no fractions."""
    if isinstance(value, float):
        return round(value)
    if isinstance(value, dict):
        return {key: _whole(each) for key, each in value.items()}
    return [_whole(each) for each in value] if isinstance(value, list | tuple) else value


def _unexpired(expires_at: str, now: datetime) -> None:
    if expires_at and expires_at <= stamp(now):
        raise Refused(f"it ended at {expires_at}")


def _read(path: Path, now: datetime) -> tuple[Kind, str, str, str]:
    """Return what a file holds: kind, id, title, and when it ends."""
    documents, faults = read_yaml(path)
    if faults or len(documents) != 1 or not isinstance(documents[0].data, dict):
        raise Refused("a draft is one rule, correlation, or filter: one YAML document")
    data = documents[0].data
    if "filter" in data:
        loaded = load_rules([path], builtin=False)
        if not loaded.filters:
            raise Refused("\n".join(map(str, loaded.faults)) or "this is no filter")
        found = loaded.filters[0]
        missing = [key for key in ("owner", "reason", EXPIRES) if not str(data.get(key) or "")]
        if missing or found.expires_us is None:
            raise Refused(f"a filter must say its {', '.join(missing) or EXPIRES}")
        expires_at = stamp(datetime.fromtimestamp(found.expires_us / 1e6, UTC))
        _unexpired(expires_at, now)
        return "filter", found.id, found.title, expires_at
    for name in ("id", "title"):
        if not data.get(name):
            raise Refused(f"a draft must have its {name}")
    return "rule", str(data["id"]), str(data["title"]), ""
