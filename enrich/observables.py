"""What in an event an indicator may name: addresses, domains, URLs and hashes, in one spelling."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from enrich.networks import address
from luytre.core.cells import MARK, NULL, list_cell

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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

DOMAIN_CHARS_MAX = 253  # RFC 1035 2.3.4
EXACT = 1000
"""The rank of a whole value; a part of it ranks by how many labels or bits it keeps."""

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


def cell_texts(events: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Return the texts of every distinct cell, as ``cells.texts`` does.

    ``place`` is the column's place in ``COLUMNS``, ``cell`` the cell, ``value`` one of its texts.
    """
    frames = [pl.DataFrame(schema={"place": pl.Int32, "cell": pl.String})]
    for name in columns:
        if name in events.columns and events[name].null_count() < events.height:
            cells = events[name].unique().alias("cell").to_frame()
            frames.append(
                cells.select(pl.lit(COLUMNS.index(name), pl.Int32).alias("place"), "cell")
            )
    known = pl.col("cell").is_in([NULL, ""]).not_()
    value = pl.col("cell").alias("value")
    texts = pl.concat(frames).drop_nulls().filter(known).with_columns(value)
    marked = texts["value"].str.starts_with(MARK)
    if not marked.any():
        return texts
    items = pl.col("value").str.strip_prefix(list_cell(())).str.split(MARK)
    lists = texts.filter(marked).with_columns(items).explode("value").filter(pl.col("value") != "")
    return pl.concat([texts.filter(~marked), lists])


def addresses(texts: pl.DataFrame) -> pl.DataFrame:
    """Return the addresses of ``cell_texts``, with their ``rank``."""
    return texts.with_columns(normal_addresses(texts["value"]).alias("value"), rank=EXACT)


def domains(texts: pl.DataFrame) -> pl.DataFrame:
    """Return the domains and every domain above them: "a.evil.vn", "evil.vn", ranked by labels."""
    lower = pl.col("value").str.to_lowercase().str.strip_suffix(".")
    rest = texts.with_columns(value=lower).filter(
        pl.col("value").str.len_bytes() <= DOMAIN_CHARS_MAX
    )
    levels = []
    while rest.height:
        levels.append(rest.with_columns(rank=pl.col("value").str.count_matches(".", literal=True)))
        rest = rest.with_columns(pl.col("value").str.extract(r"^[^.]*\.(.*\..*)$")).drop_nulls()
    empty = texts.clear().with_columns(rank=pl.lit(0, pl.UInt32))
    return pl.concat([empty, *levels]).with_columns(pl.col("rank").cast(pl.Int32))


def urls(texts: pl.DataFrame) -> pl.DataFrame:
    """Return the URLs themselves, and their hosts as domains or addresses."""
    parts = texts.hstack(url_parts(texts["value"])).drop_nulls()
    whole = parts.select("place", "cell", pl.col("spelt").alias("value"), rank=EXACT)
    hosts = parts.select("place", "cell", pl.col("host").alias("value"))
    return pl.concat([whole, domains(hosts), addresses(hosts)])


def hashes(texts: pl.DataFrame) -> pl.DataFrame:
    """Return every MD5, SHA-1 and SHA-256 in the texts, lower-case."""
    found = pl.col("value").str.to_lowercase().str.replace_all(_IMPORT_HASH, "")
    return (
        texts.with_columns(value=found.str.extract_all(_HASH))
        .explode("value")
        .drop_nulls()
        .with_columns(rank=EXACT)
    )


OBSERVED: dict[tuple[str, ...], Callable[[pl.DataFrame], pl.DataFrame]] = {
    HASH_COLUMNS: hashes,
    URL_COLUMNS: urls,
    DOMAIN_COLUMNS: domains,
    ADDRESS_COLUMNS: addresses,
}
"""Which columns are looked at and for what."""

COLUMNS = tuple(name for names in OBSERVED for name in names)
"""All of them; of equal hits the earlier column is named."""


def observed(events: pl.DataFrame) -> pl.DataFrame:
    """Return ``place``, ``cell``, ``value`` and ``rank`` of everything an indicator may name."""
    schema = {"place": pl.Int32, "cell": pl.String, "value": pl.String, "rank": pl.Int32}
    found = [pl.DataFrame(schema=schema)]
    for names, observe in OBSERVED.items():
        texts = cell_texts(events, names)
        if texts.height:
            found.append(observe(texts))
    return pl.concat(found)
