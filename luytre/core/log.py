"""Structured logs: one JSON object a line on standard error, or plain lines on a terminal.

Log content is hostile: values are escaped by the renderer, so no event can forge a line or move
a terminal's cursor.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from structlog.typing import EventDict, WrappedLogger


def configure_logs(*, level: str = "info", json: bool | None = None) -> None:
    """Set up logging for this process; ``json`` None means: JSON unless on a terminal."""
    console = structlog.dev.ConsoleRenderer(colors=False)
    as_json = not sys.stderr.isatty() if json is None else json
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _escape,
            structlog.processors.JSONRenderer() if as_json else console,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        # Asked anew for each line: who redirects standard error later gets what comes later.
        logger_factory=lambda *_args: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )


def escape_controls(text: str) -> str:
    r"""Return text that a terminal only shows: C0, C1 and bidi controls become ``\xNN``."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _escape(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    # A traceback is ours and has line ends of its own.
    return {
        key: escape_controls(value) if isinstance(value, str) and key != "exception" else value
        for key, value in event.items()
    }


def get_logger(room: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of a room."""
    return structlog.get_logger(room=room)  # type: ignore[no-any-return]
