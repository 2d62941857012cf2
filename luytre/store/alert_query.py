"""Turns an ``AlertQuery`` and a ``Scope`` into SQL with every value bound."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from luytre.core.folding import Phrase, fold_text, parse_text, words_of
from luytre.store.alert_rows import hidden_term, host_term, place, tag_term, user_term

if TYPE_CHECKING:
    from collections.abc import Sequence

    from luytre.core.alert import AlertQuery
    from luytre.core.organization import Scope

Value = str | int


@dataclass(slots=True)
class Selection:
    """Which alerts to read: the clauses of a SELECT, and their values in order.

    Every clause is ours; what users and logs say is only ever bound.
    """

    conditions: list[str] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    place: str = "alerts.place"
    joined: str = "alerts"
    walks: bool = False

    def also(self, condition: str, *values: Value) -> None:
        """Narrow the selection."""
        self.conditions.append(condition)
        self.values.extend(values)

    def show(self) -> None:
        """Leave out documents of episodes that are not shown."""
        # Written out, because a bound value would not let SQLite use the indexes of what is shown.
        self.also("alerts.shown = 1")

    def belong(self, organization: str, episode: str) -> None:
        """Read all documents of one episode."""
        self.also("alerts.organization = ?", organization)
        self.also("alerts.episode = ? AND alerts.episode <> ''", episode)

    def drive(self, table: str, column: str) -> None:
        """Read ``table`` first, whose ``column`` is the place, in its own order.

        Both the index of words and that of terms give places newest first, so a page costs no more
        than its rows; CROSS JOIN keeps SQLite from sorting all matches instead.
        """
        self.place = f"{table}.{column}"
        self.joined = f"{table} CROSS JOIN alerts ON alerts.place = {self.place}"

    def walk(self) -> None:
        """Read alerts newest first where nothing else drives, however many the scope holds.

        Of several organisations or all SQLite would gather all alerts and sort them for each page.
        """
        if self.joined == "alerts" and self.walks:
            self.joined = "alerts NOT INDEXED"

    @property
    def source(self) -> str:
        """The FROM and WHERE clauses."""
        return f"FROM {self.joined} WHERE {' AND '.join(self.conditions or ['1'])}"

    @property
    def order(self) -> str:
        """The ORDER BY clause: newest first."""
        return f"ORDER BY {self.place} DESC"


def within(scope: Scope) -> Selection:
    """Return the selection of all that a scope may see."""
    selection = Selection(walks=scope.organizations is None or len(scope.organizations) > 1)
    if scope.organizations is not None:
        _among(selection, "organization", sorted(scope.organizations))
    return selection


def select(query: AlertQuery, scope: Scope, *, rule_is_id: bool) -> Selection:
    """Return the selection of a query. ``rule_is_id``: its rule is an id, not words of a title."""
    selection = within(scope)
    if query.hidden:
        selection.also("alerts.shown = 0")
    else:
        selection.show()
    if query.levels:
        _among(selection, "level", query.levels)
    if query.rule and rule_is_id:
        selection.also("alerts.rule = ?", query.rule)
        selection.walks = False
    matches = [f"({_match(query.text)})"] if query.text else []
    if query.rule and not rule_is_id:
        matches.append(f"{{title}} : ({_match(query.rule)})")
    if matches:
        # The terms decide below; their words in the index spare looking at every match of a text.
        matches += [_side_by_side("host", query.host), _side_by_side("user", query.user)]
        selection.drive("alerts_text", "rowid")
        selection.also("alerts_text MATCH ?", " AND ".join(filter(None, matches)))
    _narrow_terms(selection, query)
    if query.since is not None:
        selection.also(f"{selection.place} >= ?", place(query.since))
    if query.until is not None:
        selection.also(f"{selection.place} < ?", place(query.until))
    return selection


def _among(selection: Selection, column: str, values: Sequence[str]) -> None:
    selection.also(f"alerts.{column} IN ({','.join('?' * len(values))})", *values)


def _narrow_terms(selection: Selection, query: AlertQuery) -> None:
    asked = ((host_term, query.host), (user_term, query.user), (tag_term, query.tag))
    wanted = [term(value) for term, value in asked if value]
    if query.hidden:
        wanted.insert(0, hidden_term(query.hidden_by))
    for term in wanted:
        if selection.joined == "alerts":
            selection.drive("alert_terms", "place")
            selection.also("alert_terms.term = ?", term)
        else:
            found = "SELECT 1 FROM alert_terms t WHERE t.term = ? AND t.place = alerts.place"
            selection.also(f"EXISTS ({found})", term)


def _match(text: str) -> str:
    """Return an FTS5 expression of quoted letters and digits only, so text is never syntax.

    Text without a word is found nowhere, as is an empty phrase (SQLite's FTS5, section 3.1).
    """
    groups = (" OR ".join(map(_phrase, group)) for group in parse_text(text))
    return " AND ".join(f"({group})" for group in groups) or '""'


def _side_by_side(column: str, value: str) -> str:
    folded = fold_text(value)
    words = words_of(folded)
    # Beyond ASCII Python and SQLite may differ on what a letter is: then the terms decide alone.
    return f"{{{column}}} : {_phrase(Phrase(words))}" if words and folded.isascii() else ""


def _phrase(phrase: Phrase) -> str:
    return f'"{" ".join(phrase.words)}"{" *" if phrase.prefix else ""}'
