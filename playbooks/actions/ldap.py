"""A directory client for three operations: bind, find one account, change one attribute (RFC 4511).

Always TLS, from the start or by StartTLS; it ends before anything secret is said if TLS fails.
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
from typing import TYPE_CHECKING, NamedTuple, Self
from urllib.parse import urlsplit

from playbooks.actions import ber
from playbooks.actions.action import ActionFailedError, ActionUnclearError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from collections.abc import Set as AbstractSet
    from types import TracebackType

    from luytre.core.config_playbooks import DirectoryConfig

BIND, BOUND, SEARCH, ENTRY, SEARCHED, REFERENCE, MODIFY, MODIFIED, EXTENDED, ANSWERED = (
    0x60, 0x61, 0x63, 0x64, 0x65, 0x73, 0x66, 0x67, 0x77, 0x78,
)  # fmt: skip
START_TLS = "1.3.6.1.4.1.1466.20037"
SUCCESS, SIZE_LIMIT = 0, 4
_URL = re.compile(r"ldaps?://[a-z0-9.-]+(:\d{1,5})?/?|ldaps?://\[[0-9a-f:]+\](:\d{1,5})?/?")


class Found(NamedTuple):
    """An account: its distinguished name, and its attributes by their names in small letters."""

    name: str
    values: dict[str, list[str]]


class Directory:
    """One connection. What fails before a change is asked for has surely not happened."""

    def __init__(self, settings: DirectoryConfig) -> None:
        self._settings = settings
        self._last = 0
        self._pending = b""
        with self._before_change(), contextlib.ExitStack() as failed:
            self._connect(failed)
            self._bind()
            failed.pop_all()

    @contextlib.contextmanager
    def _before_change(self) -> Iterator[None]:
        """Turn what goes wrong into a failure: nothing was changed yet."""
        try:
            yield
        except (OSError, ValueError) as error:
            raise ActionFailedError(f"{self._settings.name}: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._stream.close()

    def find(self, place: str, value: str, attributes: Sequence[str]) -> list[Found]:
        """Return the accounts, two at most, whose attribute ``place`` has a value.

        Raises:
            ActionFailedError: the directory did not answer, or not like one.
        """
        with self._before_change():
            return self._search(self._question(place, value, attributes))

    def _question(self, place: str, value: str, attributes: Sequence[str]) -> bytes:
        # The value travels as an assertion of its own: there is no filter text to break out of.
        equal = ber.encode(0xA3, ber.text(place), ber.text(value))
        # Whole subtree, follow no alias, two entries and 15 seconds at most, types with values.
        return ber.encode(
            SEARCH, ber.text(self._settings.search_in), ber.integer(2, ber.ENUMERATED),
            ber.integer(0, ber.ENUMERATED), ber.integer(2), ber.integer(15),
            ber.boolean(value=False), equal, ber.encode(ber.SEQUENCE, *map(ber.text, attributes)),
        )  # fmt: skip

    def replace(self, name: str, attribute: str, values: list[str]) -> None:
        """Give an attribute these values instead of all it has."""
        kept = ber.encode(ber.SET, *map(ber.text, values))
        change = ber.encode(
            ber.SEQUENCE,
            ber.integer(2, ber.ENUMERATED),
            ber.encode(ber.SEQUENCE, ber.text(attribute), kept),
        )
        asked = ber.encode(MODIFY, ber.text(name), ber.encode(ber.SEQUENCE, change))
        try:
            tag, content = self._ask(asked)
        except (OSError, ValueError) as error:
            raise ActionUnclearError(f"{self._settings.name} did not say: {error}") from error
        self._check(tag, content, MODIFIED, "the change")

    def _connect(self, failed: contextlib.ExitStack) -> None:
        """Open the connection, with TLS; ``failed`` closes it unless all goes well."""
        settings = self._settings
        if not _URL.fullmatch(settings.url):
            raise ActionFailedError(f"{settings.url[:80]!r} is no directory (ldaps://host:port)")
        url = urlsplit(settings.url)
        secure = url.scheme == "ldaps"
        host, port = url.hostname or "", url.port or (636 if secure else 389)
        self._stream = socket.create_connection((host, port), settings.timeout_s)
        failed.callback(self._close)
        ca_file = str(settings.ca_file) if settings.ca_file else None
        context = ssl.create_default_context(cafile=ca_file)
        if not secure:
            tag, content = self._ask(ber.encode(EXTENDED, ber.text(START_TLS, 0x80)))
            self._check(tag, content, ANSWERED, "StartTLS")
            # What came in the clear behind the answer was not said through TLS.
            self._pending = b""
        self._stream = context.wrap_socket(self._stream, server_hostname=host)

    def _close(self) -> None:
        """Close whatever the connection is by now: plain, or in TLS."""
        self._stream.close()

    def _bind(self) -> None:
        password = self._settings.password_file.read_text().rstrip("\r\n")
        if not password:
            # RFC 4513 5.1.2: a bind without a password succeeds as nobody.
            raise ActionFailedError(f"{self._settings.password_file} is empty")
        asked = ber.encode(
            BIND, ber.integer(3), ber.text(self._settings.user), ber.text(password, 0x80)
        )
        self._check(*self._ask(asked), BOUND, "the login")

    def _search(self, asked: bytes) -> list[Found]:
        entries = []
        tag, content = self._ask(asked)
        while tag in {ENTRY, REFERENCE}:
            if tag == ENTRY:
                entries.append(_entry(content))
            tag, content = self._receive()
        self._check(tag, content, SEARCHED, "the search", {SUCCESS, SIZE_LIMIT})
        return entries

    def _check(
        self,
        tag: int,
        content: bytes,
        wanted: int,
        what: str,
        good: AbstractSet[int] = frozenset({SUCCESS}),
    ) -> None:
        parts = list(ber.elements(content))
        if tag != wanted or len(parts) < 3 or parts[0][0] != ber.ENUMERATED:  # noqa: PLR2004
            raise ber.BerError(f"{what} was answered with something else")
        code = ber.number(parts[0][1])
        if code not in good:
            words = parts[2][1][:200].decode(errors="backslashreplace")
            raise ActionFailedError(f"{self._settings.name} refused {what}: {code} {words}")

    def _ask(self, operation: bytes) -> tuple[int, bytes]:
        self._last += 1
        self._stream.sendall(ber.encode(ber.SEQUENCE, ber.integer(self._last), operation))
        return self._receive()

    def _receive(self) -> tuple[int, bytes]:
        while (place := ber.header(self._pending)) is None or len(self._pending) < place[1]:
            piece = self._stream.recv(65_536)
            if not piece:
                raise ber.BerError("the connection was closed")
            self._pending += piece
        message = self._pending[place[0] : place[1]]
        self._pending = self._pending[place[1] :]
        parts = list(ber.elements(message))
        if len(parts) < 2 or ber.number(parts[0][1]) != self._last:  # noqa: PLR2004
            raise ber.BerError("an answer to nothing that was asked")
        return parts[1]


def _entry(content: bytes) -> Found:
    parts = list(ber.elements(content))
    if len(parts) < 2:  # noqa: PLR2004
        raise ber.BerError("an entry without attributes")
    values: dict[str, list[str]] = {}
    for _, attribute in ber.elements(parts[1][1]):
        fields = list(ber.elements(attribute))
        if len(fields) < 2:  # noqa: PLR2004
            raise ber.BerError("an attribute without values")
        name = fields[0][1].decode().lower()
        values[name] = [value.decode() for _, value in ber.elements(fields[1][1])]
    return Found(parts[0][1].decode(), values)
