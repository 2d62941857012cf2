"""The signer as a process of its own, behind a socket."""

from __future__ import annotations

import fcntl
import os
import socketserver
import sys
import threading
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from luytre.audit.signer import Outdated, Signer
from luytre.audit.signer_client import RemoteSigner
from luytre.audit.signer_wire import LINE_BYTES_MAX, Answer, Question, encode, reachable
from luytre.core.errors import LuytreError, NeighbourError, Refused
from luytre.core.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STOP_POLL_S = 0.1
PLACE_S = 20.0
START_S = 20.0
IDLE_S = 20.0
"""How long a signer that a command started stays after the last question."""

log = get_logger("signer")


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, name: str, signer: Signer) -> None:
        self.signer = signer
        self.lock = threading.Lock()
        self.asked_s = time.monotonic()
        self.leave = False
        super().__init__(name, _Conversation)


class _Conversation(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        # Who asked may be killed meanwhile; what was signed for it is kept, and given again.
        with suppress(ConnectionError):
            while line := self.rfile.readline(LINE_BYTES_MAX):
                with self.server.lock:
                    self.server.asked_s = time.monotonic()
                    answer = self._answer(line)
                self.wfile.write(encode(answer))

    def _answer(self, line: bytes) -> Answer:
        signer = self.server.signer
        try:
            question = msgspec.json.decode(line, type=Question)
            self.server.leave |= question.leave
            growth = question.growth
            return Answer(signer.state() if growth is None else signer.sign(growth))
        except msgspec.MsgspecError as error:
            return Answer(failed=f"no question: {error}")
        except Outdated as error:
            return Answer(refused=str(error))
        except Refused as error:
            log.error("not signed", reason=str(error))
            return Answer(refused=str(error))
        except LuytreError as error:
            log.error("cannot sign", reason=str(error))
            return Answer(failed=str(error))


def serve(
    folder: Path, path: Path, stopped: Callable[[], bool], *, idle_s: float | None = None
) -> None:
    """Sign with the key in ``folder`` for whoever asks at the socket ``path``, until stopped.

    With ``idle_s`` it is there for a moment: until nobody has asked for that long, or until the
    lasting signer comes. Who may open the socket is its folder's and group's to say.

    Raises:
        NeighbourError: another signer keeps the place, or the signer's file cannot be read.
    """
    if idle_s is None:
        _ask_to_leave(path)
    with _alone(folder):
        signer = Signer(folder)
        # Whoever held the place is gone: its socket is a name without a process.
        path.unlink(missing_ok=True)
        with reachable(path) as name, _Server(name, signer) as server:
            path.chmod(0o660)
            ours = path.stat().st_ino
            thread = threading.Thread(target=server.serve_forever, args=(STOP_POLL_S,))
            thread.start()
            while not stopped() and not _is_over(server, idle_s) and _is_there(path, ours):
                time.sleep(STOP_POLL_S)
            # First the name: who comes now finds no signer, and not one that is leaving. Unless
            # the folder was made anew meanwhile: then the name is another signer's.
            if _is_there(path, ours):
                path.unlink()
            server.shutdown()
            thread.join()
            with server.lock:
                log.info("signer ends", size=signer.state().size)


def start_for_a_moment(folder: Path, path: Path) -> None:
    """Start a signer that stays a little longer than it is asked; return once it answers.

    Raises:
        NeighbourError: it does not come up.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    errors = folder / "signer.log"
    process = os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", __name__, str(folder), str(path)],
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
        ],
        # It outlives the command, and the terminal's Ctrl-C is not for it.
        setsid=True,
    )
    until_s = time.monotonic() + START_S
    with closing(RemoteSigner(path)) as client:
        while not client.answers():
            ended, _ = os.waitpid(process, os.WNOHANG)
            if ended or time.monotonic() > until_s:
                raise NeighbourError(f"the audit signer does not start: {errors} says why")
            time.sleep(STOP_POLL_S)


def _is_there(path: Path, inode: int) -> bool:
    """Tell whether a socket's name still leads to it; else nobody can ask any more."""
    try:
        return path.stat().st_ino == inode
    except FileNotFoundError:
        return False


def _is_over(server: _Server, idle_s: float | None) -> bool:
    if idle_s is None:
        return False
    return server.leave or time.monotonic() - server.asked_s > idle_s


def _ask_to_leave(path: Path) -> None:
    with closing(RemoteSigner(path)) as client:
        if client.answers():
            client.leave()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the place of the only signer of a folder; the kernel lets go when the process ends."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _take(handle, folder)
        yield
    finally:
        os.close(handle)


def _take(handle: int, folder: Path) -> None:
    until_s = time.monotonic() + PLACE_S
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until_s:
                raise NeighbourError(f"another signer holds {folder}: stop it first") from None
            time.sleep(STOP_POLL_S)
        else:
            return


def main() -> None:
    """Be the signer for a moment."""
    _, folder, path = sys.argv
    serve(Path(folder), Path(path), lambda: False, idle_s=IDLE_S)


if __name__ == "__main__":
    main()
