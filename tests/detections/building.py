"""Rules and batches for the tests of matching."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
from sigma.rule import SigmaRule

from detections.load import LoadedRule
from detections.match import Engine
from detections.plan import build_plan
from detections.program import Limits
from luytre.core.alert import RuleCard
from luytre.core.batch import Batch, LogSource, Part
from luytre.core.cells import cell
from luytre.core.clock import ManualClock
from luytre.core.ecs import ENVELOPE, empty_rejects
from luytre.core.yamlfile import Document

LINUX = LogSource("linux", None, "app")
PART = Part("linux/app", (LINUX,), {"Image": "process.executable"})
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def rule(detection: dict[str, Any], name: str = "r", logsource: LogSource = LINUX) -> LoadedRule:
    sigma = SigmaRule.from_dict(
        {
            "title": name,
            "logsource": {"product": "linux", "service": "app"},
            "detection": detection,
        }
    )
    path = Path("rules") / f"{name}.yml"
    card = RuleCard(name, name, "high", "v1", path=str(path))
    return LoadedRule(card, logsource, sigma, path, Document(path, {}))


def batch(events: Sequence[dict[str, Any]], part: Part = PART) -> Batch:
    """Return events as decoders give them."""
    names = sorted({name for event in events for name in event})
    columns: dict[str, pl.Series] = {
        part.column(name): pl.Series([_cell(event, name) for event in events], dtype=pl.String)
        for name in names
    }
    frame = pl.DataFrame(columns) if columns else pl.DataFrame({"x": [None] * len(events)})
    originals = [json.dumps(event, ensure_ascii=False).encode() for event in events]
    envelope: dict[str, list[Any]] = {
        "event.id": [str(row) for row in range(len(events))],
        "@timestamp": [NOW] * len(events),
        "event.ingested": [NOW] * len(events),
        "organization.id": ["org"] * len(events),
        "event.original": originals,
        "luytre.sequence": [*range(len(events))],
    }
    frame = frame.with_columns(
        pl.Series(name, envelope.get(name, [None] * len(events)), dtype=kind)
        for name, kind in ENVELOPE.items()
    )
    return Batch(part, frame, empty_rejects(), {})


def _cell(event: dict[str, Any], name: str) -> str | None:
    return cell(event[name]) if name in event else None


def engine(*rules: LoadedRule, limits: Limits = Limits()) -> Engine:  # noqa: B008 - a constant
    plan, faults = build_plan(rules)
    assert not faults
    return Engine(plan, ManualClock(NOW), dict, limits)
