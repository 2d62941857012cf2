"""Changed rules are taken over between batches, whole or not at all."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from detections.plan_cache import Loaded
from luytre.core.config import Config, RulesConfig
from luytre.processor.compile import compile_beside
from luytre.processor.content import plan_rules
from luytre.processor.live import Live
from luytre.processor.source import FolderSource

RULE = """
title: {name}
id: 6f6b7b0e-6f6a-4c1e-9d1c-0f7d3c1c7a{number}
status: test
logsource: {{category: webserver}}
detection: {{s: {{cs-user-agent|contains: {name}}}, condition: s}}
level: low
"""
CORRELATION = """
title: often
id: 6f6b7b0e-6f6a-4c1e-9d1c-0f7d3c1c7aff
correlation:
    type: event_count
    rules: [6f6b7b0e-6f6a-4c1e-9d1c-0f7d3c1c7a10]
    group-by: [c-ip]
    timespan: 5m
    condition: {gte: 3}
level: high
"""
FILTER = """
title: ours
id: 6f6b7b0e-6f6a-4c1e-9d1c-0f7d3c1c7afe
logsource: {category: webserver}
filter:
    rules: [6f6b7b0e-6f6a-4c1e-9d1c-0f7d3c1c7a10]
    s: {c-ip|cidr: 10.0.0.0/8}
    condition: s
"""
BROKEN = "title: broken\nlogsource: {category: webserver}\n"


@dataclass
class House:
    """A folder of rules, and what runs of them."""

    folder: Path
    said: list[str] = field(default_factory=list)
    settings: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rules.mkdir()
        self.write("first", 10)

    @property
    def rules(self) -> Path:
        return self.folder / "rules"

    def write(self, name: str, number: int, text: str = RULE) -> None:
        path = self.rules / f"{name}.yml"
        path.write_text(text.format(name=name, number=number) if text is RULE else text)

    @property
    def config(self) -> Config:
        rules = RulesConfig(builtin=False, paths=(self.rules,), **self.settings)
        return Config(data_dir=self.folder / "data", rules=rules)

    def live(self) -> Live[set[str]]:
        return Live(
            FolderSource(self.config),
            lambda rules: plan_rules(self.config, rules),
            titles,
            lambda loaded, refused: self.said.append(refused or loaded.plan.digest),
        )


def titles(loaded: Loaded) -> set[str]:
    plan = loaded.plan
    return {
        *(rule.card.title for rule in plan.rules),
        *(each.card.title for each in plan.correlations),
        *(each.title for each in plan.filters),
    }


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def settle(live: Live[set[str]]) -> bool:
    """Look as often as a change that has ended needs, and take over what is ready."""
    live.look()
    live.look()
    return live.swap()


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_what_did_not_change_is_not_made_anew(house: House) -> None:
    live = house.live()

    assert not settle(live)
    assert len(house.said) == 1


@pytest.mark.parametrize(
    ("change", "runs"),
    [
        pytest.param(lambda h: h.write("second", 11), {"first", "second"}, id="a new rule"),
        pytest.param(lambda h: h.write("other", 10), {"first"}, id="an id that is taken"),
        pytest.param(
            lambda h: (h.rules / "first.yml").write_text(RULE.format(name="changed", number=10)),
            {"changed"},
            id="a changed rule",
        ),
        pytest.param(
            lambda h: (h.write("second", 11), (h.rules / "first.yml").unlink()),
            {"second"},
            id="one goes, one comes",
        ),
        pytest.param(lambda h: h.write("f", 0, FILTER), {"first", "ours"}, id="a filter"),
        pytest.param(
            lambda h: h.write("c", 0, CORRELATION), {"first", "often"}, id="a correlation"
        ),
        pytest.param(
            lambda h: (h.write("bad", 0, BROKEN), h.write("second", 11)),
            {"first", "second"},
            id="a new rule with a fault is quarantined",
        ),
    ],
)
def test_a_change_is_taken_over(
    house: House, change: Callable[[House], None], runs: set[str]
) -> None:
    live = house.live()
    change(house)

    live.look()
    assert not live.is_ready, "a file may still be being written"
    live.look()
    assert live.value == {"first"}, "nothing changes but by swap"
    assert live.swap()
    assert live.value == runs
    assert not settle(live)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(lambda h: h.write("first", 0, BROKEN), "first.yml:", id="a slip in a rule"),
        pytest.param(
            lambda h: (h.write("first", 0, BROKEN), h.write("second", 11)),
            "first.yml:",
            id="a slip in one of many changes",
        ),
        pytest.param(
            lambda h: h.write("first", 0, "{{{"), "first.yml:2: is not YAML", id="no YAML"
        ),
        pytest.param(lambda h: shutil.rmtree(h.rules), "no valid rule is left", id="all gone"),
    ],
)
def test_a_bad_set_keeps_the_last_good_and_says_why(
    house: House, change: Callable[[House], None], reason: str
) -> None:
    live = house.live()
    before = metric("luytre_rules_reloads_total", outcome="refused")
    change(house)

    assert not settle(live)
    assert live.value == {"first"}
    assert reason in house.said[-1]
    assert metric("luytre_rules_refused") == 1
    assert metric("luytre_rules_reloads_total", outcome="refused") == before + 1
    assert not settle(live), "it is not tried again until something changes"
    assert len(house.said) == 2

    house.rules.mkdir(exist_ok=True)
    house.write("first", 12)
    assert settle(live)
    assert metric("luytre_rules_refused") == 0


def test_a_filter_that_breaks_goes_on_hiding(house: House) -> None:
    house.write("f", 0, FILTER)
    live = house.live()
    house.write("f", 0, FILTER.replace("condition: s", "condition: t"))

    assert not settle(live)
    assert live.value == {"first", "ours"}
    assert "f.yml:" in house.said[-1]


def test_changed_placeholders_are_noticed(house: House) -> None:
    values = house.folder / "values.yml"
    values.write_text("Bots: [sqlmap]\n")
    house.settings = {"placeholders_file": values}
    house.write("p", 0, RULE.format(name="'%Bots%'", number=13).replace("contains", "expand"))
    live = house.live()
    first = house.said[-1]
    values.write_text("Bots: [nikto]\n")

    assert settle(live)
    assert house.said[-1] != first


def test_a_change_that_cannot_be_read_keeps_what_runs(house: House) -> None:
    values = house.folder / "values.yml"
    values.write_text("Bots: [sqlmap]\n")
    house.settings = {"placeholders_file": values}
    live = house.live()
    values.write_text("Bots: sqlmap\n")

    assert not settle(live)
    assert "has no list" in house.said[-1]


def test_a_compiler_in_a_process_of_its_own_leaves_the_plan_in_the_cache(house: House) -> None:
    config = house.config
    config.data_dir.mkdir()

    compile_beside(config)

    plans = list((config.data_dir / "cache" / "plans").glob("plan-*"))
    assert len(plans) == 1
    made = plans[0].stat().st_mtime_ns
    assert titles(plan_rules(config, config.rules)) == {"first"}
    assert [plan.stat().st_mtime_ns for plan in plans] == [made], "it was found, not made anew"
