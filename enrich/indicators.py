"""Adds which indicator of compromise an event names: its name, type, confidence and provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from enrich.indicator_files import SCHEMA, read_indicators
from enrich.lookup import nulls
from enrich.observables import ADDRESS_COLUMNS, OBSERVED, URL_COLUMNS, cell_texts
from enrich.validity import event_times
from enrich.value_index import NetworkIndex, ValueIndex

if TYPE_CHECKING:
    from collections.abc import Sequence

    from enrich.files import TableFile
    from luytre.core.clock import Clock

COLUMNS = (
    "threat.indicator.name",
    "threat.indicator.type",
    "threat.indicator.confidence",
    "threat.indicator.provider",
    "luytre.indicator.column",
)
_HIT = {"index": pl.UInt32, "row": pl.Int64, "rank": pl.Int32, "place": pl.Int32}
_ORDER = {"index": False, "confidence": True, "rank": True, "place": False, "row": False}
"""What the best hit of an event comes first in, and whether the greatest does."""


class Indicators:
    """Joins indicators to the columns of ``OBSERVED``, in memory, by distinct values.

    Of several that hold at the event's time the most confident is named, then the most specific,
    then the one whose column comes first in ``OBSERVED``, then the one listed first.
    """

    needed = frozenset(OBSERVED)
    columns = COLUMNS

    def __init__(self, table: pl.DataFrame) -> None:
        self._table = table
        self._index = ValueIndex(table["value"])
        wide = table.with_row_index("row").filter(
            pl.col("type").is_in(["ipv4-addr", "ipv6-addr"])
            & pl.col("value").str.contains("/", literal=True)
        )
        self._networks = NetworkIndex(wide["value"], wide["row"])

    def __call__(self, events: pl.DataFrame) -> pl.DataFrame:
        """Add the columns."""
        hits = [
            self._hits(events, column, place)
            for place, column in enumerate(OBSERVED)
            if column in events.columns
        ]
        found = pl.concat([pl.DataFrame(schema=_HIT), *hits])
        if not found.height:
            return nulls(events, COLUMNS)
        best = self._best(found.with_columns(event_times(events).gather(found["index"])))
        rows = pl.DataFrame({"index": np.arange(events.height, dtype=np.uint32)})
        answers = rows.join(best, on="index", how="left", maintain_order="left").select(COLUMNS)
        return events.with_columns(answers.get_columns())

    def _hits(self, events: pl.DataFrame, column: str, place: int) -> pl.DataFrame:
        """Return for each event the rows of all indicators that its cell names."""
        texts = cell_texts(events[column])
        seen = OBSERVED[column](texts)
        asked, rows = self._index.find(seen["value"])
        named = seen[asked].select("cell", "rank").with_columns(pl.Series("row", rows, pl.Int64))
        if self._networks and column in (*ADDRESS_COLUMNS, *URL_COLUMNS):
            inside = self._networks.find(seen["value"])
            around = seen["cell"].gather(inside["place"])
            named = pl.concat([named, inside.select(around, "rank", "row")])
        if not named.height:
            return pl.DataFrame(schema=_HIT)
        cells = events.select(pl.col(column).alias("cell")).with_row_index("index")
        return cells.join(named, on="cell").select(
            "index", "row", "rank", pl.lit(place, pl.Int32).alias("place")
        )

    def _best(self, found: pl.DataFrame) -> pl.DataFrame:
        """Return one answer per event, among the indicators that hold at its time."""
        said = self._table[found["row"]]
        names = pl.Series("column", list(OBSERVED))
        return (
            found.hstack(said)
            .filter(pl.col("at").is_between(pl.col("start"), pl.col("end"), closed="left"))
            .sort(list(_ORDER), descending=list(_ORDER.values()), nulls_last=True)
            .unique("index", keep="first", maintain_order=True)
            .select(
                "index",
                pl.coalesce("name", "value").alias("threat.indicator.name"),
                pl.col("type").cast(pl.String).alias("threat.indicator.type"),
                pl.col("confidence").cast(pl.String).alias("threat.indicator.confidence"),
                pl.col("provider").cast(pl.String).alias("threat.indicator.provider"),
                pl.lit(names).gather("place").alias("luytre.indicator.column"),
            )
        )


def parse(file: TableFile, clock: Clock) -> tuple[pl.DataFrame, list[str]]:
    """Return the indicators of one file and what is wrong with it."""
    table, notes = read_indicators(file)
    now = pl.Series([clock.now()]).dt.epoch("us").item()
    expired = table.filter(pl.col("end") <= now).height
    if expired == table.height:
        notes = [*notes, f"{file.path}: expired: no indicator holds any more"]
    elif expired * 2 > table.height:
        notes = [*notes, f"{file.path}: {expired} of {table.height} indicators have expired"]
    return table, notes


def assemble(parsed: Sequence[pl.DataFrame]) -> Indicators:
    """Return the table of all files."""
    return Indicators(pl.concat(parsed) if parsed else pl.DataFrame(schema=SCHEMA))
