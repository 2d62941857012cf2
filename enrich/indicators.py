"""Adds which indicator of compromise an event names: its name, type, confidence and provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from enrich import observables
from enrich.indicator_files import SCHEMA, read_indicators
from enrich.lookup import nulls
from enrich.observables import observed
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
_ORDER = {"index": False, "confidence": True, "rank": True, "place": False, "row": False}
"""What the best hit of an event comes first in, and whether the greatest does."""


class Indicators:
    """Joins indicators to the columns of ``observables.COLUMNS``, in memory, by distinct values.

    Of several that hold at the event's time the most confident is named, then the most specific,
    then the one whose column comes first in ``observables.COLUMNS``, then the one listed first.
    """

    needed = frozenset(observables.COLUMNS)
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
        seen = observed(events)
        asked, rows = self._index.find(seen["value"])
        named = seen[asked].select("place", "cell", "rank", pl.Series("row", rows, pl.Int64))
        if self._networks:
            around = self._networks.find(seen["value"])
            cells = seen.select("place", "cell")[around["asked"]]
            named = pl.concat([named, cells.hstack(around.select("rank", "row"))])
        if not named.height:
            return nulls(events, COLUMNS)
        return self._say(events, named)

    def _say(self, events: pl.DataFrame, named: pl.DataFrame) -> pl.DataFrame:
        """Add the columns, given the rows of all indicators that a cell names."""
        hits = []
        for (place,), mine in named.partition_by("place", as_dict=True).items():
            cells = events.select(pl.col(observables.COLUMNS[place]).alias("cell"))
            hits.append(cells.with_row_index("index").join(mine, on="cell"))
        found = pl.concat(hits)
        best = self._best(found.with_columns(event_times(events).gather(found["index"])))
        index = pl.DataFrame({"index": np.arange(events.height, dtype=np.uint32)})
        answers = index.join(best, on="index", how="left", maintain_order="left").select(COLUMNS)
        return events.with_columns(answers.get_columns())

    def _best(self, found: pl.DataFrame) -> pl.DataFrame:
        """Return one answer per event, among the indicators that hold at its time."""
        said = self._table[found["row"]]
        names = pl.Series("column", observables.COLUMNS)
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
