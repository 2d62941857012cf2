"""Rules and batches for the tests of detections, written as people and decoders write them."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from detections.load import LoadedRule, load_rules

WriteRule = Callable[..., LoadedRule]

RULE: Mapping[str, Any] = {
    "title": "A rule",
    "id": "00000000-0000-4000-8000-000000000001",
    "status": "test",
    "logsource": {"product": "linux", "service": "app"},
    "detection": {"selection": {"F": "x"}, "condition": "selection"},
    "level": "high",
}


@pytest.fixture
def load_rule(tmp_path: Path) -> WriteRule:
    """Write a rule with other values for some keys, and load it."""

    def load(**changes: Any) -> LoadedRule:
        file = tmp_path / "rule.yml"
        # JSON is YAML without aliases, which rules may not have.
        text = json.dumps({**RULE, **changes}, indent=1, ensure_ascii=False)
        file.write_text(text, encoding="utf-8")
        loaded = load_rules([file], builtin=False)
        assert [str(fault) for fault in loaded.faults] == []
        return loaded.rules[0]

    return load
