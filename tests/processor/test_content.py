from pathlib import Path

from luytre.core.config import Config, EnrichConfig, RulesConfig
from luytre.processor import content

LOGIN = "Nov 23 06:00:00 web01 sshd[1]: Accepted password for root from 203.0.113.9 port 4 ssh2\n"
RULE = """
title: from a listed address
id: 6f6b7b0e-6f6a-4c1e-9d1c-0f7d3c1c7a13
status: test
logsource: {product: linux, service: sshd}
detection: {s: {threat.indicator.name|exists: true}, condition: s}
level: high
"""


def test_an_event_is_explained_with_what_enrichment_adds(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(LOGIN)
    (tmp_path / "rule.yml").write_text(RULE)
    (tmp_path / "bad.csv").write_text("value,type,name\n203.0.113.9,ipv4-addr,listed\n")
    tables = EnrichConfig(indicators=(tmp_path / "bad.csv",))
    config = Config(data_dir=tmp_path / "data", enrich=tables)

    explained = content.explain_event(config, str(tmp_path / "rule.yml"), tmp_path / "log", "auth")

    assert explained.explanation.holds
    assert explained.explanation.findings[0].value == "listed"


def test_a_rule_that_is_switched_off_is_not_listed(tmp_path: Path) -> None:
    everything = content.running(Config(data_dir=tmp_path), [])
    off = everything[0].card.id
    config = Config(data_dir=tmp_path, rules=RulesConfig(disabled=(off,), levels=("critical",)))

    left = content.running(config, [])

    assert off not in {rule.card.id for rule in left}
    assert {rule.card.level for rule in left} == {"critical"}
