"""Every topic's pages: a topic is one module, listed here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from luytre.console.pages import (
    account,
    alerts,
    api_cases,
    api_runs,
    drafts,
    history,
    incident,
    incidents,
    login,
    rules,
    runs,
    users,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

PAGES: Sequence[ModuleType] = (
    login,
    incidents,
    incident,
    alerts,
    runs,
    drafts,
    rules,
    history,
    users,
    account,
    api_cases,
    api_runs,
)
"""Each has ``routes`` (``Routes``), and may have ``NAV``, its entries of the menu."""
