"""Turns an ``AlertQuery`` and a ``Scope`` into Elasticsearch's query language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from luytre.core.folding import parse_text
from luytre.store.alert_rows import hidden_term, host_term, microseconds, tag_term, user_term
from luytre.store.elastic_documents import exact

if TYPE_CHECKING:
    from luytre.core.alert import AlertQuery
    from luytre.core.folding import Phrase
    from luytre.core.organization import Scope

Query = dict[str, Any]
Filters = list[Query]

WORDS, TITLE_WORDS = "luytre.words", "luytre.title_words"
WORD_CHARS_MAX = 255
"""Where the whitespace analyzer cuts a longer word, in what is stored and in what is asked."""
NOTHING: Query = {"match_none": {}}
SHOWN: Query = {"term": {"luytre.shown": True}}
FACTS: Query = {"terms": {"luytre.kind": ["alert", "revision"]}}
"""Every alert that is kept, each once: not the documents that show what is current."""


def within(scope: Scope) -> Filters:
    """Return the filters of all that a scope may see."""
    if scope.organizations is None:
        return []
    return [{"terms": {"organization.id": sorted(map(exact, scope.organizations))}}]


def select(query: AlertQuery, scope: Scope, *, rule_is_id: bool) -> Filters:
    """Return the filters of a query. ``rule_is_id``: its rule is an id, not words of a title."""
    filters = [*within(scope), _hidden(query.hidden_by) if query.hidden else SHOWN]
    if query.levels:
        filters.append({"terms": {"luytre.level": list(query.levels)}})
    if query.rule:
        by_id: Query = {"term": {"rule.id": exact(query.rule)}}
        filters += [by_id] if rule_is_id else text(query.rule, TITLE_WORDS)
    if query.text:
        filters += text(query.text, WORDS)
    asked = ((host_term, query.host), (user_term, query.user), (tag_term, query.tag))
    filters += [{"term": {"luytre.terms": exact(of(value))}} for of, value in asked if value]
    span = {}
    if query.since is not None:
        span["gte"] = microseconds(query.since)
    if query.until is not None:
        span["lt"] = microseconds(query.until)
    return [*filters, {"range": {"luytre.time_us": span}}] if span else filters


def _hidden(filter_id: str) -> Query:
    return {"term": {"luytre.terms": exact(hidden_term(filter_id))}}


def text(value: str, field: str) -> Filters:
    """Return filters that all hold where free text is found; text without a word is nowhere."""
    groups = [[_phrase(phrase, field) for phrase in group] for group in parse_text(value)]
    filters: Filters = [_any_of(group) for group in groups]
    return filters or [NOTHING]


def all_of(filters: Filters) -> Query:
    """Return a query that scores nothing and holds where all filters do."""
    return {"bool": {"filter": filters}} if filters else {"match_all": {}}


def _any_of(queries: list[Query]) -> Query:
    return queries[0] if len(queries) == 1 else {"bool": {"should": queries}}


def _phrase(phrase: Phrase, field: str) -> Query:
    *front, last = phrase.words
    if phrase.prefix and len(last) > WORD_CHARS_MAX:
        return NOTHING
    if not phrase.prefix:
        return {"match_phrase": {field: {"query": " ".join(phrase.words)}}}
    if not front:
        return {"prefix": {field: {"value": last}}}
    # match_phrase_prefix would look at the first fifty words that begin so and no others.
    side_by_side = {"query": " ".join(front), "ordered": True, "max_gaps": 0}
    rules = [{"match": side_by_side}, {"prefix": {"prefix": last}}]
    return {"intervals": {field: {"all_of": {"intervals": rules, "ordered": True, "max_gaps": 0}}}}
