import socket
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import trustme

from luytre.core.config_playbooks import DestinationConfig
from playbooks.actions.action import ActionFailedError, ActionUnclearError
from playbooks.actions.door import ANSWER_BYTES_MAX, Door, expect, read_url
from tests.playbooks.servers import Recorder, raw, web
from tests.playbooks.url_forms import PRIVATE, PRIVATE6, forms

HERE = ("127.0.0.0/8", "::1/128")


class Resolver:
    """Answers with each of the given lists in turn, and counts how often it is asked."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, host: str, _port: int) -> Sequence[str]:
        self.asked.append(host)
        return self._answers[min(len(self.asked), len(self._answers)) - 1]


def door(url: str, resolve: Resolver, networks: tuple[str, ...] = HERE) -> Door:
    return Door([DestinationConfig(url=url, networks=networks, deadline_s=2)], resolve)


def test_every_form_of_url_that_is_not_the_allowed_one_reaches_nobody() -> None:
    with web() as server:
        resolve = Resolver(["127.0.0.1"])
        allowed = f"http://allowed.test:{server.port}/hook"
        opened = door(allowed, resolve)
        refused = 0
        for form in forms(server.port):
            with pytest.raises(ActionFailedError):
                opened.send("GET", form)
            refused += 1

        assert refused > 500
        assert server.connections == 0
        assert not resolve.asked
        assert opened.send("GET", allowed).status == 200
        assert server.connections == 1


@pytest.mark.parametrize(
    "address", [*PRIVATE, *PRIVATE6, "fe80::1%eth0", "not an address", "::ffff:8.8.8.8"]
)
def test_an_allowed_name_that_leads_inside_is_not_connected_to(address: str) -> None:
    with web() as server:
        url = f"http://allowed.test:{server.port}/hook"

        with pytest.raises(ActionFailedError, match="not allowed"):
            door(url, Resolver([address]), ()).send("GET", url)

        assert server.connections == 0


def test_one_bad_address_among_good_ones_is_enough() -> None:
    url = "http://allowed.test/hook"

    with pytest.raises(ActionFailedError, match=r"10\.0\.0\.1, which is not allowed"):
        door(url, Resolver(["1.1.1.1", "10.0.0.1"]), ()).send("GET", url)


def test_a_network_that_is_named_excludes_every_other() -> None:
    url = "http://allowed.test/hook"

    with pytest.raises(ActionFailedError, match="not allowed"):
        door(url, Resolver(["1.1.1.1"])).send("GET", url)


def test_a_name_that_changes_its_address_is_asked_once_and_pinned() -> None:
    """DNS rebinding: whoever checks and then connects by name would land at the second answer."""
    with web() as good, web() as bad:
        resolve = Resolver(["127.0.0.1"], ["127.0.0.2"])
        url = f"http://allowed.test:{good.port}/hook"

        door(url, resolve).send("GET", url)

        assert resolve.asked == ["allowed.test"]
        assert (good.connections, bad.connections) == (1, 0)
        assert good.requests[0][2]["Host"] == f"allowed.test:{good.port}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    def reply(seen: Recorder, _method: str, _path: str, _body: bytes) -> tuple[int, bytes]:
        return status, b""

    with web() as inside, web(reply) as server:
        server.state["headers"] = {"Location": f"http://127.0.0.1:{inside.port}/"}
        url = f"http://allowed.test:{server.port}/hook"

        answer = door(url, Resolver(["127.0.0.1"])).send("GET", url)

        with pytest.raises(ActionFailedError, match=str(status)):
            expect(answer, "it")
        assert inside.connections == 0


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with web() as proxy, web() as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        url = f"http://allowed.test:{server.port}/hook"

        door(url, Resolver(["127.0.0.1"])).send("GET", url)

        assert (proxy.connections, server.connections) == (0, 1)


def test_the_certificate_must_be_the_names_not_the_addresss(tmp_path: Path) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    cases = [
        (authority, "allowed.test", True),
        (authority, "other.test", False),
        (stranger, "allowed.test", False),
    ]
    for issuer, name, good in cases:
        with web(authority=issuer, name=name) as server:
            url = f"https://allowed.test:{server.port}/hook"
            opened = Door(
                [DestinationConfig(url=url, networks=HERE, ca_file=tmp_path / "ca.pem")],
                Resolver(["127.0.0.1"]),
            )
            if good:
                assert opened.send("POST", url, {"a": 1}).status == 200
            else:
                with pytest.raises(ActionFailedError, match="CERTIFICATE_VERIFY_FAILED"):
                    opened.send("POST", url, {"a": 1})
                assert not server.requests


def test_the_secret_goes_along_and_only_there(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    with web() as server:
        url = f"http://allowed.test:{server.port}/hook"
        settings = DestinationConfig(url=url, networks=HERE, token_file=tmp_path / "token")

        Door([settings], Resolver(["127.0.0.1"])).send("POST", url, {"a": "ư"})

        method, path, headers, body = server.requests[0]
        assert (method, path, body) == ("POST", "/hook", {"a": "ư"})
        assert headers["Authorization"] == "Bearer s3cret"


def _drip(stream: socket.socket) -> None:
    stream.recv(4096)
    stream.sendall(b"HTTP/1.1 200 OK\r\n")
    for n in range(100):
        stream.sendall(b"X-%d: a\r\n" % n)
        time.sleep(0.2)


def _endless(stream: socket.socket) -> None:
    stream.recv(4096)
    stream.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        stream.sendall(b"x" * 65_536)


def _large(stream: socket.socket) -> None:
    stream.recv(4096)
    stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (ANSWER_BYTES_MAX * 2))
    stream.sendall(b"x" * (ANSWER_BYTES_MAX * 2))


def _hangs_up(stream: socket.socket) -> None:
    stream.recv(4096)


def _rubbish(stream: socket.socket) -> None:
    stream.recv(4096)
    stream.sendall(b"\x00\xff\x00SSH-2.0\r\n\r\n")


@pytest.mark.parametrize(
    "talk", [_drip, _endless, _large, _hangs_up, _rubbish], ids=lambda t: t.__name__
)
def test_a_hostile_answer_is_unclear_and_ends_in_time(talk: object) -> None:
    with raw(talk) as server:  # type: ignore[arg-type]
        url = f"http://allowed.test:{server.port}/hook"
        started = time.monotonic()

        with pytest.raises(ActionUnclearError):
            door(url, Resolver(["127.0.0.1"])).send("POST", url, {})

        assert time.monotonic() - started < 10
        assert server.connections == 1


def test_nobody_there_is_a_failure_that_may_be_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://allowed.test:{port}/hook"

    with pytest.raises(ActionFailedError, match="not reached"):
        door(url, Resolver(["127.0.0.1"])).send("POST", url, {})


@pytest.mark.parametrize(("status", "error"), [(404, ActionFailedError), (500, ActionUnclearError)])
def test_a_no_is_a_failure_and_a_breakdown_is_unclear(status: int, error: type[Exception]) -> None:
    with web(lambda *_: (status, b"")) as server:
        url = f"http://allowed.test:{server.port}/hook"

        with pytest.raises(error):
            expect(door(url, Resolver(["127.0.0.1"])).send("POST", url, {}), "it")


def test_a_name_without_address_is_a_failure() -> None:
    def resolve(_host: str, _port: int) -> Sequence[str]:
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(ActionFailedError, match="has no address"):
        Door([DestinationConfig(url="http://allowed.test/")], resolve).send(
            "GET", "http://allowed.test/"
        )


def test_a_url_is_read_as_it_is_sent() -> None:
    address = read_url("https://a.test/x/y?a=1&b=%20")

    assert (address.host, address.port, address.path, address.query) == (
        "a.test",
        443,
        "/x/y",
        "?a=1&b=%20",
    )
