"""One incident from its alert to its end: the pipeline, a playbook, people, a kill, and a way back."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import Call, process
from tests.playbooks.servers import Recorder, fortigate, web

pytestmark = [pytest.mark.xdist_group("incident"), pytest.mark.timeout(280)]

LINE = (
    '203.0.113.45 - - [{at}] "POST /documents/20181/4711/thumb.jsp?cmd=whoami HTTP/1.1" 200 512'
    ' "-" "Mozilla/5.0"\n'
)
CONFIG = """
organization: tinh
ship: {{files: [{{paths: [logs/*.log]}}]}}
playbooks:
  fortigates: [{{name: edge, url: "{firewall}", networks: [127.0.0.0/8]}}]
  channels: [{{name: duty, url: "{chat}/duty", networks: [127.0.0.0/8]}}]
  never_touch: {{addresses: [10.0.0.0/8]}}
"""
ANSWERS = {
    "Open the file on the server": {"__confirmed__": "yes"},
    "Say yes or no to each": {"__serious__": "yes", "__personal_data__": "no"},
    "Which request wrote the file": {"__cause__": "the contact form took any file"},
}


@pytest.fixture
def counterparts() -> Iterator[tuple[Recorder, Recorder]]:
    with web(fortigate) as firewall, web() as chat:
        yield firewall, chat


class Province:
    """The whole of Luytre as processes, and the people who talk to it."""

    def __init__(self, luytre: Call, folder: Path) -> None:
        self._luytre, self._folder = luytre, folder
        self._running = process("run", folder=folder, start_new_session=True)

    def kill(self) -> None:
        """Kill everything at once, as a power cut would."""
        os.killpg(self._running.pid, signal.SIGKILL)
        self._running.communicate()

    def restart(self) -> None:
        self._running = process("run", folder=self._folder, start_new_session=True)

    def stop(self) -> None:
        if self._running.poll() is None:
            self._running.terminate()
            self._running.communicate()

    def ask(self, *arguments: str) -> list[Any]:
        ran = self._luytre(*arguments, "--json")
        assert ran.code == 0, ran.err
        return ran.documents

    def do(self, *arguments: str) -> str:
        ran = self._luytre(*arguments)
        assert ran.code == 0, ran.err
        return ran.out

    def alert(self) -> str:
        for _ in range(120):
            ran = self._luytre("alerts", "list", "--rule", "Executable Page Answered", "--json")
            if ran.code == 0 and ran.documents:
                found: str = ran.documents[0]["id"]
                return found
            time.sleep(0.5)
        pytest.fail("no alert came")

    def steps(self, run: str) -> list[Any]:
        return self.ask("playbooks", "runs", run)

    def until(self, run: str, text: str, state: str) -> int:
        """Answer whatever is asked until a step is in a state; return its number."""
        for _ in range(120):
            steps = self.steps(run)
            for number, step in enumerate(steps, 1):
                if text in step["what"] and step["state"] == state:
                    return number
            if not self._settle(run, steps):
                time.sleep(0.3)
        pytest.fail(f"{text} never was {state}: {self.steps(run)}")

    def _settle(self, run: str, steps: list[Any]) -> bool:
        for number, step in enumerate(steps, 1):
            if step["state"] == "asked":
                answers = next((a for t, a in ANSWERS.items() if step["what"].startswith(t)), {})
                given = [w for name, value in answers.items() for w in ("--set", f"{name}={value}")]
                self.do("playbooks", "answer", run, str(number), *given, "--note", "seen")
                return True
            if step["state"] == "waiting":
                self.do("playbooks", "decide", run, str(number), "skip", "--note", "a drill")
                return True
        return False


def test_an_incident_from_its_alert_to_its_end(
    luytre: Call, tmp_path: Path, counterparts: tuple[Recorder, Recorder]
) -> None:
    firewall, chat = counterparts
    (tmp_path / "logs").mkdir()
    config = CONFIG.format(firewall=firewall.url, chat=chat.url)
    (tmp_path / "luytre.yaml").write_text(config)
    at = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
    (tmp_path / "logs" / "portal.log").write_text(LINE.format(at=at))
    province = Province(luytre, tmp_path)
    try:
        _play(province, tmp_path, firewall, chat)
    finally:
        province.stop()


def _play(province: Province, folder: Path, firewall: Recorder, chat: Recorder) -> None:
    alert = province.alert()
    assert "web-shell" in province.do("alerts", "show", alert)
    given = ("--alert", alert, "--set", "__firewall__=edge")
    assert "run" in province.do("playbooks", "run", "web-shell", *given)
    run = province.ask("playbooks", "runs")[0]["id"]

    block = province.until(run, "block 203.0.113.45 on edge", "approval")
    province.kill()
    assert [s["state"] for s in province.steps(run)][block - 1] == "approval"
    province.restart()
    assert not firewall.state.get("there")
    province.do("playbooks", "approve", run, str(block), "--note", "not one of ours")
    province.until(run, "block 203.0.113.45 on edge", "done")
    assert len(firewall.state["there"]) == 2

    province.until(run, "comment: Closed by playbook", "done")
    assert province.ask("playbooks", "runs")[0]["status"] == "done"
    assert [path for _, path, _, _ in chat.requests] == ["/duty"]
    told = [s["what"] for s in province.steps(run) if "clock" in s["what"]]
    assert [t.split(":")[0] for t in told] == ["start the clock"] * 2 + ["stop the clock"] * 2

    province.do("playbooks", "undo", run)
    back = province.until(run, "free 203.0.113.45 on edge", "approval")
    province.do("playbooks", "approve", run, str(back))
    province.until(run, "free 203.0.113.45 on edge", "done")
    assert not firewall.state["there"]

    province.do("playbooks", "print", run, "--run", "--to", str(folder / "form.html"))
    page = (folder / "form.html").read_text()
    assert "the contact form took any file" in page
    assert "Webshell trên cổng thông tin" in page
    for ending in ("html", "docx", "csv"):
        province.do("report", "incident", run, "--to", str(folder / f"report.{ending}"))
    assert "the contact form took any file" in (folder / "report.html").read_text()
    province.stop()
    # Its exit code says whether the history is whole.
    province.do("audit", "verify")
