import socket
from pathlib import Path
from typing import Any

import pytest

from luytre.core.config_playbooks import DirectoryConfig, NeverTouchConfig
from playbooks.actions.action import ActionFailedError
from playbooks.actions.ldap import Directory as LdapClient
from playbooks.actions.never import NeverTouch
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


@pytest.mark.parametrize(
    ("account", "name"),
    [
        pytest.param("nam", "nam", id="plain"),
        pytest.param("TINH\\nam", "nam", id="with the domain"),
        pytest.param("tinh.test\\NAM", "nam", id="with the domain's long name"),
        pytest.param("nam@tinh.test", "nam", id="name@realm without a principal name"),
        pytest.param("ha@tinh.test", "ha.tt", id="user principal name"),
        pytest.param("TINH\\svc-sao-luu$", "svc-sao-luu$", id="managed service"),
        pytest.param("svc-sao-luu$", "svc-sao-luu$", id="managed service, plain"),
    ],
)
def test_every_spelling_of_an_account_is_understood(
    directory: Directory, account: str, name: str
) -> None:
    config = directory.settings(domains=("TINH", "tinh.test"))
    doing = actions(settings(directories=(config,)))
    given = {"account": account, "directory": "ad"}
    doing.perform("disable-account", given, ORDER)
    off = directory.attribute(name, "userAccountControl")
    doing.perform("enable-account", given, ORDER)

    assert off == ["514"]
    assert directory.attribute(name, "userAccountControl") == ["512"]


@pytest.mark.parametrize(
    ("account", "problem"),
    [
        pytest.param("OTHER\\nam", "is of the domain OTHER", id="a namesake elsewhere"),
        pytest.param("nam@other.test", "no account", id="another realm"),
        pytest.param("svc-sao-luu", "no account", id="a service without its dollar sign"),
        pytest.param("NT AUTHORITY\\SYSTEM", "built into the machine", id="SYSTEM"),
        pytest.param("SYSTEM", "built into the machine", id="SYSTEM, bare"),
        pytest.param("S-1-5-18", "built into the machine", id="SYSTEM, as a SID"),
        pytest.param("Window Manager\\DWM-3", "built into the machine", id="the desktop"),
        pytest.param("TINH\\TINH\\nam", "no account name", id="two domains"),
        pytest.param("nam@a@tinh.test", "no account name", id="two realms"),
        pytest.param("nam$x", "no account name", id="a dollar sign inside"),
        pytest.param("chu.tich@tinh.test", "admin must never", id="protected by another name"),
    ],
)
def test_what_is_not_this_domain_s_or_protected_is_refused(
    directory: Directory, account: str, problem: str
) -> None:
    config = directory.settings(domains=("TINH", "tinh.test"))
    doing = actions(settings(directories=(config,), never_touch={"accounts": ("TINH\\Admin",)}))

    with pytest.raises(ActionFailedError, match=problem):
        doing.perform("disable-account", {"account": account, "directory": "ad"}, ORDER)
    assert directory.attribute("admin", "userAccountControl") == ["512"]


LISTED = ("svc_backup$", "MINHHA\\quan.tri", "le@minhha.example")


@pytest.mark.parametrize("account", [
    "svc_backup$", "SVC_BACKUP$", "svc_backup", "MINHHA\\svc_backup$", "svc_backup$@minhha.example",
    "quan.tri", "QUAN.TRI@minhha.example", "OTHER\\quan.tri", "le", "minhha.example\\le", "le@x.example",
])  # fmt: skip
def test_the_never_touch_list_holds_for_every_spelling(account: str) -> None:
    never = NeverTouch(NeverTouchConfig(accounts=LISTED))

    with pytest.raises(ActionFailedError, match="never be touched"):
        never.refuse("account", account)


@pytest.mark.parametrize("account", ["quan", "svc", "le.minh", "minhha.example", "backup$"])
def test_the_never_touch_list_holds_for_nobody_else(account: str) -> None:
    NeverTouch(NeverTouchConfig(accounts=LISTED)).refuse("account", account)


@pytest.mark.parametrize("account", ["*", "nam)(cn=*", "n*", "(nam)", "\\6eam"])
def test_a_name_is_never_a_filter(directory: Directory, account: str) -> None:
    """The arguments would refuse these; here they reach the directory itself."""
    with (
        LdapClient(directory.settings()) as client,
    ):
        assert client.find("sAMAccountName", account, ["cn"]) == []


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
