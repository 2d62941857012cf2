"""`run-command`: an allow-listed program of this machine, in a small cell.

Argument lists only: ``unshare`` takes the network away, ``prlimit`` sets limits, ``setpriv``
changes the user and forbids ever gaining rights (all from util-linux); the environment is empty.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import subprocess
import tempfile
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, TypeAdapter, ValidationError

from playbooks.actions.action import (
    Action,
    ActionFailedError,
    ActionUnclearError,
    Effect,
    Order,
    Outcome,
    Plan,
)
from playbooks.actions.kinds import KINDS, Arguments, Line, Word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from luytre.core.config_playbooks import CommandConfig

_ADAPTERS: dict[str, TypeAdapter[str]] = {name: TypeAdapter(kind) for name, kind in KINDS.items()}
MIB = 2**20


class CommandArguments(Arguments):
    """Which command, and its arguments in order."""

    command: Word
    arguments: list[Line] = Field(default=[], max_length=20)


class RunCommand(Action[CommandArguments]):
    """Runs one program to its end."""

    name = "run-command"
    arguments = CommandArguments
    effect: ClassVar[Effect] = "changes"
    approvals = 1

    def __init__(self, commands: Sequence[CommandConfig]) -> None:
        self._commands = {each.name: each for each in commands}

    def plan(self, given: CommandArguments) -> Plan:
        argv = self._argv(given)
        return Plan(f"run {' '.join(argv)}", f"chạy {' '.join(argv)}")

    def run(self, given: CommandArguments, order: Order) -> Outcome:
        del order
        argv = self._argv(given)
        settings = self._commands[given.command]
        code, output = _run([*_cell(settings), *argv], settings)
        if code:
            raise ActionFailedError(f"{given.command} ended with {code}: {output[:400]}")
        return Outcome(f"{given.command} ended with 0", {"output": output})

    def _argv(self, given: CommandArguments) -> list[str]:
        settings = self._commands.get(given.command)
        if settings is None:
            raise ActionFailedError(f"no command is named {given.command} (playbooks.commands)")
        if len(given.arguments) != len(settings.arguments):
            raise ActionFailedError(f"{given.command} takes {len(settings.arguments)} arguments")
        try:
            checked = [
                _ADAPTERS[kind].validate_python(value, strict=True)
                for kind, value in zip(settings.arguments, given.arguments, strict=True)
            ]
        except ValidationError as error:
            message = error.errors(include_url=False)[0]["msg"]
            raise ActionFailedError(message.removeprefix("Value error, ")) from None
        return [str(settings.program), *settings.fixed, *checked]


def _cell(settings: CommandConfig) -> list[str]:
    """Return what stands before the program."""
    try:
        user = pwd.getpwnam(settings.user)
    except KeyError:
        raise ActionFailedError(f"no user is named {settings.user}") from None
    root = os.geteuid() == 0
    if user.pw_uid == 0 or (not root and user.pw_uid != os.geteuid()):
        raise ActionFailedError(f"commands cannot run as {settings.user} here")
    limits = [
        "/usr/bin/prlimit",
        f"--as={settings.memory_mib * MIB}",
        f"--cpu={int(settings.timeout_s) + 1}",
        f"--fsize={settings.file_mib * MIB}",
        f"--nproc={settings.processes_max}",
        "--nofile=64",
        "--core=0",
        "--",
    ]
    privileges = ["/usr/bin/setpriv", "--no-new-privs"]
    if root:
        privileges += [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    # Its own process namespace: whatever it starts ends with it. Without root that needs a user
    # namespace too.
    apart = ["/usr/bin/unshare", "--pid", "--fork", "--kill-child"]
    apart += [] if settings.network else ["--net"]
    apart += [] if root else ["--map-current-user"]
    return [*apart, "--", *privileges, "--", *limits]


def _run(argv: list[str], settings: CommandConfig) -> tuple[int, str]:
    """Return the exit code and the beginning of the output, which the file limit bounds."""
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(  # noqa: S603 - an allow-listed program, an argument list
                argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env={}, cwd="/", close_fds=True, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise ActionFailedError(f"{argv[0]}: {error.strerror}") from error
        try:
            code = process.wait(settings.timeout_s)
        except subprocess.TimeoutExpired as error:
            raise ActionUnclearError(f"killed after {settings.timeout_s:g} s") from error
        finally:
            _kill(process)
        output.seek(0)
        return code, output.read(settings.output_bytes_max).decode(errors="backslashreplace")


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the whole session; ``--kill-child`` takes along what has left it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
