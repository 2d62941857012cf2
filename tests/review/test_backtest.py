"""A backtest answers as two real runs would, before and after the change; a kill changes nothing."""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from luytre.core.actor import Actor, Role
from luytre.core.alert import Alert, AlertQuery
from luytre.core.config import Config, load_config
from luytre.core.errors import Forbidden, Refused
from luytre.core.organization import Scope
from luytre.processor import build
from luytre.processor.places import Places
from luytre.processor.trial import Proposed, trials
from luytre.review.backtest import Backtest, Report
from luytre.review.events import last_days
from tests.review.house import province, settle

ADMIN = Actor("hoa", frozenset({"rule_admin"}), Scope.everything(), "test")
ALL = Scope.everything()
ROOT = Path(__file__).parent.parent.parent
NEW = """
title: Mozilla
id: 6f6b7b0e-6f6a-4c1e-9d1c-0f7d3c1c7a11
logsource: {category: webserver}
detection: {s: {cs-user-agent|contains: Mozilla}, condition: s}
level: low
"""
SPIKE = """
title: Mozilla again and again
id: 0d1f1d3e-5a77-4c55-8f0c-3c1b1a9f2b01
correlation:
  type: event_count
  rules: [6f6b7b0e-6f6a-4c1e-9d1c-0f7d3c1c7a11]
  group-by: [c-ip]
  timespan: 10s
  condition: {gte: 3}
  generate: true
level: medium
"""
FILTER = """
title: the web shell's rule is quiet
id: quiet
logsource: {category: webserver}
filter:
  rules: any
  s: {cs-method: POST}
  condition: s
"""


def alerts(config: Config) -> dict[str, Alert]:
    """The current alerts of a house, by what a replay cannot change."""
    store = build.alert_store(config)
    found = store.find(AlertQuery(limit=100_000), ALL)
    store.close()
    return {alert.episode or alert.id: alert for alert in found}


def backtest(config: Config, changed: Proposed, *, rows_max: int = 200, whole: bool = False,
             actor: Actor = ADMIN) -> Backtest:  # fmt: skip
    table, folder = build.archive(config), Places(config.data_dir).review
    sides = trials(config, changed, folder / "remembered", whole=whole)
    span = last_days(table, actor.scope, 30)
    return Backtest(table, sides, folder / "backtests", actor, span, rows_max=rows_max)


def change(folder: Path) -> Proposed:
    """A new rule with a correlation on it, a builtin rule changed, another gone, a filter."""
    folder.mkdir(exist_ok=True)
    (folder / "new.yml").write_text(NEW)
    (folder / "spike.yml").write_text(SPIKE)
    (folder / "filter.yml").write_text(FILTER)
    return Proposed((folder,))


@pytest.fixture(scope="module")
def both(ran: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Config, Config, Proposed]:
    """A house that ran, the same with the change in force from the start, and the change."""
    folder = tmp_path_factory.mktemp("both")
    shutil.copytree(ran, folder / "before")
    before = load_config(folder / "before" / "luytre.yaml")
    most = max(
        (alert.rule.id for alert in alerts(before).values() if not alert.episode),
        key=[alert.rule.id for alert in alerts(before).values()].count,
    )
    changed = replace(change(folder / "change"), removed=frozenset({most}))
    more = f"rules: {{reload_s: 0, overrides: [{folder / 'change'}], disabled: [{most}]}}\n"
    after = province(folder / "after", settings=more)
    settle(after)
    return before, after, changed


def answer(report: Report) -> object:
    return report.lines, report.gained, report.lost, report.judged


@pytest.mark.parametrize("whole", [False, True])
def test_gained_and_lost_are_those_of_two_real_runs(
    both: tuple[Config, Config, Proposed], *, whole: bool
) -> None:
    before, after, changed = both
    test = backtest(before, changed, whole=whole, rows_max=201 if whole else 200)
    told: list[tuple[int, int]] = []

    report = test.run(lambda done, total: told.append((done, total)))

    ran, would = alerts(before), alerts(after)
    assert {each.id for each in test.job.differences("gained")} == would.keys() - ran.keys()
    assert {each.id for each in test.job.differences("lost")} == ran.keys() - would.keys()
    assert report.gained > 50
    assert report.lost > 3
    assert report.finished
    assert (report.otherwise, report.unreadable, report.failed) == (0, 0, 0)
    for line in report.lines:
        for found, count in ((ran, line.before), (would, line.after)):
            mine = [
                a
                for a in found.values()
                if (a.rule.id, a.organization_id) == (line.rule, line.organization)
            ]
            assert len(mine) == count, line
    assert len(told) > 3
    assert told[-1][0] == told[-1][1]


KILLED = """
import os, signal, sys
from pathlib import Path
from luytre.core.config import load_config
from luytre.processor.trial import Proposed
from tests.review.test_backtest import backtest

left = int(sys.argv[3])

def told(done, total):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)

test = backtest(load_config(Path(sys.argv[1])), Proposed((Path(sys.argv[2]),)))
print(test.run(told).finished)
"""


def test_killed_and_run_again_it_gives_the_same_answer(house: Config, tmp_path: Path) -> None:
    changed = change(tmp_path / "change")
    whole = backtest(house, changed)
    want = whole.run()
    found = whole.job.differences()
    shutil.rmtree(whole.job.folder)
    config = house.data_dir.parent / "luytre.yaml"

    codes = [
        subprocess.run(
            [sys.executable, "-c", KILLED, str(config), str(changed.added[0]), str(turns)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=False,
        ).returncode
        for turns in (2, 1, 1)
    ]
    resumed = backtest(house, changed)
    done, total = resumed.job.progress()
    report = resumed.run()

    assert codes == [-signal.SIGKILL] * 3
    assert 0 < done < total
    assert answer(report) == answer(want)
    assert resumed.job.differences() == found


def test_stopped_it_says_so_and_goes_on(house: Config, tmp_path: Path) -> None:
    changed = change(tmp_path / "change")
    test = backtest(house, changed)
    turns = iter([False, False, True])

    stopped = test.run(stopped=lambda: next(turns))
    resumed = test.run()
    again = test.run(lambda _done, _total: pytest.fail("it was done"))

    assert not stopped.finished
    assert stopped.judged < resumed.judged
    assert again == resumed


def test_one_question_is_worked_on_by_one_process(house: Config, tmp_path: Path) -> None:
    changed = change(tmp_path / "change")
    first, second = backtest(house, changed), backtest(house, changed)

    with first.job.alone(), pytest.raises(Refused, match="running already"):
        second.run()


def test_nobody_sees_more_than_their_organisations(house: Config, tmp_path: Path) -> None:
    office = replace(ADMIN, scope=Scope.only("000.11.00.H99"))
    changed = change(tmp_path / "change")

    report = backtest(house, changed, whole=True, actor=office).run()

    assert {line.organization for line in report.lines} <= {"000.11.00.H99"}
    assert 0 < report.events < backtest(house, changed).run().events


@pytest.mark.parametrize("role", ["auditor", "admin"])
def test_who_may_not_propose_content_may_not_test_it(
    house: Config, tmp_path: Path, role: Role
) -> None:
    with pytest.raises(Forbidden):
        backtest(house, change(tmp_path / "change"), actor=replace(ADMIN, roles=frozenset({role})))


def test_a_change_that_changes_nothing_reads_nothing(house: Config) -> None:
    report = backtest(house, Proposed()).run()

    assert (report.finished, report.judged, report.gained, report.lost) == (True, 0, 0, 0)
    assert report.events > 0
