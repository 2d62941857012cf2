"""What ran is kept by the digests that alerts name, and nothing else is kept under them."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from luytre.core.config import Config, RulesConfig
from luytre.processor.content import plan_rules
from luytre.processor.kept import Kept, keep
from luytre.processor.places import Places

RULE = """
title: one
id: 6f6b7b0e-6f6a-4c1e-9d1c-0f7d3c1c7a11
name: one
status: test
logsource: {category: webserver}
detection: {s: {cs-uri-query|contains: WORD}, condition: s}
level: low
"""
COUNTED = """
title: many
id: 7e9d1d35-2d7a-4a0f-a3b0-7d6a3a2a9a41
correlation: {type: event_count, rules: [one], timespan: 1h, condition: {gte: 3}}
level: high
"""
MAPPING = "name: ours\npriority: 10\ntransformations: []\n"


class House:
    """A data folder with rules that change."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = Config(data_dir=folder / "data")
        (folder / "rules").mkdir()
        (folder / "ours.yml").write_text(MAPPING)
        self.write("one.yml", RULE.replace("WORD", "old"))

    def write(self, name: str, text: str) -> None:
        (self.folder / "rules" / name).write_text(text)

    def run(self) -> str:
        """Load and keep what is there; return the plan's digest."""
        rules = RulesConfig(
            builtin=False, paths=(self.folder / "rules",), mappings=(self.folder / "ours.yml",)
        )
        loaded = plan_rules(self.config, rules)
        keep(self.config, rules, loaded)
        return loaded.plan.digest

    def kept(self) -> Kept:
        return Kept(Places(self.config.data_dir).kept)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def version(house: House) -> str:
    rules = RulesConfig(builtin=False, paths=(house.folder / "rules",))
    return plan_rules(house.config, rules).plan.rules[0].card.version


def test_every_version_of_a_rule_stays(house: House) -> None:
    old, first = version(house), house.run()
    house.write("one.yml", RULE.replace("WORD", "new"))
    new, second = version(house), house.run()

    with closing(house.kept()) as kept:
        assert kept.knows(first)
        assert kept.knows(second)
        texts = [kept.file(each) for each in (old, new)]
    assert [text and (b"old" in text.text, b"new" in text.text) for text in texts] == [
        (True, False),
        (False, True),
    ]


def test_mappings_and_what_correlations_rest_on_are_kept(house: House) -> None:
    house.write("many.yml", COUNTED)
    plan, rule = house.run(), version(house)

    with closing(house.kept()) as kept:
        also = kept.also(plan)
        assert also is not None
        [correlation] = also.correlations
        assert also.rests_on == {correlation: (rule,)}
        texts = [kept.file(each) for each in (correlation, *also.mappings)]
        later = datetime.now(UTC) + timedelta(days=1)
        assert kept.plan_of(correlation, later) == plan
        assert kept.plan_of("unknown", later) == ""
    assert [text and text.text.decode() for text in texts] == [COUNTED, MAPPING]


def test_a_file_that_was_edited_after_it_was_loaded_is_not_kept_as_what_ran(house: House) -> None:
    rules = RulesConfig(builtin=False, paths=(house.folder / "rules",))
    loaded = plan_rules(house.config, rules)
    house.write("one.yml", RULE.replace("WORD", "edited"))

    keep(house.config, rules, loaded)

    with closing(house.kept()) as kept:
        assert kept.file(loaded.plan.rules[0].card.version) is None


def test_a_disk_that_cannot_keep_does_not_stop_detection(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Places(house.config.data_dir).kept
    place.mkdir(parents=True)

    assert house.run()

    assert "not kept for later evidence" in capsys.readouterr().out + capsys.readouterr().err
