"""Regexes that rules bring: google-re2, limited in length and size, and in what texts can cost.

Linear time is not enough: a text can make RE2 build a new state at every character, a thousand
times slower than others (``detections.regex_states``). Of such a regex only short texts go to RE2;
longer ones go through bit streams (``detections.regex_streams``), which no text can slow down.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import re2

from detections.regex_states import (
    POSITION_US,
    STATE_US,
    TooManyStatesError,
    check_states,
)
from detections.regex_streams import NoStreamsError, Streams

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

LENGTH_MAX = 4096
INSTRUCTIONS_MAX = 20_000
"""RE2 takes at most this many steps for one byte of text; the largest of SigmaHQ needs 8,005."""
COMPILED_MAX, MEMORY_MAX = 2**20, 32 * 2**20
"""Bytes for a program, which bound the time to compile it, and for its states."""
SHORT_US = 1_000.0
"""What a text may cost that goes to RE2 although it could build a state at every character."""


class BadRegexError(ValueError):
    """A regex that cannot be used; the text says why."""


class Regex:
    """A compiled regex; it looks for itself anywhere in a text."""

    __slots__ = ("_compiled", "_found", "_short", "_streams", "pattern")

    def __init__(self, pattern: str, compiled: Any, found: Any, streams: Streams | None) -> None:
        self.pattern = pattern
        self._compiled, self._found, self._streams = compiled, found, streams
        step_us = STATE_US + POSITION_US * compiled.programsize
        self._short = int(SHORT_US / step_us)

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
        if self._streams is not None and len(text) > self._short:
            return self._streams.found_in(text)
        # As a set of one: twice as fast as a search, and no second pass for where it starts.
        return bool(self._found(text.encode(errors="surrogatepass")))


def compile_regex(
    pattern: str, *, ignore_case: bool, multiline: bool, dotall: bool, counts: bool = True
) -> Regex:
    """Return ``pattern`` ready to search.

    The flags are Sigma's i, m, and s. Raises ``BadRegexError`` for what RE2 refuses (look-around,
    back-references, counts over 1,000) and for what would be large, long, or slow on some text.
    Without ``counts`` its states need not be counted: literals with anything between them.
    """
    if len(pattern) > LENGTH_MAX:
        raise BadRegexError(f"is longer than {LENGTH_MAX} characters")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = COMPILED_MAX
    options.case_sensitive = not ignore_case
    options.dot_nl = dotall
    # RE2 has no option for it: one_line counts in POSIX syntax only.
    written = f"(?m){pattern}" if multiline else pattern
    try:
        compiled = re2.compile(written, options)
        if compiled.programsize > INSTRUCTIONS_MAX:
            raise BadRegexError(f"compiles to more than {INSTRUCTIONS_MAX} instructions")
        found = _set(written, options)
    except (re2.error, UnicodeEncodeError) as error:
        raise BadRegexError(_reason(error)) from error
    if not counts:
        return Regex(pattern, compiled, found, None)
    streams = _streams(
        _as_python(pattern), ignore_case=ignore_case, multiline=multiline, dotall=dotall
    )
    return Regex(pattern, compiled, found, streams)


def _set(pattern: str, options: Any) -> Callable[[bytes], list[int]]:
    options.never_capture = True
    options.max_mem = MEMORY_MAX
    only = re2.Set.SearchSet(options)
    only.Add(pattern)
    only.Compile()
    match: Callable[[bytes], list[int]] = only.Match
    return match


def _streams(pattern: str, *, ignore_case: bool, multiline: bool, dotall: bool) -> Streams | None:
    """Return how long texts are searched, None if RE2 can take them all.

    Raises ``BadRegexError`` if neither can.
    """
    try:
        check_states(pattern, ignore_case=ignore_case, dotall=dotall)
    except TooManyStatesError:
        try:
            return Streams(pattern, ignore_case=ignore_case, multiline=multiline, dotall=dotall)
        except NoStreamsError as error:
            problem = f"would be slow on some texts: it can be in too many states, and {error}"
            raise BadRegexError(problem) from error
    except (re.error, OverflowError, RecursionError) as error:
        raise BadRegexError(f"cannot be read in every place: {error}") from error
    return None


def _as_python(pattern: str) -> str:
    r"""Return a pattern as Python's reader of regexes takes it: RE2 writes ``\z`` for ``\Z``."""
    ends = pattern.endswith(r"\z") and (len(pattern) - len(pattern[:-1].rstrip("\\"))) % 2 == 0
    return f"{pattern[:-1]}Z" if ends else pattern


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeEncodeError):
        return "holds a lone surrogate"
    text = error.args[0] if error.args else error
    return text.decode(errors="replace") if isinstance(text, bytes) else str(text)
