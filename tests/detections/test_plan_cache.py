"""A warm start parses no rule, and the cache never changes what is loaded."""

from pathlib import Path

import pytest

from detections import plan_cache
from detections.plan_cache import KEPT, Loaded, load_or_build

GOOD = """title: {title}
id: 00000000-0000-4000-8000-00000000000{number}
status: test
level: {level}
logsource: {{product: linux}}
detection:
  s: {{a: {title}}}
  condition: s
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "one.yml").write_text(GOOD.format(title="one", number=1, level="low"))
    (folder / "two.yml").write_text(GOOD.format(title="two", number=2, level="high"))
    (folder / "bad.yml").write_text("title: bad\n")
    return folder


def load(rules: Path, **settings: tuple[str, ...]) -> Loaded:
    folder = rules.parent / "plans"
    return load_or_build([rules], folder=folder, builtin=False, **settings)  # type: ignore[arg-type]


def titles(loaded: Loaded) -> list[str]:
    return [rule.card.title for rule in loaded.plan.rules]


def cached(rules: Path) -> list[Path]:
    return sorted((rules.parent / "plans").iterdir())


def test_a_warm_start_gives_the_same_and_parses_nothing(
    rules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cold = load(rules)
    monkeypatch.delattr(plan_cache, "load_rules")

    warm = load(rules)

    assert titles(warm) == ["one", "two"]
    assert warm.plan == cold.plan
    assert warm.faults == cold.faults
    assert [fault.path.name for fault in warm.faults][:1] == ["bad.yml"]


@pytest.mark.parametrize("damage", [b"", b"x", None], ids=["emptied", "changed", "cut"])
def test_a_damaged_file_is_written_anew(rules: Path, damage: bytes | None) -> None:
    load(rules)
    (place,) = cached(rules)
    whole = place.read_bytes()
    place.write_bytes(whole[:-1] if damage is None else damage + whole[1:] if damage else b"")

    assert titles(load(rules)) == ["one", "two"]
    assert place.read_bytes() == whole


def test_a_changed_rule_is_seen(rules: Path) -> None:
    load(rules)
    (rules / "one.yml").write_text(GOOD.format(title="uno", number=1, level="low"))

    assert titles(load(rules)) == ["uno", "two"]


def test_a_removed_rule_is_seen(rules: Path) -> None:
    load(rules)
    (rules / "one.yml").unlink()

    assert titles(load(rules)) == ["two"]


def test_settings_choose_the_rules(rules: Path) -> None:
    assert titles(load(rules, levels=("high",))) == ["two"]
    assert titles(load(rules, disabled=("00000000-0000-4000-8000-000000000002",))) == ["one"]
    assert titles(load(rules)) == ["one", "two"]


def test_old_plans_go(rules: Path) -> None:
    for number in range(KEPT + 3):
        (rules / "one.yml").write_text(GOOD.format(title=f"t{number}", number=1, level="low"))
        load(rules)

    assert len(cached(rules)) == KEPT


def test_a_folder_that_cannot_be_written_stops_nothing(rules: Path) -> None:
    (rules.parent / "plans").write_text("a file in the way")

    assert titles(load(rules)) == ["one", "two"]


MORE = """title: Known
id: known
logsource: {product: linux}
filter: {rules: [00000000-0000-4000-8000-000000000001], s: {b: x}, condition: s}
---
title: Often
id: 00000000-0000-4000-8000-000000000009
level: high
correlation:
  type: event_count
  rules: [00000000-0000-4000-8000-000000000002]
  group-by: [a]
  timespan: 5m
  condition: {gte: 3}
"""


def test_filters_and_correlations_are_kept_and_go_with_their_settings(rules: Path) -> None:
    (rules / "more.yml").write_text(MORE)
    cold, warm = load(rules), load(rules)

    assert warm.plan == cold.plan
    assert [each.id for each in warm.plan.filters] == ["known"]
    assert [each.card.title for each in warm.plan.correlations] == ["Often"]
    assert load(rules, levels=("high",)).plan.filters == ()
    quiet = load(rules, disabled=("00000000-0000-4000-8000-000000000009",))
    assert quiet.plan.correlations == ()
