import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import docx
import pytest

from luytre.audit.canonical import stamp
from luytre.cases.clocks import Clocks, read_profiles
from luytre.cases.decide import Decisions
from luytre.cases.opening import open_incident
from luytre.core.actor import Actor
from luytre.core.alert import Alert, RuleCard
from luytre.core.clock import SystemClock
from luytre.core.config import Config
from luytre.core.errors import Refused
from luytre.core.organization import Scope
from luytre.processor import build, case_host, logs, respond
from luytre.processor.report import Gatherer, day
from luytre.processor.report_form import FORMS, Report, Section, Table, fill, names
from luytre.processor.report_write import WRITERS
from tests.playbooks.case import manual, playbook

NOW = datetime.now(UTC)
HOSTILE = "=cmd|'/c calc'!A1 <script>alert(1)</script>\x00\x1b[31m\ud800"
LAN = Actor("lan", frozenset({"analyst"}), Scope.everything(), "test")


def report(language: str = "vi") -> Report:
    table = Table(["a", "b"], [["một", HOSTILE], ["+1", "2"]])
    return Report(
        "Tiêu đề",
        "Luật",
        language,
        [
            Section("Bảng", table),
            Section("Trống", Table(["a"], [])),
            Section("Ghi", None, ["Nguyên nhân"]),
        ],
    )


def texts(document: bytes) -> str:
    read = docx.Document(io.BytesIO(document))
    cells = [cell.text for grid in read.tables for row in grid.rows for cell in row.cells]
    return "\n".join([*(p.text for p in read.paragraphs), *cells])


def test_html_shows_log_content_as_text() -> None:
    page = WRITERS["html"](report()).decode()

    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "Không có." in page
    assert page.count("<table>") == page.count("</table>") == 1


def test_a_spreadsheet_finds_no_formula() -> None:
    rows = list(csv.reader(io.StringIO(WRITERS["csv"](report()).decode("utf-8-sig"))))
    cells = [cell for row in rows for cell in row]

    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    assert ["Nguyên nhân", ""] in rows


def test_a_word_document_holds_everything_and_opens_again() -> None:
    text = texts(WRITERS["docx"](report()))

    assert "Tiêu đề" in text
    assert "<script>alert(1)</script>\\x00\\x1b[31m" in text
    assert "Nguyên nhân: ...." in text


@pytest.mark.parametrize("language", ["vi", "en"])
@pytest.mark.parametrize("form", names())
def test_every_form_can_be_written_in_every_format(form: str, language: str) -> None:
    filled = fill(form, {}, language)

    assert filled.title
    assert filled.basis
    assert all(section.heading for section in filled.sections)
    assert all(len(write(filled)) > 200 for write in WRITERS.values())


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(Refused, match="forms are"):
        fill("../../etc/passwd", {}, "vi")


def test_forms_are_plain_data() -> None:
    assert {path.suffix for path in FORMS.iterdir()} == {".yml"}


@pytest.fixture
def config(tmp_path: Path) -> Config:
    made = Config(data_dir=tmp_path / "data")
    logs.open_log(made).close()
    store = build.alert_store(made)
    card = RuleCard("r", "Web shell", "high", "v")
    for number, (age, organization) in enumerate(((1, "tinh"), (1, "so-y-te"), (200, "tinh"))):
        at = NOW - timedelta(days=age)
        store.add(
            [
                Alert(
                    f"a{number}", card, f"e{number}", organization, at, at, at, "p", (), {}, b"", {}
                )
            ]
        )
    store.close()
    return made


def test_a_period_counts_what_lies_in_it_and_may_be_seen(config: Config) -> None:
    def high(kind: str, scope: Scope) -> str:
        tables = Gatherer(config, scope, "en", NOW).period(kind, day(""))
        return {row[0]: row[1] for row in tables["levels"].rows}["high"]

    assert high("week", Scope.everything()) == "2"
    assert high("week", Scope.only("so-y-te")) == "1"
    assert high("year", Scope.everything()) == "3"


def test_a_run_is_reported_with_answers_deadlines_and_proof(config: Config) -> None:
    loaded = playbook(
        manual("Look", "__cause__"), playbook_variables={"__cause__": {"type": "string"}}
    )
    with respond.runs(config) as runs:
        name = runs.start(
            LAN, {loaded.playbook.id: loaded}, loaded.playbook.id, {}, organization="tinh"
        )
        run = runs.rows.run(name, Scope.everything())
        runs.answer(
            LAN, run, runs.rows.steps(name)[0].key, {"__cause__": "mật khẩu yếu"}, note="xong"
        )

    tables = Gatherer(config, Scope.only("tinh"), "vi", NOW).run(name)

    assert ["cause", "mật khẩu yếu"] in tables["answers"].rows
    assert tables["steps"].rows[0][2] == "done"
    proof = {row[0]: row[1] for row in tables["verification"].rows}
    assert proof["Đã ký"] == proof["Số bản ghi"]
    assert "mật khẩu yếu" in texts(WRITERS["docx"](fill("incident", tables, "vi")))
    with pytest.raises(Refused):
        Gatherer(config, Scope.only("so-y-te"), "vi", NOW).run(name)


def test_a_period_lists_the_clocks_of_incidents_that_ran_in_it(config: Config) -> None:
    with case_host.case_database(config) as cases:
        clocks = Clocks(Decisions(cases, SystemClock()), read_profiles())
        for title, began, stopped in (
            ("old and done", 60, True), ("old and forgotten", 30, False), ("of today", 0, False),
        ):  # fmt: skip
            with cases.change(LAN) as change:
                number = open_incident(change, "tinh", title, stamp(NOW))
            clocks.start(LAN, number, "incident-report", NOW - timedelta(days=began))
            if stopped:
                clocks.stop(LAN, number, "incident-report")
                with cases.change(LAN) as change:
                    change.connection.execute(
                        "UPDATE incident_clocks SET stopped_at = ? WHERE incident = ?",
                        (stamp(NOW - timedelta(days=58)), number),
                    )
                    change.record("incident.clock", f"incident:{number}", organization="tinh")

    def clocks_of(kind: str, scope: Scope = LAN.scope) -> list[tuple[str, str]]:
        table = Gatherer(config, scope, "en", NOW).period(kind, day(""))["clocks"]
        assert table.columns[:3] == ["incident", "title", "clock"]
        return [(row[1], row[6]) for row in table.rows]

    assert clocks_of("week") == [("old and forgotten", "no"), ("of today", "runs")]
    assert clocks_of("year")[0] == ("old and done", "yes")
    assert clocks_of("year", Scope.only("so-y-te")) == []
