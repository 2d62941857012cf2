"""Adds where a public address is and whose network it lies in, from MMDB files, offline."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import maxminddb

from enrich.files import TableFile, UnusableError
from enrich.lookup import ANSWERS_KEPT, Answer, column, known, look_up
from enrich.networks import address, is_public
from luytre.core.cells import texts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import polars as pl

    from luytre.core.clock import Clock

SIDES = ("source", "destination")
SIDE_COLUMNS = {
    side: (
        f"{side}.geo.country_iso_code",
        f"{side}.geo.country_name",
        f"{side}.as.number",
        f"{side}.as.organization.name",
    )
    for side in SIDES
}
PATHS = (
    ("country", "iso_code"),
    ("country", "names", "en"),
    ("autonomous_system_number",),
    ("autonomous_system_organization",),
)
"""Where MaxMind's City, Country and ASN records hold the four columns."""

AGE_MAX = timedelta(days=90)


class AddressBook(Protocol):
    """What knows addresses: an open MMDB file."""

    def get(self, ip_address: str, /) -> Any:
        """Return the record of an address, or None."""


class GeoIP:
    """Adds the columns of both sides; an address that is private or in no file has nulls."""

    needed = frozenset(f"{side}.ip" for side in SIDES)
    columns = tuple(name for side in SIDES for name in SIDE_COLUMNS[side])

    def __init__(self, books: Sequence[AddressBook]) -> None:
        self._books = tuple(books)
        self._answer = lru_cache(ANSWERS_KEPT)(self._say)

    def __call__(self, events: pl.DataFrame) -> pl.DataFrame:
        """Add the columns."""
        for side in SIDES:
            keys = {"ip": column(events, f"{side}.ip")}
            events = look_up(events, keys, self._answer, SIDE_COLUMNS[side])
        return events

    def _say(self, cell: str | None) -> Answer | None:
        for text in texts(cell):
            place = address(text)
            if place and is_public(place):
                return self._record(str(place))
        return None

    def _record(self, ip: str) -> Answer:
        records = [self._get(book, ip) for book in self._books]
        return tuple(next(filter(None, (_leaf(r, path) for r in records)), None) for path in PATHS)

    @staticmethod
    def _get(book: AddressBook, ip: str) -> Any:
        try:
            return book.get(ip)
        except (ValueError, maxminddb.InvalidDatabaseError):
            return None  # an IPv6 address asked of an IPv4 file, or a damaged record


def _leaf(record: Any, path: tuple[str, ...]) -> str | None:
    for step in path:
        if not isinstance(record, dict):
            return None
        record = record.get(step)
    return known(str(record)) if isinstance(record, str | int) else None


def parse(file: TableFile, folder: Path, clock: Clock) -> tuple[maxminddb.Reader, list[str]]:
    """Return an open MMDB file and whether it is too old.

    The file is mapped from a private copy in ``folder`` that has no name: one that is overwritten
    in place while it is mapped would end the process with SIGBUS.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with tempfile.NamedTemporaryFile(dir=folder, suffix=".mmdb") as copy:
            copy.write(file.data)
            copy.flush()
            reader = maxminddb.open_database(copy.name, maxminddb.MODE_AUTO)
    except (maxminddb.InvalidDatabaseError, OSError, ValueError) as error:
        raise UnusableError(f"{file.path}: is no MMDB file: {error}") from error
    built = datetime.fromtimestamp(reader.metadata().build_epoch, UTC)
    if clock.now() - built > AGE_MAX:
        return reader, [
            f"{file.path}: expired: built {built:%Y-%m-%d}, over {AGE_MAX.days} days ago"
        ]
    return reader, []


def assemble(parsed: Sequence[AddressBook]) -> GeoIP:
    """Return the table of all files; the first that knows speaks."""
    return GeoIP(parsed)
