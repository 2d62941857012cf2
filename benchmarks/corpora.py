"""The events that are measured on: real ones from the folder of real logs, and the simulator's."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl

from detections.load import load_rules
from detections.plan import build_plan
from luytre.simulator import simulate
from tests.archives import packed, unpack

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from detections.plan import Plan

MAIN_FOLDERS = ("rules", "rules-emerging-threats", "rules-threat-hunting")
HOT = (
    "Image", "CommandLine", "ParentImage", "ParentCommandLine", "TargetFilename", "TargetObject",
    "Details", "User", "Hashes", "OriginalFileName", "ImageLoaded", "ScriptBlockText",
    "DestinationIp", "QueryName",
)  # fmt: skip
"""With Channel and EventID the 16 hottest columns of SigmaHQ's rules."""
ORDINARY = "RathbunVM"
FLAT_MAX = 100_000
DAY_RATE = 0.04


@dataclass(frozen=True, slots=True)
class Corpus:
    """Lines of JSON, one Windows event each; ``nested`` as EVTX converters write them."""

    name: str
    lines: tuple[bytes, ...]
    nested: bool = True

    @property
    def schema(self) -> pl.Schema:
        """The 16 hottest columns, as they stand in these events."""
        data = dict.fromkeys(HOT, pl.String())
        system = {"Channel": pl.String(), "EventID": pl.String()}
        if not self.nested:
            return pl.Schema({**data, **system})
        event = pl.Struct({"System": pl.Struct(system), "EventData": pl.Struct(data)})
        return pl.Schema({"Event": event})


def corpora(folder: Path) -> list[Corpus]:
    """Return what there is, unpacked below ``folder``."""
    found = []
    if packed("evtx-attack.jsonl").exists():
        root = unpack("evtx-attack.jsonl", folder / "attack")
        found.append(Corpus("attack samples", _lines(sorted(root.rglob("*.jsonl")))))
    if packed("evtx-hosts.jsonl").exists():
        root = unpack("evtx-hosts.jsonl", folder / "hosts")
        paths = [path for path in sorted(root.rglob("*.jsonl")) if ORDINARY in path.parts]
        found.append(Corpus("an ordinary host", _lines(paths)))
    if packed("mordor").exists():
        root = unpack("mordor", folder / "mordor")
        paths = [path for path in sorted(root.rglob("*.json")) if "windows" in path.parts]
        lines = _lines(paths, wanted=b'"Channel"', most=FLAT_MAX)
        found.append(Corpus("Mordor", lines, nested=False))
    return [*found, _day(folder / "day")]


def _day(folder: Path) -> Corpus:
    start = datetime(2026, 11, 23, tzinfo=UTC)
    simulate(folder, seed=1, start=start, minutes=1440, rate=DAY_RATE)
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return Corpus("the simulator's day", _lines(paths, wanted=b'{"Event":'))


def _lines(
    paths: Iterable[Path], *, wanted: bytes = b"{", most: int = sys.maxsize
) -> tuple[bytes, ...]:
    found: list[bytes] = []
    for path in paths:
        found += [
            line for line in path.read_bytes().split(b"\n") if line[:1] == b"{" and wanted in line
        ]
        if len(found) >= most:
            break
    return tuple(found[:most])


def sigma_folders(folder: Path) -> list[Path]:
    """Return SigmaHQ's three main folders of rules, none if they are not there."""
    if not packed("sigma-rules").exists():
        return []
    root = unpack("sigma-rules", folder / "sigma-rules")
    return [path for name in MAIN_FOLDERS for path in root.rglob(name) if path.is_dir()]


def sigma_plan(folder: Path) -> Plan:
    """Return the plan of SigmaHQ's main rules, or of our own where they are missing."""
    folders = sigma_folders(folder)
    plan, _ = build_plan(load_rules(folders, builtin=not folders).rules)
    return plan
