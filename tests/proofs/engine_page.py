"""Writes what the proofs of the engine found: ``docs/evidence/engine.md``."""

from datetime import UTC, datetime
from typing import Any

from tests.archives import ROOT
from tests.proofs.corpus import CORPORA

PAGE = ROOT / "docs" / "evidence" / "engine.md"


def write(reference: dict[str, Any]) -> None:
    """Write the page from the reference's totals."""
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
""")
