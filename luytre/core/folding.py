"""Text as search compares it: no case, no Vietnamese marks, and terms of one meaning alike."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

TEXT_LENGTH_MAX = 1000
"""Characters of free text that are looked at: no person types more."""

_MARKS_END = 0x20000  # above it Unicode has no letters that decompose, and looking takes a second
# đ and Đ have no decomposition in Unicode; every other Vietnamese letter has one.
_STRIPPED: dict[int, str | None] = {
    **{code: None for code in range(0x300, _MARKS_END) if unicodedata.combining(chr(code)) != 0},
    ord("đ"): "d",
    ord("Đ"): "d",
}

EQUAL_TERMS: tuple[tuple[str, ...], ...] = (
    ("an ninh mang", "an toan thong tin mang", "an toan thong tin", "anm", "attt"),
)
"""Folded phrases that mean the same to a reader.

Decree 331 article 39(2): what older standards call "an toàn thông tin mạng" is read as the present
law's "an ninh mạng".
"""


def fold_text(text: str) -> str:
    """Return text as search compares it: decomposed, without marks, đ as d, in lower case."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFD", text).translate(_STRIPPED).lower()


@dataclass(frozen=True, slots=True)
class Phrase:
    """Folded words that must stand side by side; ``prefix`` lets the last one go on."""

    words: tuple[str, ...]
    prefix: bool = False


def parse_text(text: str) -> tuple[tuple[Phrase, ...], ...]:
    """Return what free text asks for: every group must hold, and of a group any phrase.

    Double quotes hold words together, a trailing ``*`` asks for a prefix, and everything else that
    is neither letter nor digit only separates. So no text is an error and none is syntax. A term of
    ``EQUAL_TERMS`` asks for its equals too.
    """
    groups: list[tuple[Phrase, ...]] = []
    for index, piece in enumerate(fold_text(text[:TEXT_LENGTH_MAX]).split('"')):
        quoted = index % 2 == 1
        phrases = [_phrase(piece)] if quoted else [_phrase(word) for word in piece.split()]
        phrases = [phrase for phrase in phrases if phrase.words]
        groups.extend(_with_equals(phrases))
    return tuple(groups)


def words_of(folded: str) -> tuple[str, ...]:
    """Return the runs of letters and digits of folded text."""
    return tuple("".join(c if c.isalnum() else " " for c in folded).split())


def _phrase(piece: str) -> Phrase:
    piece = piece.rstrip()
    return Phrase(words_of(piece), prefix=piece.endswith("*"))


def _with_equals(phrases: list[Phrase]) -> list[tuple[Phrase, ...]]:
    """Return the phrases as groups, with runs of words that are a term widened to its equals."""
    groups: list[tuple[Phrase, ...]] = []
    at = 0
    while at < len(phrases):
        width, group = _term(phrases[at:])
        groups.append(group if width else (phrases[at],))
        at += max(width, 1)
    return groups


def _term(phrases: list[Phrase]) -> tuple[int, tuple[Phrase, ...]]:
    """Return how many phrases at the front spell an equal term (longest first), and its equals."""
    for terms in EQUAL_TERMS:
        for term in sorted(terms, key=len, reverse=True):
            width = _spells(phrases, tuple(term.split()))
            if width:
                return width, tuple(Phrase(tuple(equal.split())) for equal in terms)
    return 0, ()


def _spells(phrases: list[Phrase], words: tuple[str, ...]) -> int:
    """Return how many phrases from the front make up exactly ``words``; 0 if they do not."""
    seen: tuple[str, ...] = ()
    for width, phrase in enumerate(phrases, 1):
        seen += phrase.words
        if phrase.prefix or seen != words[: len(seen)]:
            return 0
        if seen == words:
            return width
    return 0
