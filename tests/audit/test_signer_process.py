"""The signer in a process of its own: dead, killed, followed by another, asked nonsense."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from luytre.audit.database import CaseDatabase
from luytre.audit.signer_client import RemoteSigner
from luytre.audit.signer_process import serve, start_for_a_moment
from luytre.audit.signer_wire import connect
from luytre.core.clock import SystemClock
from luytre.core.errors import NeighbourError, Refused
from tests.audit.conftest import NOTES, person, write
from tests.audit.test_merkle import NODE
from tests.audit.test_signer import FORKED, growth

ANALYST = person("analyst")


class House:
    """A signer that can be started and killed."""

    def __init__(self, folder: Path) -> None:
        # Deeper than what the kernel takes as a socket's path.
        self.folder = folder / ("deep" * 30)
        self.folder.mkdir()
        self.socket = self.folder / "signer.sock"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "luytre.audit.signer_process"]
        self.process = subprocess.Popen([*command, str(self.folder / "signer"), str(self.socket)])
        until_s = time.monotonic() + 20
        with self.client() as client:
            while not client.answers():
                assert time.monotonic() < until_s, "the signer does not come up"
                time.sleep(0.02)

    def client(self) -> closing[RemoteSigner]:
        return closing(RemoteSigner(self.socket))

    @contextmanager
    def cases(self) -> Iterator[CaseDatabase]:
        with self.client() as client:
            opened = CaseDatabase(self.folder / "cases.sqlite", client, SystemClock(), [NOTES])
            yield opened
            opened.close()

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    house.start()
    yield house
    house.kill()


@pytest.fixture
def remote(house: House) -> Iterator[CaseDatabase]:
    with house.cases() as cases:
        yield cases


def count(cases: CaseDatabase) -> int:
    return int(cases.connection.execute("SELECT count(*) FROM notes").get)


def test_a_killed_signer_refuses_changes_until_it_is_back(
    house: House, remote: CaseDatabase
) -> None:
    write(remote, ANALYST, "before")
    house.kill()

    with pytest.raises(NeighbourError, match=r"does not answer.*changes are refused"):
        write(remote, ANALYST, "while dead")
    assert count(remote) == 1

    house.start()
    write(remote, ANALYST, "after")
    assert count(remote) == 2


def test_what_it_signed_is_remembered_by_the_next_one(house: House) -> None:
    with house.client() as client:
        signed = client.sign(growth(0, 9))
        house.kill()
        house.start()

        assert client.state() == signed
        with pytest.raises(Refused, match="fork"):
            client.sign(growth(9, 12, FORKED))
        assert client.sign(growth(9, 12, NODE)).size == 12


@pytest.mark.parametrize(
    "line", [b"\n", b"{}}\n", b"\xff\xfe\n", b'{"growth": 5}\n', b"x" * 70_000 + b"\n"]
)
def test_nonsense_harms_nobody(house: House, line: bytes) -> None:
    connection = connect(house.socket, 5)
    connection.sendall(line)
    answer = connection.recv(65536)
    connection.close()

    assert b'"failed":"no question' in answer
    with house.client() as client:
        assert client.state().size == 0


def test_many_writers_at_once_are_all_signed(house: House) -> None:
    def work(number: int) -> None:
        with house.cases() as cases:
            for turn in range(10):
                write(cases, ANALYST, f"{number}.{turn}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with house.cases() as cases:
        assert cases.signed().size == cases.book.size() == 41


def test_the_lasting_signer_takes_over_from_one_for_a_moment(tmp_path: Path) -> None:
    folder, path = tmp_path / "signer", tmp_path / "signer.sock"
    start_for_a_moment(folder, path)
    client = RemoteSigner(path)
    key = client.sign(growth(0, 5)).key
    over = threading.Event()

    lasting = threading.Thread(target=serve, args=(folder, path, over.is_set))
    lasting.start()
    until_s = time.monotonic() + 20
    while client.state().size != 5 or os.getpid() not in holders(folder / "lock"):
        assert time.monotonic() < until_s
        time.sleep(0.05)
    state = client.state()
    client.close()
    over.set()
    lasting.join()

    assert (state.key, state.size) == (key, 5)


def holders(path: Path) -> set[int]:
    """Return the processes that hold a lock on a file."""
    inode = str(path.stat().st_ino)
    lines = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    return {int(line[4]) for line in lines if line[5].split(":")[-1] == inode}


def test_a_signer_that_cannot_start_says_where_to_look(tmp_path: Path) -> None:
    folder = tmp_path / "signer"
    folder.mkdir()
    (folder / "signer.json").write_text("{}")

    with pytest.raises(NeighbourError, match=r"signer\.log"):
        start_for_a_moment(folder, tmp_path / "signer.sock")


def test_a_signer_whose_socket_was_replaced_leaves_the_new_one_alone(tmp_path: Path) -> None:
    path = tmp_path / "signer.sock"
    first = threading.Thread(target=serve, args=(tmp_path / "old", path, lambda: False))
    first.start()
    until_s = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < until_s
        time.sleep(0.02)
    taken = path.with_name("taken")
    path.rename(taken)
    path.touch()

    first.join(20)

    assert not first.is_alive()
    assert path.exists()
