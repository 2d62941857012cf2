"""A Windows event as XML, brought to the JSON shape of an EVTX converter.

Only the flat shape of event XML is read, with patterns: no entities are defined, no document type
is looked at, so XML's bombs have nothing to work with. Used by Sysmon for Linux over syslog.
"""

from __future__ import annotations

import html
import re
from typing import Any

_ATTRIBUTE = re.compile(r"""([A-Za-z_:][\w:.\-]{0,63})=(?:"([^"]*)"|'([^']*)')""")
_ELEMENT = re.compile(
    r"<([A-Za-z]\w{0,63})((?:\s[^<>]*)?)>([^<>]*)</\w{1,64}>|<([A-Za-z]\w{0,63})(\s[^<>]*)?/>"
)


def parse_event(text: str) -> dict[str, Any] | None:
    """Return ``{"Event": {"System": ..., "EventData": ...}}``, None if there is no System."""
    system = _section(text, "System")
    if system is None:
        return None
    event: dict[str, Any] = {"System": dict(_system_element(e) for e in _elements(system))}
    data = _section(text, "EventData")
    if data is not None:
        event["EventData"] = {
            "Data": [
                {"#attributes": attributes, "#text": content}
                for name, attributes, content in _elements(data)
                if name == "Data"
            ]
        }
    user = _section(text, "UserData")
    if user is not None:
        fields = {name: content for name, _, content in _elements(user) if name != "UserData"}
        event["UserData"] = {"EventXML": fields}
    return {"Event": event}


def _section(text: str, name: str) -> str | None:
    start = text.find(f"<{name}>")
    if start < 0:
        start = text.find(f"<{name} ")
        if start < 0:
            return None
    end = text.find(f"</{name}>", start)
    return text[start + len(name) + 2 : end] if end >= 0 else None


def _elements(text: str) -> list[tuple[str, dict[str, str], str]]:
    found = []
    for match in _ELEMENT.finditer(text):
        name, attributes, content = match[1] or match[4], match[2] or match[5] or "", match[3] or ""
        pairs = {
            key: html.unescape(double or single)
            for key, double, single in _ATTRIBUTE.findall(attributes)
        }
        found.append((name, pairs, html.unescape(content)))
    return found


def _system_element(element: tuple[str, dict[str, str], str]) -> tuple[str, Any]:
    name, attributes, content = element
    if not attributes:
        return name, content
    value: dict[str, Any] = {"#attributes": attributes}
    if content:
        value["#text"] = content
    return name, value
