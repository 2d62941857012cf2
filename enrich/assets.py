"""Adds what a host or an address is: its name, owner, security level, kind and organisation.

Offices use the same private addresses and host names. The most specific range wins; where two
organisations claim it alike, the event's own organisation speaks, and otherwise nobody does.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import polars as pl

from enrich.files import CsvRow, Notes, TableFile, UnusableError, csv_rows
from enrich.lookup import ANSWERS_KEPT, Answer, column, known, look_up
from enrich.networks import Network, Networks, address, network
from enrich.validity import Periods, Validity, validity
from luytre.core.cells import fold, texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

HOST_COLUMNS = (
    "host.asset.owner",
    "host.asset.level",
    "host.asset.kind",
    "host.asset.organization",
    "host.asset.name",
)
SYSTEM, SITE = "vn.egov.system", "url.domain"
"""Of an application's event and a web server's, which name their system or site and no host."""

SIDES = ("source", "destination")
SIDE_COLUMNS = {
    side: tuple(f"{side}.asset.{what}" for what in ("level", "kind", "organization", "name"))
    for side in SIDES
}
LEVELS = frozenset({"", "1", "2", "3", "4", "5"})


@dataclass(frozen=True, slots=True)
class Asset:
    """A line of the inventory: a host, a range of addresses, or both."""

    host: str
    place: Network | None
    owner: str
    level: str
    kind: str
    organization: str
    validity: Validity
    line: int
    systems: tuple[str, ...] = ()


def _system(events: pl.DataFrame) -> pl.Series:
    """Return the system or site of events that name no machine.

    A sensor's event has a destination: there the site is only what a client asked for.
    """
    named = pl.DataFrame(
        [column(events, name) for name in ("host.name", "host.ip", "destination.ip", SYSTEM, SITE)]
    )
    host, ip, destination, system, site = (pl.col(name) for name in named.columns)
    said = pl.when(destination.is_null()).then(pl.coalesce(system, site)).otherwise(system)
    return named.select(
        pl.when(host.is_null() & ip.is_null()).then(said).alias("system")
    ).to_series()


class Assets:
    """Adds the asset columns; what nobody listed has nulls."""

    needed = frozenset({"host.name", "host.ip", SYSTEM, SITE, "source.ip", "destination.ip"})
    columns = (*HOST_COLUMNS, *(name for side in SIDES for name in SIDE_COLUMNS[side]))

    def __init__(self, assets: Iterable[Asset]) -> None:
        self._hosts: dict[str, list[Asset]] = defaultdict(list)
        self._systems: dict[str, list[Asset]] = defaultdict(list)
        self._networks: Networks[Asset] = Networks()
        inventory = list(assets)
        for asset in inventory:
            if asset.host:
                self._hosts[asset.host].append(asset)
                if "." in asset.host:
                    self._hosts[_short(asset.host)].append(asset)
            for system in asset.systems:
                self._systems[system].append(asset)
            if asset.place:
                self._networks.add(asset.place, asset)
        self._periods = Periods(asset.validity for asset in inventory)
        self._host_answer = lru_cache(ANSWERS_KEPT)(self._say_host)
        self._side_answer = lru_cache(ANSWERS_KEPT)(self._say_side)

    def __call__(self, events: pl.DataFrame) -> pl.DataFrame:
        """Add the columns: sides from their address, the host from name, address or system."""
        shared = {"organization": column(events, "organization.id"), "at": self._periods.of(events)}
        host = {
            "name": column(events, "host.name"),
            "ip": column(events, "host.ip"),
            "system": _system(events),
        }
        done = look_up(events, {**host, **shared}, self._host_answer, HOST_COLUMNS)
        for side in SIDES:
            keys = {"ip": column(events, f"{side}.ip"), **shared}
            done = look_up(done, keys, self._side_answer, SIDE_COLUMNS[side])
        return done

    def _say_host(
        self,
        name: str | None,
        ip: str | None,
        system: str | None,
        organization: str | None,
        at: int,
    ) -> Answer | None:
        asset = self._by_name(name, organization, at) or self._by_address(ip, organization, at)
        if asset is None:
            asset = self._by_system(system, organization, at)
        if asset is None:
            return None
        said = asset.owner, asset.level, asset.kind, asset.organization, asset.host
        return tuple(map(known, said))

    def _say_side(self, ip: str | None, organization: str | None, at: int) -> Answer | None:
        asset = self._by_address(ip, organization, at)
        if asset is None:
            return None
        return tuple(map(known, (asset.level, asset.kind, asset.organization, asset.host)))

    def _by_system(self, system: str | None, organization: str | None, at: int) -> Asset | None:
        for text in texts(system):
            found = _choose(self._systems.get(fold(text), ()), organization, at)
            if found:
                return found
        return None

    def _by_name(self, name: str | None, organization: str | None, at: int) -> Asset | None:
        for text in texts(name):
            host = fold(text).rstrip(".")
            exact = self._hosts.get(host) or ()
            # The long name of another domain is another host: only one of the two may be short.
            short = self._hosts.get(_short(host), ()) if "." in host and not exact else ()
            plain = [asset for asset in short if "." not in asset.host]
            found = _choose(exact or plain, organization, at)
            if found:
                return found
        return None

    def _by_address(self, ip: str | None, organization: str | None, at: int) -> Asset | None:
        for text in texts(ip):
            place = address(text)
            for _, assets in self._networks.around(place) if place else ():
                found = _choose(assets, organization, at)
                if found:
                    return found
        return None


def _short(host: str) -> str:
    return host.partition(".")[0]


def _choose(assets: Sequence[Asset], organization: str | None, at: int) -> Asset | None:
    """Return the asset that holds then; of several the event's own, the last line of it."""
    if len(assets) == 1:
        return assets[0] if assets[0].validity.holds(at) else None
    held = [asset for asset in assets if asset.validity.holds(at)]
    own = [asset for asset in held if asset.organization == organization]
    if own:
        return own[-1]
    return held[-1] if len({asset.organization for asset in held}) == 1 else None


def parse(file: TableFile) -> tuple[list[Asset], list[str]]:
    """Return the assets of a CSV file and what is wrong with it."""
    notes = Notes(file.path)
    assets: list[Asset] = []
    for row in csv_rows(file, (), notes):
        try:
            assets.append(_asset(row))
        except ValueError as error:
            notes.add(row.line, str(error))
    if not assets:
        raise UnusableError("\n".join([f"{file.path}: has no usable asset", *notes.all()[:1]]))
    for line, problem in _doubles(assets):
        notes.add(line, problem)
    return assets, notes.all()


def assemble(parsed: Sequence[list[Asset]]) -> Assets:
    """Return the table of all files."""
    return Assets(asset for assets in parsed for asset in assets)


def _asset(row: CsvRow) -> Asset:
    host, ip, level = fold(row.get("host")).rstrip("."), row.get("address"), row.get("level")
    if not host and not ip:
        raise ValueError("has neither host nor address")
    if level not in LEVELS:
        raise ValueError(f"the level {level!r} is none of 1 to 5")
    return Asset(
        host,
        network(ip) if ip else None,
        row.get("owner"),
        level,
        fold(row.get("kind")),
        row.get("organization"),
        validity(row.get("valid_from"), row.get("valid_to")),
        row.line,
        tuple(fold(row.get("systems")).split()),
    )


def _doubles(assets: Sequence[Asset]) -> Iterator[tuple[int, str]]:
    """Yield lines that another line of the same organisation and time overrules."""
    seen: dict[tuple[object, str], list[Asset]] = defaultdict(list)
    for asset in assets:
        for key in filter(None, (asset.host, asset.place)):
            others = seen[key, asset.organization]
            for other in (o for o in others if asset.validity.overlaps(o.validity)):
                yield asset.line, f"overrules line {other.line} for the same host or address"
            others.append(asset)
