import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from luytre.core.config_playbooks import CommandConfig
from playbooks.actions import Actions
from playbooks.actions.action import ActionFailedError, ActionUnclearError
from tests.playbooks.doing import ORDER, actions, settings


def command(**changed: Any) -> Actions:
    fields = {"name": "tool", "program": "/bin/echo", "arguments": ("word",), **changed}
    return actions(settings(commands=(CommandConfig.model_validate(fields).model_dump(),)))


def run(doing: Actions, *arguments: str) -> str:
    outcome = doing.perform("run-command", {"command": "tool", "arguments": [*arguments]}, ORDER)
    return outcome.outputs["output"]


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the user")


@needs_root
@pytest.mark.parametrize(
    ("script", "said"),
    [
        pytest.param("id -u", f"{65534}\n", id="own user"),
        pytest.param("env", "", id="no environment"),
        pytest.param("pwd", "/\n", id="no folder of ours"),
        pytest.param("ls /proc/self/fd | wc -l", "4\n", id="no open files of ours"),
        pytest.param("cat /proc/net/dev | grep -c :", "1\n", id="no network but lo"),
        pytest.param("grep NoNewPrivs /proc/self/status", "NoNewPrivs:\t1\n", id="no new rights"),
        pytest.param("cat", "", id="no input"),
    ],
)
def test_a_command_runs_in_a_cell(script: str, said: str) -> None:
    program = {
        "program": "/bin/dash",
        "fixed": ("-c", f"export PATH=/bin:/usr/bin; unset PWD OLDPWD; {script}"),
        "arguments": (),
    }
    output = run(command(**program))

    assert "\n".join(
        line for line in output.splitlines() if not line.startswith(("PATH=", "PWD=", "_="))
    ) == said.rstrip("\n")


@needs_root
def test_a_command_that_does_not_end_is_killed_with_its_children(tmp_path: Path) -> None:
    script = "setsid sh -c 'sleep 4; touch /tmp/luytre-late' & sleep 30"
    doing = command(program="/bin/sh", fixed=("-c", script), arguments=(), timeout_s=1)

    with pytest.raises(ActionUnclearError, match="killed after 1 s"):
        run(doing)

    subprocess.run(["sleep", "4"], check=True)
    assert not Path("/tmp/luytre-late").exists()


@needs_root
def test_a_command_that_talks_without_end_is_cut() -> None:
    with pytest.raises(ActionFailedError):
        run(command(program="/usr/bin/yes", arguments=(), file_mib=1, timeout_s=20))


@needs_root
@pytest.mark.parametrize(
    ("changed", "arguments", "problem"),
    [
        pytest.param({}, (), "takes 1 arguments", id="too few"),
        pytest.param({}, ("-n",), "no name", id="an option"),
        pytest.param({}, ("a b",), "no name", id="a blank"),
        pytest.param({"arguments": ("address",)}, ("10.0.0.1/8",), "no address", id="a network"),
        pytest.param({"user": "root"}, ("a",), "cannot run as root", id="root"),
        pytest.param({"user": "nobody-here"}, ("a",), "no user", id="unknown user"),
        pytest.param({"program": "/bin/false"}, ("a",), "ended with 1", id="an error"),
    ],
)
def test_a_command_refuses(
    changed: dict[str, Any], arguments: tuple[str, ...], problem: str
) -> None:
    with pytest.raises(ActionFailedError, match=problem):
        run(command(**changed), *arguments)
