"""Compiles changed rules in a process of its own, so that matching does not wait for it.

``python -m luytre.processor.compile`` reads a configuration as JSON from its standard input, and
leaves the plan in the cache; whoever asks for it next finds it there.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys

from luytre.core.config import Config
from luytre.core.errors import LuytreError
from luytre.core.log import get_logger
from luytre.processor.content import plan_rules, plans_folder

TIMEOUT_S = 600.0
NICENESS = 10
_LOCK = ".compiling"

log = get_logger("content")


def compile_beside(config: Config) -> None:
    """Compile the rules of a configuration, unless another worker does or has: then wait for it.

    What fails here fails again, with its reason, where the plan is asked for.
    """
    folder = plans_folder(config)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (folder / _LOCK).open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            subprocess.run(
                [sys.executable, "-m", "luytre.processor.compile"],
                input=config.model_dump_json().encode(),
                timeout=TIMEOUT_S,
                check=True,
            )
    except (OSError, subprocess.SubprocessError) as error:
        log.warning("rules are compiled beside matching, not apart", reason=str(error))


def main() -> int:
    """Compile what standard input says."""
    os.nice(NICENESS)
    config = Config.model_validate_json(sys.stdin.buffer.read())
    try:
        plan_rules(config, config.rules)
    except LuytreError as error:
        log.error("changed rules cannot run", reason=str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
