"""Regexes that rules bring, in linear time: google-re2, limited in length and in size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import re2

if TYPE_CHECKING:
    from typing import Any

LENGTH_MAX = 4096
INSTRUCTIONS_MAX = 20_000
"""RE2 takes at most this many steps for one byte of text; the largest of SigmaHQ needs 8,005."""
MEMORY_MAX = 8 * 2**20


class BadRegexError(ValueError):
    """A regex that cannot be used; the text says why."""


class Regex:
    """A compiled regex; it looks for itself anywhere in a text."""

    __slots__ = ("_compiled", "pattern")

    def __init__(self, pattern: str, compiled: Any) -> None:
        self.pattern = pattern
        self._compiled = compiled

    def search(self, text: str) -> tuple[int, int] | None:
        """Return where the leftmost match starts and ends, in characters."""
        data = text.encode(errors="surrogatepass")
        found = self._compiled.search(data)
        if found is None:
            return None
        start = len(data[: found.start()].decode(errors="replace"))
        return start, start + len(data[found.start() : found.end()].decode(errors="replace"))

    def found_in(self, text: str) -> bool:
        """Tell whether ``search`` would find anything, without working out where."""
        return self._compiled.search(text.encode(errors="surrogatepass")) is not None


def compile_regex(pattern: str, *, ignore_case: bool, multiline: bool, dotall: bool) -> Regex:
    """Return ``pattern`` ready to search.

    The flags are Sigma's i, m, and s. Raises ``BadRegexError`` for what RE2 refuses (look-around,
    back-references, counts over 1,000) and for what would be large or long.
    """
    if len(pattern) > LENGTH_MAX:
        raise BadRegexError(f"is longer than {LENGTH_MAX} characters")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MEMORY_MAX
    options.case_sensitive = not ignore_case
    options.dot_nl = dotall
    try:
        # RE2 has no option for it: one_line counts in POSIX syntax only.
        compiled = re2.compile(f"(?m){pattern}" if multiline else pattern, options)
    except (re2.error, UnicodeEncodeError) as error:
        raise BadRegexError(_reason(error)) from error
    if compiled.programsize > INSTRUCTIONS_MAX:
        raise BadRegexError(f"compiles to more than {INSTRUCTIONS_MAX} instructions")
    return Regex(pattern, compiled)


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeEncodeError):
        return "holds a lone surrogate"
    text = error.args[0] if error.args else error
    return text.decode(errors="replace") if isinstance(text, bytes) else str(text)
