"""Every command either changes nothing, or is known to leave an entry in the history."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from luytre.audit.database import AUDIT
from luytre.cli.main import app
from luytre.processor import case_host
from tests.cli.running import GOOD_RULE, Call

READS = {
    "alerts list", "alerts refused", "alerts search", "alerts show", "archive check",
    "archive count", "archive read", "doctor", "elastic check", "health",
    "incidents clocks", "incidents list", "incidents recompute", "incidents show", "ledger",
    "playbooks check", "playbooks export", "playbooks list", "playbooks print",
    "playbooks rehearse", "playbooks runs", "playbooks show", "playbooks waiting", "rejects list",
    "report incident", "report period", "rules backtest", "rules check", "rules explain", "rules list",
    "filters hidden", "filters list", "filters show", "rules drafts", "rules history",
    "rules profile", "rules test", "scan", "users list", "version",
}  # fmt: skip
LOOPS = {
    "audit signer",
    "console",
    "correlate",
    "demo",
    "detect",
    "index",
    "respond",
    "run",
    "ship",
    "triage",
}
"""What they decide is the loops' own: triage's and respond's entries are in their rooms' tests."""

CHANGES = {
    "alerts close": "alert.close",
    "archive mend": "archive.mend",
    "audit anchor": "audit.anchor",
    "audit erase": "audit.erase",
    "audit export": "audit.export",
    "audit hold": "audit.hold",
    "audit log": "audit.look",
    "audit verify": "audit.export",
    "backup": "backup.write",
    "elastic setup": "elastic.setup",
    "filters approve": "content.approve",
    "filters draft": "content.draft",
    "filters prove": "content.test",
    "filters refuse": "content.refuse",
    "filters retire": "content.retire",
    "incidents assign": "incident.assign",
    "incidents clock": "incident.clock",
    "incidents close": "incident.close",
    "incidents comment": "incident.comment",
    "incidents inbox": "notification.read",
    "incidents many": "incident.state",
    "incidents merge": "incident.merge",
    "incidents pack": "incident.pack",
    "incidents split": "incident.split",
    "incidents state": "incident.state",
    "incidents take": "incident.assign",
    "incidents task": "incident.task",
    "incidents view": "view.save",
    "kafka publish": "content.publish",
    "kafka setup": "kafka.setup",
    "playbooks answer": "run.answer",
    "playbooks approve": "run.approve",
    "playbooks decide": "run.decide",
    "playbooks import": "playbooks.import",
    "playbooks run": "run.start",
    "playbooks undo": "run.undo",
    "rejects replay": "rejects.replay",
    "restore": "backup.restore",
    "rules activate": "content.activate",
    "rules approve": "content.approve",
    "rules draft": "content.draft",
    "rules install": "content.install",
    "rules refuse": "content.refuse",
    "rules retire": "content.retire",
    "rules retro": "content.search",
    "rules submit": "content.test",
    "upkeep": "archive.expire",
    "users add": "user.create",
    "users change": "user.change",
    "users disable": "user.change",
    "users enable": "user.change",
    "users logout": "session.revoke",
    "users password": "user.password",
}
PLAYBOOK = Path(__file__).parent.parent / "playbooks" / "every_step.yml"


def commands(group: Any, above: str = "") -> Iterator[str]:
    for name, command in group.commands.items():
        path = f"{above} {name}".strip()
        if hasattr(command, "commands"):
            yield from commands(command, path)
        else:
            yield path


def test_every_command_is_known_to_read_or_to_leave_an_entry() -> None:
    known = READS | LOOPS | set(CHANGES)

    assert set(commands(typer.main.get_command(app))) ^ known == set()


def test_every_entry_that_a_command_leaves_is_declared() -> None:
    declared = {action for room in (AUDIT, *case_host.ROOMS) for action in room.actions}

    assert set(CHANGES.values()) - declared == set()


def test_what_is_done_to_the_installation_is_in_the_history(luytre: Call, tmp_path: Path) -> None:
    (tmp_path / "luytre.yaml").write_text("data_dir: data\n")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "one.yml").write_text(GOOD_RULE)

    luytre("rules", "install", "set")
    luytre("playbooks", "import", PLAYBOOK)
    luytre("upkeep", "--once")
    luytre("rejects", "replay")
    luytre("archive", "mend")
    luytre("backup", "saved.tar.zst")
    (tmp_path / "data").rename(tmp_path / "lost")
    luytre("restore", "saved.tar.zst")

    logged = luytre("audit", "log", "--json").documents
    assert [line["entry"]["action"] for line in reversed(logged)] == [
        "audit.begin", "content.install", "playbooks.import", "rejects.replay", "archive.mend",
        "backup.write", "backup.restore", "audit.look",
    ]  # fmt: skip


def test_what_is_done_to_a_server_is_in_the_history_before_it_answers(
    luytre: Call, tmp_path: Path
) -> None:
    alerts = "alerts: {elastic: {urls: ['http://127.0.0.1:9']}}"
    (tmp_path / "luytre.yaml").write_text(f"data_dir: data\n{alerts}\n")

    ran = luytre("elastic", "setup")

    assert ran.code != 0
    assert [line["entry"]["action"] for line in luytre("audit", "log", "--json").documents] == [
        "audit.look", "elastic.setup", "audit.begin",
    ]  # fmt: skip


def test_who_may_not_installs_nothing(luytre: Call, tmp_path: Path) -> None:
    people = "people: [{user: nobody-here, roles: [admin]}]\n"
    (tmp_path / "luytre.yaml").write_text(f"data_dir: data\n{people}")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "one.yml").write_text(GOOD_RULE)

    refused = luytre("rules", "install", "set")

    assert refused.code != 0
    assert not (tmp_path / "data" / "rules").exists()
