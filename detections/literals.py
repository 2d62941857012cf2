"""What must stand in a text for an atom to hold: byte strings that one search can look for.

A text is searched as START + its folded UTF-8 + END. Neither mark can occur in UTF-8, so
``startswith x`` is simply START + x, and no find reaches from one text into the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from detections.regex_literals import required_literals
from detections.tree import ANY, unescaped
from luytre.core.cells import MARK, fold

if TYPE_CHECKING:
    from detections.tree import Atom

START, END = b"\xfe", b"\xff"

# What JSON may write differently from what it means, or what reading replaces.
_UNSAFE = frozenset('"\\\x7f\ufffd' + MARK) | {chr(c) for c in range(32)}
# Characters of which a number's shortest form consists: JSON may write 1e3 for 1000.
_NUMERIC = frozenset("0123456789.e+-infa")


def marked(text: str) -> bytes:
    """Return a text as it is searched."""
    return START + encoded(fold(text)) + END


def encoded(text: str) -> bytes:
    """Return the UTF-8 of a text; a rule's lone surrogates become bytes that no text has."""
    return text.encode(errors="surrogatepass")


def exact_literal(atom: Atom) -> bytes | None:
    """Return the byte string that stands in a marked text if and only if the atom holds."""
    if atom.cased or atom.field is None:
        return None
    if atom.operation == "like":
        return START if atom.pattern == ANY else None
    return _whole_literal(atom)


def necessary_literals(atom: Atom) -> list[bytes]:
    """Return byte strings each of which stands in a marked text if the atom holds there."""
    if atom.field is None:
        return _keyword_literals(atom)
    if atom.operation == "like":
        parts = [encoded(part) for part in unescaped(fold(atom.pattern))[::2]]
        found = [START + parts[0], *parts[1:-1], parts[-1] + END]
        return [literal for literal in found if literal not in (b"", START, END)] or [START]
    if atom.operation == "regex":
        return [encoded(fold(text)) for text in required_literals(atom.pattern, atom.flags)]
    whole = _whole_literal(atom)
    return [] if whole is None else [whole]


def _whole_literal(atom: Atom) -> bytes | None:
    pattern = encoded(fold(atom.pattern))
    match atom.operation:
        case "equals" | "boolean":
            return START + pattern + END
        case "startswith":
            return START + pattern
        case "endswith":
            return pattern + END
        case "contains":
            return pattern
    return None


def _keyword_literals(atom: Atom) -> list[bytes]:
    """Return literals for the event's raw bytes, in which JSON's escapes are not undone.

    They are parts of the keyword that JSON writes as they are and that are no number.
    """
    match atom.operation:
        case "contains" | "equals" | "startswith" | "endswith":
            texts = [fold(atom.pattern)]
        case "like":
            texts = unescaped(fold(atom.pattern))[::2]
        case "regex":
            texts = [fold(text) for text in required_literals(atom.pattern, atom.flags)]
        case _:
            return []
    pieces = [piece for text in texts for piece in _safe_pieces(text)]
    return [encoded(piece) for piece in pieces if not _NUMERIC.issuperset(piece)]


def _safe_pieces(text: str) -> list[str]:
    return "".join("\0" if sign in _UNSAFE else sign for sign in text).split("\0")
