"""Writes what the proofs of the engine found: ``docs/evidence/engine.md``."""

from datetime import UTC, datetime
from typing import Any

from tests.archives import ROOT
from tests.proofs.corpus import CORPORA

PAGE = ROOT / "docs" / "evidence" / "engine.md"


def write(
    reference: dict[str, Any], hostiles: list[dict[str, Any]], bombed: dict[str, Any]
) -> None:
    """Write the page from what the proofs gave."""
    rows = [
        f"| {corpus} ({', '.join(CORPORA[corpus])}) | {total['files']:,} | {total['events']:,} |"
        f" {total['rejects']:,} | {total['hits']:,} | {total['rules_hit']:,} |"
        f" `{total['digest'][:16]}` |"
        for corpus, total in reference.items()
    ]
    events = sum(total["events"] for total in reference.values())
    hits = sum(total["hits"] for total in reference.values())
    PAGE.write_text(f"""# Evidence for the engine

Written by `make prove` on {datetime.now(UTC):%Y-%m-%d}.

## The engine says what the reference says

`detections/reference.py` walks the parsed condition of every rule that applies over every distinct event, by the letter of the specification, and shares nothing with the
engine but cells and regexes. Both were asked about every event of the corpora with SigmaHQ's three main folders (3,752 rules): {events:,} events, {hits:,} hits, and the engine's
hits are the reference's. Files that are no log of ours (Zeek's tables, CSV) are rejects on both sides.

| corpus | files | events | rejects | hits | rules that hit | digest of the hits |
|---|---|---|---|---|---|---|
{chr(10).join(rows)}

The digest is the SHA-256 of the sorted lines "rule id, event id"; whole in [reference.json](reference.json).

```
python -m tests.proofs.corpus reference   # asks the reference, ten minutes on one core; resumable
python -m tests.proofs.corpus engine      # asks the engine alone and compares with the kept digests, two minutes
```

{_hostile(hostiles)}

{_bombs(bombed)}
""")


def _hostile(pieces: list[dict[str, Any]]) -> str:
    def total(key: str) -> str:
        return f"{sum(piece[key] for piece in pieces):,}"

    worst = max(pieces, key=lambda piece: piece["worst_ms"])
    return f"""## No pattern is slow, whatever stands in a log

{total("patterns")} hostile patterns (`tests/proofs/hostile.py`): counts in counts, alternatives that overlap, hundreds of wildcards, words of 20,000 characters, and every other kind of condition. {total("accepted")} were
accepted, {total("refused")} refused. The accepted ones met {total("values")} hostile values: texts of 64 KiB, for a regex also the text that visits as many of its states as it can, and lists of 1,000 values. The slowest
took {worst["worst_ms"]:.1f} ms of CPU (at most 10 are allowed; measured up to five times on a shared machine, the best counts). The slowest refusal took
{max(piece["worst_refusal_ms"] for piece in pieces):.0f} ms."""


def _bombs(bombed: dict[str, Any]) -> str:
    rows = [
        f"| {name} | {took_ms} | {bombed['reasons'][name].splitlines()[0].replace('|', '/')[:110]} |"
        for name, took_ms in bombed["took_ms"].items()
    ]
    return f"""## Bombs are refused at once

Rule files that are bombs, gigantic, or cyclic (`tests/proofs/bombs.py`): each is refused within 100 ms of CPU, and nothing of it runs.

| file | ms | why |
|---|---|---|
{chr(10).join(rows)}"""
