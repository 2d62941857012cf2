"""Windows events of real hosts, and what Winlogbeat finds in them."""

import json
from pathlib import Path
from typing import Any

import pytest

from ingest.decode.layout import Origin, Row
from ingest.logsources import windows
from luytre.core.cells import texts

SYSMON = "Microsoft-Windows-Sysmon/Operational"


@pytest.mark.data
def test_every_event_of_real_hosts_is_read(shared_data: Any) -> None:
    root: Path = shared_data("evtx-misc.jsonl")
    lines = [
        line for path in root.rglob("*.jsonl") if path.is_file()
        for line in path.read_bytes().splitlines()[:200]
    ]  # fmt: skip
    rows = [Row(*windows.read(line, Origin())) for line in lines]

    assert sum(row.layout.part.name != "windows/other" for row in rows) > 0.6 * len(rows)


def _same(ours: tuple[str, ...], golden: object) -> bool:
    """Converters write GUIDs in their own way; Winlogbeat leaves out what is empty or "-"."""
    return "".join(ours).strip("{}").lower() in {str(golden).strip("{}").lower(), "", "-"}


@pytest.mark.data
def test_native_fields_are_those_that_winlogbeat_finds(shared_data: Any) -> None:
    compared, differing = 0, []
    for golden in sorted(shared_data("winlogbeat-golden").rglob("*.evtx.golden.json")):
        lines = Path(str(golden).replace(".evtx.golden.json", ".jsonl"))
        wanted = json.loads(golden.read_text())
        raws = lines.read_bytes().splitlines() if lines.exists() else []
        for document, raw in zip(wanted, raws, strict=True) if len(wanted) == len(raws) else ():
            row = Row(*windows.read(raw, Origin()))
            data = document["winlog"].get("event_data", {})
            columns = row.layout.decode([row.fields], list(data))
            for (name, value), column in zip(data.items(), columns, strict=True):
                compared += 1
                found = texts(column[0]) if column else ()
                if not _same(found, value):
                    differing.append((name, value, found))

    assert compared > 2000
    assert len(differing) < 0.02 * compared, differing[:10]
