"""HTTP that reaches only what is allowed: one resolution, pinned, no redirect, no proxy.

A URL must be written in one canonical way and lie below an allowed prefix. Its host is resolved
once; every address must be public, or lie in a network that the prefix names; the connection goes
to the first of them, while TLS still checks the name. The whole exchange has one deadline.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import httpx
import msgspec

from playbooks.actions.action import ActionFailedError, ActionUnclearError

if TYPE_CHECKING:
    from luytre.core.config_playbooks import DestinationConfig

URL_CHARACTERS_MAX = 2048
ANSWER_BYTES_MAX = 1024 * 1024
DEADLINE_S = 30.0

Resolve = Callable[[str, int], Sequence[str]]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# RFC 3986 without user information, without fragment, and without a second spelling of anything.
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9.-]{1,253}|\[[0-9a-f:]{2,39}\])(:(?P<port>[1-9]\d{0,4}))?"
    r"(?P<path>/[A-Za-z0-9._~!$&'()*+,;=:@/-]*)?(?P<query>\?[A-Za-z0-9._~!$&'()*+,;=:@/?%-]*)?"
)
_NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*\.?")
_MAYBE_ADDRESS = re.compile(r"[0-9.]+|0x[0-9a-f.x]*")
# All that IANA has given out to be routed; the rest hides IPv4 addresses or is local.
# RFC 6598 (carrier NAT) and what else ``is_global`` has changed its mind about between versions.
_UNICAST = ipaddress.ip_network("2000::/3")
_NEVER_PUBLIC = [
    ipaddress.ip_network(n)
    for n in ("100.64.0.0/10", "192.0.0.0/24", "198.18.0.0/15", "2001::/23", "2002::/16")
]


@dataclass(frozen=True, slots=True)
class Address:
    """A URL taken apart. ``port`` is always there."""

    scheme: str
    host: str
    port: int
    path: str
    query: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other side said."""

    status: int
    body: bytes


def read_url(url: str) -> Address:
    """Return the parts of a URL; raises ``ActionFailedError`` on any unusual spelling."""
    found = _URL.fullmatch(url) if len(url) <= URL_CHARACTERS_MAX else None
    if found is None:
        raise ActionFailedError(f"the URL {url[:80]!r} is not written plainly")
    host, path = found["host"], found["path"] or "/"
    if any(part in {".", ".."} for part in path.split("/")) or "//" in path:
        raise ActionFailedError(f"the path of {url[:80]!r} is not plain")
    port = int(found["port"] or (443 if found["scheme"] == "https" else 80))
    if port > 65_535 or not _plain_host(host):  # noqa: PLR2004
        raise ActionFailedError(f"the host of {url[:80]!r} is not plain")
    return Address(found["scheme"], host, port, path, found["query"] or "")


def _plain_host(host: str) -> bool:
    """Say whether a host is a name, or an address in its one usual spelling."""
    literal = host.strip("[]")
    try:
        return str(ipaddress.ip_address(literal)) == literal
    except ValueError:
        # 0x7f.1, 2130706433, 127.1: addresses to the C library, names to nobody.
        last = host.rstrip(".").rsplit(".", 1)[-1]
        return bool(_NAME.fullmatch(host)) and not _MAYBE_ADDRESS.fullmatch(last)


def system_resolve(host: str, port: int) -> list[str]:
    """Ask the machine's resolver once for every address of a host."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Door:
    """Sends requests to allowed destinations and nowhere else."""

    def __init__(
        self, allowed: Sequence[DestinationConfig], resolve: Resolve = system_resolve
    ) -> None:
        self._allowed = [(read_url(each.url), each) for each in allowed]
        self._resolve = resolve

    def allows(self, url: str) -> DestinationConfig:
        """Return the destination that a URL lies in; raises ``ActionFailedError`` if none."""
        asked = read_url(url)
        for prefix, destination in self._allowed:
            same = (asked.scheme, asked.host, asked.port) == (
                prefix.scheme, prefix.host, prefix.port,
            )  # fmt: skip
            folder = prefix.path.rstrip("/") + "/"
            if same and (asked.path == prefix.path or asked.path.startswith(folder)):
                return destination
        raise ActionFailedError(f"{url[:80]!r} is no allowed destination")

    def send(
        self, method: str, url: str, body: object = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """Send a request with a JSON body.

        Raises:
            ActionFailedError: it is not allowed, or nobody was reached.
            ActionUnclearError: it was sent, and no answer came.
        """
        destination = self.allows(url)
        address = read_url(url)
        target = self._pin(address, destination)
        secret = _secret(destination)
        sent = {**(headers or {}), **secret, "Host": _host_header(address)}
        return asyncio.run(_exchange(method, address, target, body, sent, destination))

    def _pin(self, address: Address, destination: DestinationConfig) -> str:
        """Return the one address to connect to; every address of the name must be allowed."""
        networks: list[Network] = [ipaddress.ip_network(n) for n in destination.networks]
        try:
            found = self._resolve(address.host.strip("[]"), address.port)
        except (OSError, UnicodeError) as error:
            raise ActionFailedError(f"{address.host} has no address: {error}") from error
        if not found:
            raise ActionFailedError(f"{address.host} has no address")
        for each in found:
            if not _may_reach(each, networks):
                raise ActionFailedError(f"{address.host} is {each}, which is not allowed")
        return found[0]


def _may_reach(text: str, networks: Sequence[Network]) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if networks:
        return any(address.version == n.version and address in n for n in networks)
    if isinstance(address, ipaddress.IPv6Address) and address not in _UNICAST:
        return False
    hidden = any(address.version == n.version and address in n for n in _NEVER_PUBLIC)
    return address.is_global and not address.is_multicast and not hidden


def _host_header(address: Address) -> str:
    usual = {"https": 443, "http": 80}[address.scheme]
    return address.host if address.port == usual else f"{address.host}:{address.port}"


def _secret(destination: DestinationConfig) -> dict[str, str]:
    if destination.token_file is None:
        return {}
    try:
        token = destination.token_file.read_text().strip()
    except OSError as error:
        raise ActionFailedError(f"{destination.token_file}: {error.strerror}") from error
    return {destination.token_header: f"{destination.token_prefix}{token}"}


async def _exchange(
    method: str,
    address: Address,
    target: str,
    body: object,
    headers: dict[str, str],
    destination: DestinationConfig,
) -> Answer:
    pinned = f"[{target}]" if ":" in target else target
    url = f"{address.scheme}://{pinned}:{address.port}{address.path}{address.query}"
    context = _trust(str(destination.ca_file) if destination.ca_file else None)
    if body is not None:
        headers = {**headers, "Content-Type": "application/json"}
    client = httpx.AsyncClient(
        verify=context, follow_redirects=False, trust_env=False, timeout=DEADLINE_S
    )
    try:
        async with asyncio.timeout(destination.deadline_s), client:
            content = None if body is None else msgspec.json.encode(body)
            request = client.build_request(method, url, content=content, headers=headers)
            # Connected by address, so the certificate must be checked against the name.
            request.extensions["sni_hostname"] = address.host.strip("[]").rstrip(".")
            answer = await client.send(request, stream=True)
            return Answer(answer.status_code, await _read(answer))
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol) as error:
        raise ActionFailedError(f"{address.host} was not reached: {error}") from error
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ssl.SSLError, ValueError) as error:
        why = str(error) or type(error).__name__
        raise ActionUnclearError(f"{address.host} did not answer properly: {why}") from error


@lru_cache(maxsize=16)
def _trust(ca_file: str | None) -> ssl.SSLContext:
    """Return whom to trust; reading all of the machine's authorities takes 20 ms."""
    return ssl.create_default_context(cafile=ca_file)


async def _read(answer: httpx.Response) -> bytes:
    body = bytearray()
    async for piece in answer.aiter_raw():
        body += piece
        if len(body) > ANSWER_BYTES_MAX:
            raise ValueError(f"the answer is larger than {ANSWER_BYTES_MAX} bytes")
    await answer.aclose()
    return bytes(body)


def expect(answer: Answer, what: str) -> Answer:
    """Return an answer that says yes.

    Raises:
        ActionFailedError: it says no (3xx: redirects are not followed; 4xx).
        ActionUnclearError: the server broke down over it (5xx).
    """
    if 200 <= answer.status < 300:  # noqa: PLR2004
        return answer
    problem = f"{what} answered {answer.status}"
    if answer.status >= 500:  # noqa: PLR2004
        raise ActionUnclearError(problem)
    raise ActionFailedError(problem)
