"""Error logs of nginx and Apache."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ingest.decode.layout import Layout, Row
from ingest.decode.times import apache_error_us, iso_us
from ingest.logsources.lines import between, line_layout
from luytre.core.batch import LogSource

if TYPE_CHECKING:
    from ingest.decode.layout import Origin

_NGINX = re.compile(
    r"(?:(\d{4})/(\d\d)/(\d\d) (\d\d:\d\d:\d\d) )?\[([a-z]{4,6})\] (\d{1,9})#\d{1,9}: "
)
_APACHE = re.compile(
    r"\[([A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{1,9})? \d{4})\] "
    r"\[([\w]{0,40}):?([a-z]{1,12}\d?)\] "
)
_KNOWN = ("message", "host.name", "log.level", "process.pid", "source.ip", "source.port",
          "url.domain", "url.original", "error.message", "http.request.method")  # fmt: skip


def _layout(server: str) -> Layout:
    return line_layout(f"{server}/error", (LogSource(server, None, server),), _KNOWN)


NGINX, APACHE = _layout("nginx"), _layout("apache")
LAYOUTS = (NGINX, APACHE)


def read_line(line: str, origin: Origin, program: str = "") -> Row | None:
    """Return the row of an error line, None if the line is none."""
    row = _nginx(line, program) or _apache(line)
    if row is not None and origin.host:
        row.fields["host.name"] = origin.host
    return row


def _nginx(line: str, program: str) -> Row | None:
    found = _NGINX.match(line)
    # Over syslog nginx leaves out the time: then only its own name makes it nginx.
    if found is None or not (found[1] or program == "nginx"):
        return None
    message = line[found.end() :]
    fields = {
        "message": line,
        "error.message": message.partition(", client: ")[0],
        "log.level": found[5],
        "process.pid": found[6],
        "source.ip": between(message, ", client: ", ",").strip(),
        "url.domain": between(message, ', host: "', '"'),
    }
    method, _, target = between(message, ', request: "', '"').partition(" ")
    fields |= {"http.request.method": method, "url.original": target.rpartition(" ")[0]}
    time = iso_us(f"{found[1]}-{found[2]}-{found[3]}T{found[4]}") if found[1] else None
    return Row(NGINX, time, {name: value for name, value in fields.items() if value})


def _apache(line: str) -> Row | None:
    found = _APACHE.match(line)
    if found is None:
        return None
    rest = line[found.end() :]
    fields = {
        "message": line,
        "log.level": found[3],
        "process.pid": between(rest, "[pid ", "]").partition(":")[0],
        "error.message": rest.rpartition("] ")[2] if rest.startswith("[") else rest,
    }
    client = between(rest, "[client ", "]") if rest.startswith("[") else ""
    address, colon, port = client.rpartition(":")
    if colon and port.isdigit() and (address.count(":") != 0 or address.count(".") == 3):  # noqa: PLR2004
        fields |= {"source.ip": address.strip("[]"), "source.port": port}
    else:
        fields["source.ip"] = client
    given = {name: value for name, value in fields.items() if value}
    return Row(APACHE, apache_error_us(found[1]), given)
