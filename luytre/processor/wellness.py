"""Asks every process of this machine over HTTP whether it is well."""

from __future__ import annotations

import http
import http.client
import json
import ssl
from typing import TYPE_CHECKING

from luytre.core.finding import Finding
from luytre.processor import slots

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from luytre.core.config import Config

TIMEOUT_S = 10.0
_SIGNED = frozenset({"triage", "respond", "console"})
"""Whose changes a signer signs: where they run one must answer, whoever's process it is."""


def ask_all(config: Config) -> Iterator[Finding]:
    """Yield what each running process says; where none runs, that is bad.

    Which run is told by the places they hold below the data folder; ``metrics.listen`` tells where
    they answer. With ``metrics.one_port`` only this container's process is asked: others share the
    data folder, and answer elsewhere.
    """
    host, _, port = config.metrics.listen.rpartition(":")
    asked = {"process": 0} if config.metrics.one_port else _running(config)
    if not asked:
        yield Finding("processes", "bad", f"none runs in {config.data_dir}", "start `luytre run`")
    elif not port:
        remedy = "set it to an address, as 127.0.0.1:9400"
        yield Finding("processes", "bad", "metrics.listen is empty: none answers", remedy)
    else:
        for role, offset in asked.items():
            yield _ask(role, _reachable(host.strip("[]")), int(port) + offset)


def _running(config: Config) -> Mapping[str, int]:
    """Return the processes that hold a place here, and how far behind the first port each is."""
    roles = slots.taken(config)
    if roles & _SIGNED:
        roles.add("signer")
    found = {role: slots.port_of(role) for role in sorted(roles)}
    return {role: offset for role, offset in found.items() if offset is not None}


def _reachable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - to be asked, not bound


def mute(listen: str, *, tls: bool) -> str:
    """Return why nobody gets a page at an address; nothing if any answer comes."""
    host, _, port = listen.rpartition(":")
    connection = http.client.HTTPConnection(_reachable(host.strip("[]")), int(port), timeout=5.0)
    if tls:
        # Whether it answers is asked here, not who it is: it is this very process.
        connection = http.client.HTTPSConnection(
            _reachable(host.strip("[]")), int(port), timeout=5.0,
            context=ssl._create_unverified_context(),  # noqa: S323, SLF001
        )  # fmt: skip
    try:
        connection.request("GET", "/login")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"no page at {listen}: {error}"
    finally:
        connection.close()
    return f"pages are answered {status}" if status >= http.HTTPStatus.INTERNAL_SERVER_ERROR else ""


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
