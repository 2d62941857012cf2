r"""Text for pages: what a log says is shown, and does nothing.

Escaping as markup is the templates' (autoescape). Here control, bidi and other characters that are
not seen become ``\xNN``, so that no value can pass for another, or turn what stands beside it.
"""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from luytre.core.zone import parse_zone

if TYPE_CHECKING:
    from collections.abc import Iterator

_LAID_OUT = "\n\t"
"""Kept as they are: lines of a text are lines."""


@lru_cache(maxsize=1)
def _unseen() -> re.Pattern[str]:
    return re.compile(f"[{''.join(_ranges())}]")


def _ranges() -> Iterator[str]:
    def seen(code: int) -> bool:
        return chr(code).isprintable() or chr(code) in _LAID_OUT

    for is_seen, codes in groupby(range(sys.maxunicode + 1), key=seen):
        if not is_seen:
            every = list(codes)
            yield f"\\U{every[0]:08x}-\\U{every[-1]:08x}"


def visible(value: object) -> object:
    """Return text with every unseen character written out; anything else as it is.

    It is what templates do to all that they print (``finalize``), markup of ours included.
    """
    if not isinstance(value, str) or value.isprintable():
        return value
    shown = _unseen().sub(lambda found: found[0].encode("unicode_escape").decode(), value)
    return Markup(shown) if isinstance(value, Markup) else shown  # noqa: S704 - it was markup before


def one_line(value: object) -> str:
    """Return text in one line: its line ends are written out too."""
    text = "" if value is None else str(value)
    return text.replace("\n", "\\n").replace("\t", "\\t")


def when(value: datetime | str | None, zone: str, *, seconds: bool = False) -> Markup:
    """Return a time in the reader's zone, with the exact one in UTC behind it."""
    moment = moment_of(value)
    if moment is None:
        return Markup("-")
    exact = moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    form = "%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M"
    try:
        local = moment.astimezone(parse_zone(zone)).strftime(form)
    except (OverflowError, ValueError):
        # A log may say the year 1, which no zone east of Greenwich can.
        local = exact
    return Markup('<time datetime="{0}" title="{0}">{1}</time>').format(exact, local)


def moment_of(value: datetime | str | None) -> datetime | None:
    """Return a time that a page or a row holds; None for none, or what is no time."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if value is not None and value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    return value


def typed(text: str, zone: str) -> datetime | None:
    """Return a time that a person typed in their zone (``2026-11-25``, with or without a time)."""
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    if found.tzinfo is None:
        found = found.replace(tzinfo=parse_zone(zone))
    try:
        return found.astimezone(UTC)
    except OverflowError:
        return None


def marked(value: str, pattern: str, operation: str = "") -> Markup:
    """Return a value with what a pattern's text matches in it marked; the whole if it is unclear.

    A pattern is a rule's text with ``*`` and ``?``: its longest plain piece is looked for, whatever
    its case; of a regular expression nothing is. It is only shown: the engine has decided.
    """
    plain = "" if operation.startswith("re") else pattern
    pieces = [p for p in re.split(r"[*?]", plain) if p]
    wanted = max(pieces, key=len, default="")
    at = value.lower().find(wanted.lower()) if wanted else -1
    # Lowering may change a text's length: then a place in one is none in the other.
    if at < 0 or len(value.lower()) != len(value):
        return Markup("<mark>{}</mark>").format(visible(value)) if value else Markup("")
    end = at + len(wanted)
    parts = (visible(part) for part in (value[:at], value[at:end], value[end:]))
    return Markup("{}<mark>{}</mark>{}").format(*parts)


def span(seconds: float) -> tuple[int, str]:
    """Return a length of time as a number and its unit: ``s``, ``min``, ``h`` or ``d``."""
    length = abs(seconds)
    for unit, size, up_to in (("s", 1, 90), ("min", 60, 5400), ("h", 3600, 172_800)):
        if length < up_to:
            return round(length / size), unit
    return round(timedelta(seconds=length) / timedelta(days=1)), "d"


__all__ = ["escape", "marked", "moment_of", "one_line", "span", "typed", "visible", "when"]
