"""A fictional province: its units, people, machines and addresses.

Outside addresses come from the ranges for documentation and benchmarks (RFC 5737, RFC 2544), so
that no simulated log accuses a real machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

DOMAIN = "minhha.example"
PROVINCE = "000.00.00.H99"
CENTRE = "000.00.01.H99"

SURNAMES = ("Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Vũ", "Đặng", "Bùi", "Đỗ", "Hồ")
GIVEN = (
    ("Lan", "lan"), ("Hùng", "hung"), ("Thảo", "thao"), ("Đức", "duc"), ("Mai", "mai"),
    ("Tuấn", "tuan"), ("Hạnh", "hanh"), ("Sơn", "son"), ("Yến", "yen"), ("Quân", "quan"),
)  # fmt: skip
INITIALS = {
    "Nguyễn": "n", "Trần": "t", "Lê": "l", "Phạm": "p", "Hoàng": "h", "Vũ": "v", "Đặng": "d",
    "Bùi": "b", "Đỗ": "do", "Hồ": "ho",
}  # fmt: skip

ADMIN_PC = "10.1.9.12"
BACKUP_SERVER = "10.1.9.20"
FILE_SERVER = "10.1.1.20"
RESOLVER = "10.1.1.53"
VIDEO_SERVER = "10.1.6.8"
GATEWAY = "10.1.2.15"
SCANNER = "10.1.1.90"
MONITOR = "192.0.2.10"
WEB_HOST, MAIL_HOST, DATABASE_HOST = "web01", "mail01", "db01"
DATABASE_SERVER = "10.1.5.10"
PLATFORM, ONE_STOP = "10.1.4.10", "10.1.4.11"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account."""

    name: str
    account: str
    organization: str

    @property
    def mailbox(self) -> str:
        """The official mail address."""
        return f"{self.account}@{DOMAIN}"


@dataclass(frozen=True, slots=True)
class Pc:
    """An office machine and who sits there."""

    host: str
    address: str
    person: Person


@dataclass(frozen=True, slots=True)
class Commune:
    """A commune: ``slug`` names its files, ``netbios`` its Windows domain."""

    id: str
    slug: str
    name_vi: str
    name_en: str
    netbios: str
    network: int
    pcs: tuple[Pc, ...]

    @property
    def recorder(self) -> str:
        """The address of the video recorder."""
        return f"10.{self.network}.200.5"

    @property
    def cameras(self) -> tuple[str, ...]:
        """The addresses of the cameras."""
        return tuple(f"10.{self.network}.200.{host}" for host in range(11, 17))


COMMUNES = (
    ("000.11.00.H99", "dong-son", "xã Đông Sơn", "Dong Son Commune", "DONGSON"),
    ("000.12.00.H99", "tay-ho", "xã Tây Hồ", "Tay Ho Commune", "TAYHO"),
    ("000.13.00.H99", "nam-hai", "phường Nam Hải", "Nam Hai Ward", "NAMHAI"),
    ("000.14.00.H99", "bac-lam", "xã Bắc Lâm", "Bac Lam Commune", "BACLAM"),
)
PCS_PER_COMMUNE = 5


@dataclass(frozen=True, slots=True)
class Province:
    """Everything that has a name."""

    communes: tuple[Commune, ...]

    @property
    def people(self) -> tuple[Person, ...]:
        """Everybody with an office machine."""
        return tuple(pc.person for commune in self.communes for pc in commune.pcs)


def settle(dice: Random) -> Province:
    """Return a province; its people depend on the dice, its units do not."""
    return Province(tuple(_commune(dice, row, 31 + index) for index, row in enumerate(COMMUNES)))


def _commune(dice: Random, row: tuple[str, str, str, str, str], network: int) -> Commune:
    identity, slug, name_vi, name_en, netbios = row
    pcs = []
    for number in range(1, PCS_PER_COMMUNE + 1):
        person = _person(dice, identity, f"{network}{number}")
        host = f"PC-{number:02d}.{slug}.{DOMAIN}"
        pcs.append(Pc(host, f"10.{network}.7.{20 + number}", person))
    return Commune(identity, slug, name_vi, name_en, netbios, network, tuple(pcs))


def _person(dice: Random, organization: str, suffix: str) -> Person:
    surname = dice.choice(SURNAMES)
    given, plain = dice.choice(GIVEN)
    return Person(f"{surname} {given}", f"{plain}.{INITIALS[surname]}{suffix}", organization)


def citizen(dice: Random) -> str:
    """Return the address of somebody on the Internet with honest intentions."""
    return f"198.18.{dice.randrange(256)}.{dice.randrange(1, 255)}"


def stranger(dice: Random) -> str:
    """Return the address of a scanner; none of them is an attacker of the attacks."""
    return f"198.51.100.{dice.randrange(100, 250)}"
