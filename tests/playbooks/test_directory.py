import socket
from pathlib import Path
from typing import Any

import pytest

from luytre.core.config_playbooks import DirectoryConfig
from playbooks.actions.action import ActionFailedError
from playbooks.actions.ldap import Directory as LdapClient
from tests.playbooks.directory import Directory
from tests.playbooks.doing import ORDER, actions, settings
from tests.playbooks.servers import raw


@pytest.mark.parametrize("secure", [True, False], ids=["ldaps", "StartTLS"])
def test_an_account_is_disabled_and_enabled_and_may_be_so_twice(
    directory: Directory, *, secure: bool
) -> None:
    doing = actions(settings(directories=(directory.settings(secure=secure),)))
    given = {"account": "nam", "directory": "ad"}
    for _ in range(2):
        doing.perform("disable-account", given, ORDER)
    off = directory.attribute("nam", "userAccountControl")
    for _ in range(2):
        doing.perform("enable-account", given, ORDER)

    assert off == ["514"]
    assert directory.attribute("nam", "userAccountControl") == ["512"]
    assert directory.attribute("lan", "userAccountControl") == ["512"]


def test_a_directory_of_another_kind_sets_its_own_attribute(directory: Directory) -> None:
    config = directory.settings(kind="attribute", attribute="lockedSince", disabled_value="always")
    doing = actions(settings(directories=(config,)))
    doing.perform("disable-account", {"account": "lan", "directory": "ad"}, ORDER)
    off = directory.attribute("lan", "lockedSince")
    doing.perform("enable-account", {"account": "lan", "directory": "ad"}, ORDER)

    assert off == ["always"]
    assert directory.attribute("lan", "lockedSince") == []


@pytest.mark.parametrize(
    ("account", "changed", "problem"),
    [
        pytest.param("ghost", {}, "no account", id="unknown"),
        pytest.param("twin1", {}, "more than one", id="ambiguous"),
        pytest.param(
            "nam", {"user": "cn=nobody,dc=tinh,dc=test"}, "refused the login: 49", id="wrong user"
        ),
        pytest.param(
            "nam", {"ca_file": None}, "CERTIFICATE_VERIFY_FAILED", id="unknown certificate"
        ),
        pytest.param("nam", {"url": "ldap://localhost:1"}, "refused", id="nobody there"),
        pytest.param("nam", {"url": "http://localhost"}, "no directory", id="no LDAP"),
    ],
)
def test_a_directory_refuses(
    directory: Directory, account: str, changed: dict[str, Any], problem: str
) -> None:
    doing = actions(settings(directories=(directory.settings(**changed),)))

    with pytest.raises(ActionFailedError, match=problem):
        doing.perform("disable-account", {"account": account, "directory": "ad"}, ORDER)


@pytest.mark.parametrize("account", ["*", "nam)(cn=*", "n*", "(nam)", "\\6eam"])
def test_a_name_is_never_a_filter(directory: Directory, account: str) -> None:
    """The arguments would refuse these; here they reach the directory itself."""
    with (
        LdapClient(directory.settings()) as client,
        pytest.raises(ActionFailedError, match="no account"),
    ):
        client.find(account, "cn")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x30\x84\xff\xff\xff\xff",
        b"\x30\x80\x00\x00",
        b"HTTP/1.1 400\r\n\r\n",
        b"\x30\x03\x02\x01\x07",
        b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x34\x04\x00\x04\x00",
    ],
)
def test_a_hostile_directory_gets_no_password(answer: bytes, tmp_path: Path) -> None:
    heard: list[bytes] = []

    def talk(stream: socket.socket) -> None:
        heard.append(stream.recv(4096))
        stream.sendall(answer)
        stream.settimeout(0.5)
        heard.append(stream.recv(4096))

    (tmp_path / "password").write_text("geheim")
    with raw(talk) as server:
        config = DirectoryConfig(
            name="ad", url=f"ldap://localhost:{server.port}", user="cn=a", password_file=tmp_path / "password",
            search_in="dc=a", timeout_s=2,
        )  # fmt: skip
        with pytest.raises(ActionFailedError):
            actions(settings(directories=(config,))).perform(
                "disable-account", {"account": "nam", "directory": "ad"}, ORDER
            )

    assert not any(b"geheim" in each for each in heard)
