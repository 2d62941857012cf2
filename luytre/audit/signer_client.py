"""The way to the signer's own process."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from luytre.audit.signer_wire import LINE_BYTES_MAX, Answer, Question, connect, encode
from luytre.core.errors import NeighbourError, Refused

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from luytre.audit.signer import Growth, SignedState

TIMEOUT_S = 10.0
RETURN_S, RETRY_S = 5.0, 0.1
"""How long a signer that answered before may take to be started again."""


class RemoteSigner:
    """Asks the signer over its socket, and connects anew when it was started anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket: socket.socket | None = None

    def state(self) -> SignedState:
        return self._ask(Question())

    def sign(self, growth: Growth) -> SignedState:
        return self._ask(Question(growth))

    def leave(self) -> None:
        """Ask a signer that was started for a moment to make room for the lasting one."""
        self._ask(Question(leave=True))

    def answers(self) -> bool:
        """Tell whether a signer answers now."""
        try:
            self.state()
        except NeighbourError:
            return False
        return True

    def close(self) -> None:
        """Let the connection go."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _ask(self, question: Question) -> SignedState:
        try:
            answer = self._exchange(encode(question))
        except (OSError, msgspec.MsgspecError) as error:
            self.close()
            raise NeighbourError(
                f"the audit signer does not answer at {self._path} ({error}): changes are refused"
                " until it runs; `luytre run` starts it, or `luytre audit signer`"
            ) from error
        if answer.refused:
            raise Refused(answer.refused)
        if answer.state is None:
            raise NeighbourError(f"the audit signer cannot sign: {answer.failed}")
        return answer.state

    def _exchange(self, line: bytes) -> Answer:
        if self._socket is not None:
            try:
                return self._once(line)
            except OSError:
                # Both questions may be asked twice: a state that is signed already is given back.
                self.close()
                return self._again(line)
        self._socket = connect(self._path, TIMEOUT_S)
        return self._once(line)

    def _again(self, line: bytes) -> Answer:
        until_s = time.monotonic() + RETURN_S
        while True:
            try:
                self._socket = connect(self._path, TIMEOUT_S)
                return self._once(line)
            except OSError:
                self.close()
                if time.monotonic() > until_s:
                    raise
                time.sleep(RETRY_S)

    def _once(self, line: bytes) -> Answer:
        assert self._socket is not None
        self._socket.sendall(line)
        received = b""
        while not received.endswith(b"\n"):
            part = self._socket.recv(LINE_BYTES_MAX)
            if not part:
                raise ConnectionResetError("it closed the connection")
            received += part
        return msgspec.json.decode(received, type=Answer)
