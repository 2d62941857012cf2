"""Reads indicators from plain lists, CSV and STIX 2.1 bundles into one compact frame."""

from __future__ import annotations

import itertools
import operator
from datetime import UTC
from typing import TYPE_CHECKING, Any

import polars as pl

from enrich.files import Notes, TableFile, UnusableError, csv_cells, numbered_lines
from enrich.networks import V4_BITS, address, network
from enrich.observables import url_parts
from enrich.stix import line_of, stix_indicators
from enrich.validity import ALWAYS, NEVER, moment
from enrich.value_index import V4
from luytre.core.cells import scalar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TYPES = pl.Enum(["ipv4-addr", "ipv6-addr", "domain-name", "url", "file"])
"""The values of ECS threat.indicator.type that we join."""

SCHEMA: dict[str, pl.DataType] = {
    "value": pl.String(),  # in the spelling of enrich.observables
    "type": TYPES,
    "name": pl.String(),  # null: the value is its name
    "confidence": pl.UInt8(),
    "provider": pl.Categorical(),
    "start": pl.Int64(),
    "end": pl.Int64(),
}

CHUNK_ROWS = 50_000
V4_PREFIX_MIN = 8
V6_PREFIX_MIN = 16
_CONFIDENCE_MAX = 100

_ADDRESSES = "address ip ipv4 ipv6 ipv4-addr ipv6-addr cidr netblock ip-dst ip-src ip:port"
_HASHES = (
    "hash file md5 sha1 sha256 filehash-md5 filehash-sha1 filehash-sha256"
    " md5_hash sha1_hash sha256_hash"
)
KINDS = {
    **dict.fromkeys(_ADDRESSES.split(), "address"),
    **dict.fromkeys(["domain", "domain-name", "hostname", "fqdn"], "domain"),
    **dict.fromkeys(["url", "uri"], "url"),
    **dict.fromkeys(_HASHES.split(), "hash"),
}
"""What the feeds call a type (MISP, OTX, abuse.ch, STIX), and what it is."""

_TYPE = {"domain": "domain-name", "url": "url", "hash": "file"}

_V4 = V4 + "(?:/[0-9]{1,2})?$"
_V6 = r"^[0-9a-f:]*:[0-9a-f:.]*(?:/[0-9]{1,3})?$"
_DOMAIN = r"^(?:[\p{L}\p{N}_-]+\.)+[\p{L}\p{N}-]*\p{L}[\p{L}\p{N}-]*$"
_HASH = r"^(?:[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32})$"
_PORT = r"^([0-9.]{7,15}):[0-9]{1,5}$"
# Lists comment after the value; a "#" inside a URL is its fragment.
_COMMENT = r"\s+[#;].*$"

_COLUMNS = ("value", "type", "name", "confidence", "provider", "valid_from", "valid_until")


def read_indicators(file: TableFile) -> tuple[pl.DataFrame, list[str]]:
    """Return the indicators of one file in ``SCHEMA``, and what is wrong with it.

    ``.csv`` has a header with ``value``; ``.json`` is a STIX bundle; anything else is a list with
    one value a line. Raises ``UnusableError`` for a file that gives none.
    """
    notes = Notes(file.path)
    frames = []
    rows = _rows(file, notes)
    while chunk := list(itertools.islice(rows, CHUNK_ROWS)):
        frames.append(_frame(chunk, file, notes))
    frame = pl.concat(frames) if frames else pl.DataFrame(schema=SCHEMA)
    if not frame.height:
        raise UnusableError("\n".join([f"{file.path}: has no usable indicator", *notes.all()[:1]]))
    return frame, notes.all()


def _rows(file: TableFile, notes: Notes) -> Iterator[Sequence[Any]]:
    """Yield line and the texts of ``_COLUMNS``; the last of them may be absent."""
    # A million lines take 3 s here; they are read once per change of the file.
    match file.path.suffix.lower():
        case ".csv":
            yield from _csv_rows(file, notes)
        case ".json" | ".stix":
            for item in stix_indicators(file, notes):
                yield 0, item["value"], item["declared"], *(item[c] for c in _COLUMNS[2:])
        case _:
            for line, text in numbered_lines(file, notes):
                yield line, text, "", "", "", "", "", ""


def _csv_rows(file: TableFile, notes: Notes) -> Iterator[Sequence[Any]]:
    header, rows = csv_cells(file, ("value",), notes)
    places = [header.index(c) if c in header else len(header) for c in _COLUMNS]
    pick = operator.itemgetter(*places)
    for line, cells in rows:
        cells.extend([""] * (len(header) + 1 - len(cells)))
        yield line, *pick(cells)


def _frame(rows: Sequence[Sequence[Any]], file: TableFile, notes: Notes) -> pl.DataFrame:
    """Return a chunk in ``SCHEMA``; what cannot be used is noted and left out."""
    schema = {"line": pl.UInt32, **dict.fromkeys(_COLUMNS, pl.String)}
    raw = pl.DataFrame(rows, schema=schema, orient="row")
    raw = raw.with_columns(pl.col(_COLUMNS).str.strip_chars()).with_columns(_cleaned())
    raw = _spelt(_classed(raw))
    start, end = _moments(raw["valid_from"], ALWAYS), _moments(raw["valid_until"], NEVER)
    confidence = raw["confidence"].cast(pl.Int64, strict=False)
    unsure = (raw["confidence"] != "") & ~confidence.is_between(0, _CONFIDENCE_MAX).fill_null(
        value=False
    )
    raw = raw.with_columns(start, end).with_columns(
        pl.when(pl.col("problem").is_not_null())
        .then("problem")
        .when(unsure)
        .then(pl.lit("the confidence is no number from 0 to 100"))
        .when(pl.col("start").is_null() | pl.col("end").is_null())
        .then(pl.lit("valid_from or valid_until is no ISO 8601 time"))
        .alias("problem"),
        confidence=confidence,
    )
    for line, value, problem in raw.drop_nulls("problem")["line", "value", "problem"].iter_rows():
        notes.add(line or line_of(file, value or ""), problem)
    return raw.filter(pl.col("problem").is_null()).select(
        "value",
        _type().cast(TYPES).alias("type"),
        _said("name"),
        pl.col("confidence").cast(pl.UInt8),
        _said("provider").fill_null(scalar(file.path.stem)).cast(pl.Categorical),
        "start",
        "end",
    )


def _cleaned() -> pl.Expr:
    """Return values without comments, ports after IPv4 addresses, and defanging (hxxp, [.])."""
    return (
        pl.col("value")
        .str.replace(_COMMENT, "")
        .str.strip_chars()
        .str.replace(r"^hxxp", "http")
        .str.replace_all("[.]", ".", literal=True)
        .str.replace(_PORT, "$1")
    )


def _classed(raw: pl.DataFrame) -> pl.DataFrame:
    """Add ``kind``, from the value's own form, and ``problem`` where the file says another."""
    lower = pl.col("value").str.to_lowercase()
    bare = lower.str.strip_prefix("*.").str.strip_suffix(".")
    kind = (
        pl.when(lower.str.contains("://", literal=True))
        .then(pl.lit("url"))
        .when(lower.str.contains(_HASH))
        .then(pl.lit("hash"))
        .when(lower.str.contains(_V4) | lower.str.contains(_V6))
        .then(pl.lit("address"))
        .when(bare.str.contains(_DOMAIN))
        .then(pl.lit("domain"))
    )
    declared = pl.col("type").str.to_lowercase()
    known = declared.replace_strict(KINDS, default=None, return_dtype=pl.String)
    said = pl.lit("the type ") + declared
    return raw.with_columns(kind=kind, bare=bare).with_columns(
        pl.when((declared != "") & known.is_null())
        .then(said + " is not supported")
        .when(pl.col("kind").is_null())
        .then(pl.lit("is no address, network, domain, URL or hash"))
        .when((declared != "") & (known != pl.col("kind")))
        .then(said + " does not fit the value")
        .alias("problem")
    )


def _spelt(raw: pl.DataFrame) -> pl.DataFrame:
    """Bring the values into the spelling that events are looked up with."""
    lower = pl.col("value").str.to_lowercase()
    raw = raw.with_columns(
        pl.when(kind="url")
        .then(url_parts(raw["value"])["spelt"])
        .when(kind="hash")
        .then(lower)
        .when(kind="domain")
        .then("bare")
        .when(kind="address")
        .then(lower)
        .otherwise("value")
        .alias("spelt")
    )
    slow = pl.col("spelt").str.contains(r"[:/]") & (pl.col("kind") == "address")
    slow |= (pl.col("kind") == "domain") & ~pl.col("spelt").str.contains(r"^[\x00-\x7f]*$")
    # Only networks, IPv6 and names outside ASCII take Python, 3 us each.
    odd = raw.filter(slow).select("spelt", "kind").unique()
    if odd.height:
        answers = [(text, *_odd(text, kind)) for text, kind in odd.iter_rows()]
        schema = dict.fromkeys(("spelt", "better", "wrong"), pl.String)
        table = pl.DataFrame(answers, schema=schema, orient="row")
        raw = raw.join(table, on="spelt", how="left", maintain_order="left").with_columns(
            pl.coalesce("better", "spelt").alias("spelt"),
            pl.coalesce("problem", "wrong").alias("problem"),
        )
    return raw.with_columns(
        pl.coalesce("spelt", "value").alias("value"),
        pl.when(pl.col("spelt").is_null() & pl.col("problem").is_null())
        .then(pl.lit("is no URL with a host"))
        .otherwise("problem")
        .alias("problem"),
    )


def _odd(text: str, kind: str) -> tuple[str | None, str | None]:
    """Return the spelling of a network, an IPv6 address or an IDN, or what is wrong with it."""
    if kind == "domain":
        try:
            return text.encode("idna").decode(), None
        except UnicodeError:
            return None, "is no domain name"
    place = address(text)
    if place:
        return str(place), None
    try:
        found = network(text)
    except ValueError:
        return None, "is no address or network"
    if found.prefix < (V4_PREFIX_MIN if found.bits == V4_BITS else V6_PREFIX_MIN):
        return None, "is too wide: it would match most of the Internet"
    whole = text.partition("/")[0]
    return (str(address(whole)) if found.prefix == found.bits else text), None


def _type() -> pl.Expr:
    family = pl.when(pl.col("value").str.contains(":", literal=True))
    address_type = family.then(pl.lit("ipv6-addr")).otherwise(pl.lit("ipv4-addr"))
    named = pl.col("kind").replace_strict(_TYPE, default=None, return_dtype=pl.String)
    return pl.coalesce(named, address_type)


def _said(column: str) -> pl.Expr:
    """Return a text of the file as a cell: empty is missing, structure marks are taken out."""
    clean = pl.col(column).str.replace_all("\uffff", "\ufffd", literal=True)
    return pl.when(pl.col(column) != "").then(clean).alias(column)


def _moments(texts: pl.Series, default: int) -> pl.Series:
    """Return microseconds; empty text is ``default``, what is no time is null."""
    name = "start" if default == ALWAYS else "end"
    said: dict[str, int | None] = {"": default}
    for text in texts.unique().to_list():
        if text:
            try:
                said[text] = moment(text, UTC)
            except ValueError:
                said[text] = None
    return texts.replace_strict(list(said), list(said.values()), return_dtype=pl.Int64).alias(name)
