"""What in an event an indicator may name: addresses, domains, URLs and hashes, in one spelling."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from enrich.networks import address
from luytre.core.cells import MARK, NULL, list_cell

if TYPE_CHECKING:
    from collections.abc import Iterator

ADDRESS_COLUMNS = ("destination.ip", "source.ip", "dns.resolved_ip", "destination.nat.ip")
DOMAIN_COLUMNS = (
    "dns.question.name",
    "destination.domain",
    "url.domain",
    "tls.client.server_name",
    "source.domain",
)
URL_COLUMNS = ("url.full", "url.original")
HASH_COLUMNS = (
    "file.hash.sha256",
    "file.hash.sha1",
    "file.hash.md5",
    "process.hash.sha256",
    "process.hash.sha1",
    "process.hash.md5",
    "dll.hash.sha256",
    "Hashes",
)

_COLUMNS = {
    "hash": HASH_COLUMNS,
    "url": URL_COLUMNS,
    "domain": DOMAIN_COLUMNS,
    "address": ADDRESS_COLUMNS,
}
COLUMNS = tuple(name for names in _COLUMNS.values() for name in names)
"""Which columns are looked at; of equal hits the earlier column is named."""
_PLACES = {kind: [COLUMNS.index(name) for name in names] for kind, names in _COLUMNS.items()}

DOMAIN_CHARS_MAX = 253  # RFC 1035 2.3.4
EXACT = pl.lit(1000, pl.Int32)
"""The rank of a whole value; networks rank by their prefix, domains by their dots."""

_URL = (
    r"^(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*)://(?:[^/?#@]*@)?"
    r"(?P<host>\[[^\]]*\]|[^/:?#]*)(?::(?P<port>[0-9]*))?"
    r"(?P<path>/[^?#]*)?(?P<query>\?[^#]*)?"
)
_PORTS = {"http": "80", "https": "443", "ftp": "21"}
# Sysmon writes "SHA1=..,MD5=..,IMPHASH=..": an import hash looks like an MD5 and is none.
_IMPORT_HASH = r"(?i)imphash=[0-9a-f]*"
_HASH = r"\b(?:[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32})\b"


def url_parts(texts: pl.Series) -> pl.DataFrame:
    """Return ``host``, and ``spelt``: the URL in one spelling; nulls for what is no URL.

    By RFC 3986 6.2.2.1 and 6.2.3: scheme and host are lower-case; credentials, the default port and
    the fragment are dropped; an empty path is "/".
    """
    parts = texts.str.extract_groups(_URL).struct.unnest()
    scheme = pl.col("scheme").str.to_lowercase()
    host = pl.col("host").str.to_lowercase().str.strip_suffix(".")
    port = pl.col("port").fill_null("")
    usual = (port == "") | (port == scheme.replace_strict(_PORTS, default="none"))
    spelt = pl.concat_str(
        scheme,
        pl.lit("://"),
        host,
        pl.when(usual).then(pl.lit("")).otherwise(":" + port),
        pl.col("path").fill_null("/"),
        pl.col("query").fill_null(""),
    )
    named = pl.when(host != "")
    return parts.select(
        named.then(host.str.strip_chars("[]")).alias("host"), named.then(spelt).alias("spelt")
    )


def normal_addresses(texts: pl.Series) -> pl.Series:
    """Return addresses in one spelling; IPv4 has one already, other text stays as it is."""
    colons = texts.str.contains(":", literal=True)
    if not colons.any():
        return texts
    # Only IPv6 takes Python: 0.7 us per distinct address.
    spelt = [
        str(address(text) or text) if text and ":" in text else text for text in texts.to_list()
    ]
    return pl.Series("value", spelt, dtype=pl.String)


def cell_texts(events: pl.DataFrame) -> pl.DataFrame:
    """Return the texts of every distinct cell of ``COLUMNS``, as ``cells.texts`` does.

    ``place`` is the column's place in ``COLUMNS``, ``cell`` the cell, ``value`` one of its texts.
    """
    places = [
        place
        for place, name in enumerate(COLUMNS)
        if name in events.columns and events[name].null_count() < events.height
    ]
    cells = [events[COLUMNS[place]].unique().alias("cell") for place in places]
    if not cells:
        return pl.DataFrame(schema={"place": pl.Int32, "cell": pl.String, "value": pl.String})
    lengths = [len(distinct) for distinct in cells]
    place = pl.Series("place", np.repeat(np.array(places, dtype=np.int32), lengths))
    cell = pl.concat(cells)
    texts = pl.DataFrame([place, cell, cell.alias("value")]).drop_nulls()
    marked = texts["value"].str.starts_with(MARK)
    if not marked.any():
        return texts
    items = pl.col("value").str.strip_prefix(list_cell(())).str.split(MARK)
    lists = texts.filter(marked & (texts["value"] != NULL)).with_columns(items).explode("value")
    return pl.concat([texts.filter(~marked), lists])


def observed(events: pl.DataFrame) -> pl.DataFrame:
    """Return ``place``, ``cell``, ``value`` of everything an indicator may name.

    ``rank`` tells how much of the cell a value is: ``EXACT``, or the dots of a domain above it.
    """
    texts = cell_texts(events)
    wanted = {kind: texts.filter(pl.col("place").is_in(at)) for kind, at in _PLACES.items()}
    schema = {"place": pl.Int32, "cell": pl.String, "value": pl.String, "rank": pl.Int32}
    found = [pl.DataFrame(schema=schema)]
    if wanted["hash"].height:
        found.append(_hashes(wanted["hash"]))
    if wanted["url"].height:
        whole, hosts = _urls(wanted["url"])
        found.append(whole)
        wanted["domain"] = pl.concat([wanted["domain"], hosts])
        wanted["address"] = pl.concat([wanted["address"], hosts])
    if wanted["domain"].height:
        found.extend(_domains(wanted["domain"]))
    if wanted["address"].height:
        spelt = normal_addresses(wanted["address"]["value"])
        found.append(wanted["address"].with_columns(spelt.alias("value"), rank=EXACT))
    return pl.concat(found)


def _domains(texts: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Yield the domains, then those one label shorter, and so on: "a.evil.vn", "evil.vn"."""
    lower = pl.col("value").str.to_lowercase().str.strip_suffix(".")
    dots = lower.str.count_matches(".", literal=True).cast(pl.Int32)
    short = pl.col("value").str.len_bytes() <= DOMAIN_CHARS_MAX
    rest = texts.with_columns(value=lower, rank=dots).filter(short & (pl.col("rank") > 0))
    above = pl.col("value").str.extract(r"^[^.]*\.(.*)$")
    yield rest.with_columns(rank=EXACT)
    while (rest := rest.filter(pl.col("rank") > 1).with_columns(above, pl.col("rank") - 1)).height:
        yield rest


def _urls(texts: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the URLs themselves, and their hosts."""
    parts = texts.hstack(url_parts(texts["value"])).drop_nulls()
    # A URL says more than the host in it.
    whole = parts.select("place", "cell", pl.col("spelt").alias("value"), rank=EXACT + 1)
    return whole, parts.select("place", "cell", pl.col("host").alias("value"))


def _hashes(texts: pl.DataFrame) -> pl.DataFrame:
    """Return every MD5, SHA-1 and SHA-256 in the texts, lower-case."""
    found = pl.col("value").str.to_lowercase().str.replace_all(_IMPORT_HASH, "")
    return (
        texts.with_columns(value=found.str.extract_all(_HASH))
        .explode("value")
        .drop_nulls()
        .with_columns(rank=EXACT)
    )
