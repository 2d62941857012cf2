"""``name=value`` pairs as auditd and firewalls write them, in one linear pass."""

from __future__ import annotations

import re

# One pass of disjoint classes, no nesting: linear on any input.
_PAIR = re.compile(r"""([A-Za-z0-9_.\-]+)=(?:"([^"]*)"|'([^']*)'|([^\s"']*))""")


def pairs(text: str) -> list[tuple[str, str, str]]:
    """Return (name, value, quote) in order; quote is '"', "'" or "" for a bare value."""
    found = []
    for name, double, single, bare in _PAIR.findall(text):
        if double:
            found.append((name, double, '"'))
        elif single:
            found.append((name, single, "'"))
        else:
            found.append((name, bare, ""))
    return found
