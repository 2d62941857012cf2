"""Gathers what a report is made of: alerts, incidents, runs, deadlines, blind windows, proof."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from luytre.audit.canonical import stamp
from luytre.cases.clocks import read_profiles
from luytre.cases.model import IncidentQuery
from luytre.cases.read import Incidents
from luytre.core.alert import LEVELS, AlertQuery
from luytre.core.errors import LuytreError
from luytre.processor import build, case_host, respond
from luytre.processor.report_form import Table
from playbooks.machine import State
from playbooks.run_rows import Rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from luytre.audit.database import CaseDatabase
    from luytre.cases.model import ClockRow
    from luytre.core.config import Config
    from luytre.core.organization import Scope
    from playbooks.run_rows import Run
    from playbooks.runs import Runs

DAYS = {"day": 1, "week": 7, "half-year": 182, "year": 365}
"""The periods that can be reported, in days."""
ALERTS_MAX = 20_000
EARLIEST, LATEST = "0000", "9999"
"""Before and after every time as text."""
_VI = {
    "what": "Nội dung", "value": "Giá trị", "level": "Mức", "count": "Số lượng", "rule": "Luật",
    "number": "Số", "title": "Tên", "state": "Trạng thái", "organization": "Đơn vị",
    "opened": "Mở lúc", "closed": "Đóng lúc", "disposition": "Kết luận", "run": "Lượt chạy",
    "playbook": "Kịch bản", "started": "Bắt đầu", "ended": "Kết thúc", "clock": "Thời hạn",
    "due": "Phải xong trước", "stopped": "Xong lúc", "in time": "Đúng hạn", "input": "Nguồn",
    "missing": "Số sự kiện thiếu", "ranges": "Các khoảng", "time": "Thời gian", "result": "Kết quả",
    "agreed": "Người duyệt", "step": "Bước", "answer": "Trả lời", "from": "Từ", "until": "Đến",
    "written": "Lập lúc", "incident": "Sự cố", "alert": "Cảnh báo", "entries": "Số bản ghi",
    "signed": "Đã ký", "key": "Khóa", "root": "Gốc", "last anchor": "Điểm neo gần nhất",
    "history": "Lịch sử",
}  # fmt: skip


class Gatherer:
    """Reads everything once, for one reader."""

    def __init__(self, config: Config, scope: Scope, language: str, now: datetime) -> None:
        self._config, self._scope, self._language, self._now = config, scope, language, now

    def period(self, kind: str, until: datetime) -> dict[str, Table]:
        """Return the tables of a period that ends before ``until``."""
        since = until - timedelta(days=DAYS[kind])
        with case_host.case_database(self._config) as cases:
            rows = Rows(cases.connection)
            first, last = stamp(since), stamp(until)
            runs = [r for r in rows.runs(self._scope) if first <= r.started_at < last]
            clocks = Incidents(cases).clocks_between(first, last, self._scope)
            facts = [("from", first), ("until", last), ("written", stamp(self._now))]
            return {
                "facts": self._facts(facts),
                **self._alerts(since, until),
                "incidents": self._incidents(cases, first, last),
                "runs": self._runs(runs),
                "clocks": self._clocks(clocks),
                "blind": self._blind(),
                "verification": self._verification(cases),
            }

    def run(self, name: str) -> dict[str, Table]:
        """Return the tables of one run; raises ``Refused`` if there is none."""
        with respond.runs(self._config) as opened:
            run = opened.rows.run(name, self._scope)
            title, _ = opened.machine(run)[run.playbook].words(self._language)
            facts = [
                ("run", run.id), ("playbook", title), ("organization", run.organization),
                ("incident", run.incident), ("alert", run.alert), ("started", run.started_at),
                ("ended", run.ended_at), ("state", run.status),
            ]  # fmt: skip
            return {
                "facts": self._facts(facts),
                "answers": self._answers(run),
                "steps": self._steps(opened, run),
                "clocks": self._clocks(self._of_incident(opened.cases, run.incident)),
                "blind": self._blind(),
                "verification": self._verification(opened.cases),
            }

    def _of_incident(self, cases: CaseDatabase, number: str) -> list[ClockRow]:
        """Return all clocks of an incident."""
        found = Incidents(cases).clocks_between(EARLIEST, LATEST, self._scope)
        return [clock for clock in found if str(clock.incident) == number]

    def _facts(self, facts: Sequence[tuple[str, object]]) -> Table:
        return self._table(["what", "value"], [(self._name(what), value) for what, value in facts])

    def _name(self, word: str) -> str:
        return _VI.get(word, word) if self._language == "vi" else word

    def _table(self, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
        return Table(
            [self._name(column) for column in columns],
            [[str(cell) for cell in row] for row in rows],
        )

    def _alerts(self, since: datetime, until: datetime) -> dict[str, Table]:
        store = build.alert_store(self._config)
        query = AlertQuery(since=since, until=until)
        levels = [
            (level, store.count(replace(query, levels=(level,)), self._scope))
            for level in reversed(LEVELS)
        ]
        found = store.find(replace(query, limit=ALERTS_MAX), self._scope)
        store.close()
        rules = Counter((alert.rule.title, alert.rule.level) for alert in found)
        top = [(title, level, count) for (title, level), count in rules.most_common(20)]
        return {
            "levels": self._table(["level", "count"], levels),
            "rules": self._table(["rule", "level", "count"], top),
        }

    def _incidents(self, cases: CaseDatabase, first: str, last: str) -> Table:
        found = Incidents(cases).find(IncidentQuery(limit=-1), self._scope)
        rows = [
            (
                i.id,
                i.title,
                i.organization,
                i.level,
                i.state,
                i.disposition,
                i.opened_at,
                i.closed_at,
            )
            for i in found
            if first <= i.opened_at < last
        ]
        columns = [
            "number",
            "title",
            "organization",
            "level",
            "state",
            "disposition",
            "opened",
            "closed",
        ]
        return self._table(columns, rows)

    def _runs(self, runs: Sequence[Run]) -> Table:
        rows = [
            (r.id[:10], r.name, r.organization, r.status, r.started_at, r.ended_at) for r in runs
        ]
        return self._table(["run", "playbook", "organization", "state", "started", "ended"], rows)

    def _steps(self, opened: Runs, run: Run) -> Table:
        said = [
            (
                number,
                respond.words(opened, run, step, self._language),
                step.state,
                step.changed_at[:19],
                "; ".join(f"{a.user}: {a.answer}" for a in opened.rows.approvals(step)),
                step.result,
            )
            for number, step in enumerate(opened.rows.steps(run.id), 1)
        ]
        return self._table(["step", "what", "state", "time", "agreed", "result"], said)

    def _answers(self, run: Run) -> Table:
        scopes = msgspec.json.decode(run.state, type=State).scopes
        values = scopes["0"].values if "0" in scopes else {}
        rows = [(name.strip("_"), value) for name, value in values.items() if value]
        return self._table(["what", "answer"], rows)

    def _clocks(self, clocks: Sequence[ClockRow]) -> Table:
        known = {
            (profile.name, clock.id): clock.vi if self._language == "vi" else clock.en
            for profile in read_profiles()
            for clock in profile.clocks
        }
        rows = [
            (
                c.incident,
                c.title,
                known.get((c.profile, c.clock), c.clock),
                c.started_at[:19],
                c.due_at[:19],
                c.stopped_at[:19],
                self._in_time(c),
            )
            for c in clocks
        ]
        columns = ["incident", "title", "clock", "started", "due", "stopped", "in time"]
        return self._table(columns, rows)

    def _in_time(self, clock: ClockRow) -> str:
        yes, no, runs = (
            ("có", "không", "đang đếm") if self._language == "vi" else ("yes", "no", "runs")
        )
        if clock.stopped_at:
            return yes if clock.stopped_at <= clock.due_at else no
        return runs if stamp(self._now) <= clock.due_at else no

    def _blind(self) -> Table:
        rows = [
            (
                a.organization,
                a.path or a.stream,
                a.missing,
                ", ".join(f"{f}-{t}" for f, t in a.holes),
            )
            for a in build.accounts(self._config)
            if a.missing and self._scope.allows(a.organization)
        ]
        return self._table(["organization", "input", "missing", "ranges"], rows)

    def _verification(self, cases: CaseDatabase) -> Table:
        try:
            state = cases.signed()
        except LuytreError as error:
            return self._facts([("history", f"NOT SIGNED: {error}")])
        anchors = cases.book.anchors()
        last = anchors[-1] if anchors else None
        kept = f"{last[1]}: {last[2]} entries" if last else "none"
        facts = [
            ("entries", cases.book.size()), ("signed", state.size), ("key", state.key),
            ("root", state.root.hex()), ("last anchor", kept),
        ]  # fmt: skip
        return self._facts(facts)


def day(text: str) -> datetime:
    """Return the end of a day, or now for an empty text; raises ``ValueError``."""
    if not text:
        return datetime.now(UTC)
    return datetime.fromisoformat(text).replace(tzinfo=UTC) + timedelta(days=1)
