"""Asks every process of this machine over HTTP whether it is well."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING

from luytre.core.finding import Finding
from luytre.processor import slots
from luytre.processor.build import METRICS_CORRELATE, METRICS_INDEX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from luytre.core.config import Config

TIMEOUT_S = 10.0
_FIRST = {"detect": 2, "correlate": METRICS_CORRELATE, "index": METRICS_INDEX}


def ask_all(config: Config) -> Iterator[Finding]:
    """Yield what each running process says; where none runs, that is bad.

    Which run is told by the places they hold below the data folder; ``metrics.listen`` tells where
    they answer.
    """
    host, _, port = config.metrics.listen.rpartition(":")
    running = {role: port_of(role) for role in sorted(slots.taken(config))}
    asked = {role: offset for role, offset in running.items() if offset is not None}
    if not asked:
        yield Finding("processes", "bad", f"none runs in {config.data_dir}", "start `luytre run`")
    elif not port:
        remedy = "set it to an address, as 127.0.0.1:9400"
        yield Finding("processes", "bad", "metrics.listen is empty: none answers", remedy)
    else:
        for role, offset in asked.items():
            yield _ask(role, _reachable(host.strip("[]")), int(port) + offset)


def port_of(role: str) -> int | None:
    """Return where behind ``metrics.listen`` a process answers; None if it does not."""
    if role in {"shipper", "index-0"}:
        return int(role == "shipper")
    name, _, number = role.rpartition("-")
    return _FIRST[name] + int(number) if name in _FIRST and number.isdigit() else None


def _reachable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - to be asked, not bound


def _ask(role: str, host: str, port: int) -> Finding:
    try:
        connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
        connection.request("GET", "/healthz")
        answer = json.loads(connection.getresponse().read())
        connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Finding(role, "bad", f"does not answer at {host}:{port}: {error}")
    if answer["well"]:
        return Finding(role, "good", "well")
    problems = "; ".join(f"{name}: {problem}" for name, problem in answer["problems"].items())
    return Finding(role, "bad", problems, "see its log")
