"""Counterparts that the machine itself has to bring: OpenLDAP and nftables."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
import trustme

from luytre.core.config_playbooks import NftablesConfig
from tests.playbooks.case import House
from tests.playbooks.directory import SLAPD, Directory, serve
from tests.playbooks.servers import fortigate, web
from tests.playbooks.world import World

NFT = Path("/usr/sbin/nft")
SPACE = f"luytre-test-{os.getpid()}"


def lacking(what: str) -> NoReturn:
    """Skip, and say what this machine lacks; in CI that is a failure."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def directory(
    authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Directory]:
    if not SLAPD.exists():
        lacking("OpenLDAP is missing (apt install slapd)")
    with serve(authority, tmp_path_factory.mktemp("ldap")) as found:
        yield found


@pytest.fixture
def packet_filter() -> Iterator[NftablesConfig]:
    """A network namespace with the table and sets that the guide tells an administrator to make."""
    if not NFT.exists() or os.geteuid() != 0 or shutil.which("ip") is None:
        lacking("nftables needs root, nft and ip (apt install nftables iproute2)")
    made = subprocess.run(["ip", "netns", "add", SPACE], check=False, capture_output=True)
    if made.returncode:
        lacking(f"no network namespace can be made here: {made.stderr.decode()}")
    rules = (
        "add table inet luytre; "
        "add set inet luytre blocked4 { type ipv4_addr; flags timeout; }; "
        "add set inet luytre blocked6 { type ipv6_addr; flags timeout; }"
    )
    try:
        subprocess.run(["ip", "netns", "exec", SPACE, str(NFT), rules], check=True)
        yield NftablesConfig(enabled=True, namespace=SPACE)
    finally:
        subprocess.run(["ip", "netns", "del", SPACE], check=True)


@pytest.fixture
def world() -> Iterator[World]:
    with web(fortigate) as firewall, web() as edr, web() as chat:
        yield World(firewall, edr, chat)


@pytest.fixture
def house(world: World, tmp_path: Path) -> House:
    return House(tmp_path, world.settings())
