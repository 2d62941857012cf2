"""What is documented of the log sources: `docs/reference/log-sources.md`, written by ``page``."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ingest.logsources import (
    HINTS,
    auditd,
    cisco,
    cloudtrail,
    documents,
    egov,
    postfix,
    programs,
    sshd,
    sudo,
    suricata,
    web_access,
    web_error,
    windows,
    zeek,
    zimbra,
)
from ingest.logsources.windows_channels import (
    CATEGORIZED,
    CHANNELS,
    LINUX_CATEGORIZED,
    LINUX_CHANNEL,
    REGISTRY_EVENT_TYPES,
    SYSMON,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ingest.decode.layout import Layout
    from luytre.core.batch import LogSource, Part


class Readable(NamedTuple):
    """A part, and all columns that its events can have; None if the log itself decides."""

    part: Part
    columns: frozenset[str] | None


class Described(NamedTuple):
    """One part as the reference shows it; ``columns`` are pairs of the log's name and ours."""

    hint: str
    part: str
    logsources: tuple[LogSource, ...]
    columns: tuple[tuple[str, str], ...]


_WINDOWS = (
    ("sysmon", 1), ("sysmon", 3), ("sysmon", 7), ("sysmon", 10), ("sysmon", 11), ("sysmon", 13),
    ("sysmon", 22), ("security", 4624), ("security", 4688), ("security", 5156), ("system", 7045),
    ("powershell", 4104), ("windefend", 1116), (LINUX_CHANNEL, 1), (None, None),
)  # fmt: skip
"""Of the Windows parts, which are one per event id, those that show every mapping."""

_WORDS = {
    "auto": "The content decides: JSON by its fields, syslog by its program, lines by their form.",
    "windows": "Windows events as JSON: EVTX converters, Winlogbeat, NXLog, or flat.",
    "auditd": "Records of the Linux audit daemon, bare or inside syslog.",
    "sshd": "The same as `auth`.",
    "sudo": "The same as `auth`.",
    "auth": "auth.log or secure: sshd, sudo, su, PAM, cron; what else is there is `linux/auth`.",
    "syslog": "Syslog after RFC 3164 or 5424; the program decides, the rest is `linux/syslog`.",
    "nginx": "nginx access logs (common, combined) and error logs.",
    "apache": "Apache access logs (common, combined, with virtual host) and error logs.",
    "zeek": "Zeek's JSON logs; the log is told by `_path` or by the file's name.",
    "suricata": "Suricata's EVE JSON.",
    "cloudtrail": "AWS CloudTrail, one event a line.",
    "postfix": "Postfix in syslog lines.",
    "zimbra": "Zimbra's audit.log and mailbox.log.",
    "cisco": "Cisco IOS messages (`%FACILITY-SEVERITY-MNEMONIC`), bare or in syslog lines.",
    "egov": "Audit events of e-government applications (egov-events.md).",
    "json": "NDJSON without a log source of its own: every field by its dotted path.",
}


def describe() -> list[Described]:
    """Return what every hint leads to."""
    layouts = _layouts()
    return [
        Described(hint, layout.part.name, layout.part.logsources, _columns(layout))
        for hint in HINTS
        for layout in layouts.get(hint, ())
    ]


def readable() -> list[Readable]:
    """Return every part that can be read; of Windows those that log sources tell apart."""
    layouts = {**_layouts(), "windows": map(windows.layout, *zip(*_windows(), strict=True))}
    return [
        Readable(layout.part, None if layout.open else layout.known)
        for found in layouts.values()
        for layout in found
    ]


def _windows() -> Iterator[tuple[str | None, int | None, str]]:
    yield from ((service, None, "") for service in (*dict.fromkeys(CHANNELS.values()), None))
    yield from ((service, event_id, "") for service, event_id in CATEGORIZED)
    yield from ((SYSMON, 12, kind) for kind in REGISTRY_EVENT_TYPES)
    yield from ((LINUX_CHANNEL, event_id, "") for event_id in LINUX_CATEGORIZED)


def _layouts() -> dict[str, Iterable[Layout]]:
    return {
        "windows": [windows.layout(service, event_id) for service, event_id in _WINDOWS],
        "auditd": [auditd.LAYOUT],
        "auth": [sshd.LAYOUT, sudo.LAYOUT, programs.AUTH],
        "syslog": [layout for layout in programs.LAYOUTS if layout is not programs.AUTH],
        "nginx": [web_access.NGINX, web_error.NGINX],
        "apache": [web_access.APACHE, web_error.APACHE],
        "auto": [web_access.WEB],
        "zeek": zeek.LAYOUTS,
        "suricata": suricata.LAYOUTS,
        "cloudtrail": [cloudtrail.LAYOUT],
        "postfix": [postfix.LAYOUT],
        "zimbra": [zimbra.LAYOUT],
        "cisco": cisco.LAYOUTS,
        "egov": [egov.LAYOUT],
        "json": [documents.LAYOUT],
    }


def _columns(layout: Layout) -> tuple[tuple[str, str], ...]:
    named = [(n, c) for n, c in layout.part.columns.items() if n != c]
    ours = sorted(layout.known - set(layout.part.columns.values()))
    return (*named, *(("", column) for column in ours))


def page() -> str:
    """Return the reference page."""
    return "\n".join([*_opening(), *_channels(), *_parts()])


def _opening() -> list[str]:
    lines = [
        "# Log sources",
        "",
        "Written by `ingest.logsources.catalogue.page`; a test keeps it current.",
        "",
        "`log_source` in the configuration, and the header `hint` of a message, take one of:",
        "",
        "| name | what it reads |",
        "|---|---|",
    ]
    lines += [f"| `{hint}` | {_WORDS[hint]} |" for hint in HINTS]
    return [
        *lines,
        "",
        "A rule finds a field under the name that the log or Sigma gives it; the columns below say",
        "where it is kept. A time that does not say its zone is in its input's `time_zone`, UTC by",
        "default; of an hour that comes twice, the first. A BSD time without a year gets",
        "the latest year that is not a day after receipt; before 1990 or after 2100 is no time.",
        "Bytes that are not UTF-8 and lone surrogates become U+FFFD; the original bytes are kept.",
        "",
        "`cs-uri-query` of web servers is the whole request target, as SigmaHQ's rules expect, and",
        'nothing in it is percent-decoded; "-" is a missing field.',
        "",
    ]


def _channels() -> list[str]:
    rows = [f"| {service} | `{channel}` |" for channel, service in CHANNELS.items()]
    return [
        "## Windows channels",
        "",
        "Any other channel is the part `windows/other`. Letters' case does not matter.",
        "",
        "| Sigma service | channel |",
        "|---|---|",
        *rows,
        "",
    ]


def _parts() -> list[str]:
    alike: dict[tuple[str, tuple[tuple[str, str], ...]], list[Described]] = {}
    for row in describe():
        alike.setdefault((row.hint, row.columns), []).append(row)
    lines = ["## Parts", ""]
    for (hint, columns), rows in alike.items():
        lines += [f"### `{hint}`: {', '.join(f'`{row.part}`' for row in rows)}", ""]
        lines += [f"Sigma: {'; '.join(_sigma(s) for row in rows for s in row.logsources)}.", ""]
        if columns:
            lines += ["| field | column |", "|---|---|"]
            lines += [f"| {f'`{n}`' if n else ''} | `{c}` |" for n, c in columns]
            lines.append("")
    return lines


def _sigma(source: LogSource) -> str:
    pairs = (
        ("product", source.product),
        ("category", source.category),
        ("service", source.service),
    )
    return (
        ", ".join(f"{name} `{value}`" for name, value in pairs if value) or "any rule without one"
    )
