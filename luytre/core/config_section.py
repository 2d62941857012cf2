"""What the sections of the configuration share: frozen models and the checks of their values."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationInfo

if TYPE_CHECKING:
    from collections.abc import Collection

_HOST_PORT = re.compile(r"(\[[0-9a-fA-F:]+\]|[^:\s]+):(\d{1,5})")
TIME_ZONE = (
    "The zone of times that do not say theirs, as syslog's `Nov 23 06:00:00`: a name as"
    " `Asia/Ho_Chi_Minh`, or an offset as `+07:00`; UTC if empty."
)


class Section(BaseModel):
    """A part of the configuration: frozen, and unknown settings are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def host_port(value: str) -> str:
    """Refuse what is not ``host:port``."""
    found = _HOST_PORT.fullmatch(value)
    if not found or int(found[2]) >= 2**16:
        raise ValueError("must be host:port")
    return value


def known_source(value: str, info: ValidationInfo) -> str:
    """Refuse names that no decoder has; which those are is the caller's to say."""
    known: Collection[str] = info.context or ()
    if known and value not in known:
        near = difflib.get_close_matches(value, known, 1)
        remedy = f'did you mean "{near[0]}"?' if near else f"known are {', '.join(known)}"
        raise ValueError(f'no log source is named "{value}"; {remedy}')
    return value
