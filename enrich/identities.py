"""Adds whose account an event names: full name, organisation, kind, privileges."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from enrich.files import CsvRow, Notes, TableFile, UnusableError, csv_rows
from enrich.lookup import ANSWERS_KEPT, Answer, column, known, look_up
from enrich.validity import Periods, Validity, validity
from luytre.core.cells import fold, texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import polars as pl

COLUMNS = ("user.full_name", "user.organization", "user.privileged", "user.kind")
KINDS = frozenset({"", "person", "service"})
_TRUTH = {"": "", "true": "true", "yes": "true", "1": "true"}
_TRUTH |= {"false": "false", "no": "false", "0": "false"}


@dataclass(frozen=True, slots=True)
class Account:
    """A line of the list of accounts. ``domain`` is folded; empty matches any."""

    name: str
    domain: str
    full_name: str
    organization: str
    privileged: str
    kind: str
    validity: Validity


class Identities:
    """Adds the identity columns; an account that nobody listed has nulls."""

    needed = frozenset({"user.name", "user.domain"})
    columns = COLUMNS

    def __init__(self, accounts: Iterable[Account]) -> None:
        self._accounts: dict[str, list[Account]] = defaultdict(list)
        for account in accounts:
            self._accounts[account.name].append(account)
        self._periods = Periods(a.validity for same in self._accounts.values() for a in same)
        self._answer = lru_cache(ANSWERS_KEPT)(self._say)

    def __call__(self, events: pl.DataFrame) -> pl.DataFrame:
        """Add the columns."""
        keys = {
            "name": column(events, "user.name"),
            "domain": column(events, "user.domain"),
            "organization": column(events, "organization.id"),
            "at": self._periods.of(events),
        }
        return look_up(events, keys, self._answer, COLUMNS)

    def _say(
        self, name: str | None, domain: str | None, organization: str | None, at: int
    ) -> Answer | None:
        for text in texts(name):
            account = self._find(text, next(iter(texts(domain)), ""), organization, at)
            if account:
                said = (account.full_name, account.organization, account.privileged, account.kind)
                return tuple(map(known, said))
        return None

    def _find(self, text: str, domain: str, organization: str | None, at: int) -> Account | None:
        """Return the account meant: of its domain first, then of the event's organisation.

        Two accounts of one name in different organisations with nothing to tell them apart are
        nobody: a wrong name on an alert is worse than none.
        """
        name, inner = split_account(text)
        wanted = inner or fold(domain)
        held = [a for a in self._accounts.get(name, ()) if a.validity.holds(at)]
        fitting = [a for a in held if wanted and a.domain and same_domain(a.domain, wanted)]
        fitting = fitting or [a for a in held if not a.domain or not wanted]
        own = [a for a in fitting if a.organization == organization]
        if own:
            return own[-1]
        return fitting[-1] if len({a.organization for a in fitting}) == 1 else None


def split_account(text: str) -> tuple[str, str]:
    r"""Return the folded name and domain of ``DOMAIN\user``, ``user@domain`` or ``user``."""
    folded = fold(text)
    domain, slash, name = folded.rpartition("\\")
    if slash:
        return name, domain
    name, _, domain = folded.partition("@")
    return name, domain


def same_domain(one: str, other: str) -> bool:
    """Tell whether two folded domains are one: "bacninh" is the short form of "bacninh.gov.vn"."""
    if "." in one and "." in other:
        return one.rstrip(".") == other.rstrip(".")
    return one.partition(".")[0] == other.partition(".")[0]


def parse(file: TableFile) -> tuple[list[Account], list[str]]:
    """Return the accounts of a CSV file and what is wrong with it."""
    notes = Notes(file.path)
    accounts = []
    for row in csv_rows(file, ("user",), notes):
        try:
            accounts.append(_account(row))
        except ValueError as error:
            notes.add(row.line, str(error))
    if not accounts:
        raise UnusableError("\n".join([f"{file.path}: has no usable account", *notes.all()[:1]]))
    return accounts, notes.all()


def assemble(parsed: Sequence[list[Account]]) -> Identities:
    """Return the table of all files."""
    return Identities(account for accounts in parsed for account in accounts)


def _account(row: CsvRow) -> Account:
    name, domain = split_account(row.get("user"))
    privileged, kind = _TRUTH.get(fold(row.get("privileged"))), fold(row.get("kind"))
    if not name:
        raise ValueError("has no user")
    if privileged is None:
        raise ValueError(f"privileged {row.get('privileged')!r} is neither true nor false")
    if kind not in KINDS:
        raise ValueError(f"the kind {kind!r} is neither person nor service")
    return Account(
        name,
        domain or fold(row.get("domain")),
        row.get("full_name"),
        row.get("organization"),
        privileged,
        kind,
        validity(row.get("valid_from"), row.get("valid_to")),
    )
