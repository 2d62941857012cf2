"""What a filter hides makes no alert and no incident, and can be counted and searched."""

import json
from pathlib import Path

from luytre.core.alert import AlertQuery
from luytre.core.config import load_config
from luytre.core.organization import Scope
from luytre.processor import build, case_host
from luytre.processor.content import content, running
from tests.review.house import province, settle, triaged

ALL = Scope.everything()
QUIET = """
title: Nobody cares
id: quiet
logsource: {logsource}
filter:
  rules: [{rule}]
  s: {{'@timestamp|exists': true}}
  condition: s
"""


def test_hidden_hits_are_kept_apart_through_all_loops(ran: Path, tmp_path: Path) -> None:
    known = load_config(ran / "luytre.yaml")
    store = build.alert_store(known)
    alerts = [a for a in store.find(AlertQuery(limit=1000), ALL) if not a.episode]
    rule = max({a.rule.id for a in alerts}, key=[a.rule.id for a in alerts].count)
    source = next(r.document.data["logsource"] for r in running(known, []) if r.card.id == rule)
    wanted = {a.event_id for a in alerts if a.rule.id == rule}
    (tmp_path / "quiet.yml").write_text(QUIET.format(rule=rule, logsource=json.dumps(source)))
    more = f"rules: {{reload_s: 0, paths: [{tmp_path / 'quiet.yml'}]}}\naudit: {{start_signer: true}}\n"

    config = province(tmp_path / "p", settings=more)
    assert not content(config).faults
    settle(config)
    with case_host.case_database(config):
        pass
    triaged(config)

    quiet = build.alert_store(config)
    hidden = quiet.find(AlertQuery(hidden=True, hidden_by="quiet", limit=1000), ALL)
    assert {each.event_id for each in hidden} == wanted
    assert {each.rule.id for each in hidden} == {rule}
    shown = {each.id for each in quiet.find(AlertQuery(limit=1000), ALL)}
    assert shown.isdisjoint(each.id for each in hidden)
    with case_host.case_database(config, loop=True) as cases:
        taken = {
            alert for (alert,) in cases.connection.execute("SELECT alert FROM incident_alerts")
        }
    assert taken
    assert taken.isdisjoint(each.id for each in hidden)
    quiet.close()
    store.close()
