"""Every error that leaves a room.

    LuytreError
    ├── ConfigurationError      stops the start, with all faults of what people wrote
    ├── NeighbourError          a disk or another program failed for longer than we wait
    │   ├── Unfinished          part is done: say that you live, and go on
    │   └── Fenced              another member owns the partition now: drop the batch
    └── Refused                 a command asks for what is not allowed or does not exist
        └── Forbidden           the actor's role or organisations do not allow it

Bad data is none of these: it is a reject with a reason (``Batch.rejects``). A bad rule is a
``Fault`` in a list: refused by the checks, quarantined by the running system.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong at one place of a file that a person wrote, and what would mend it."""

    path: Path
    line: int
    problem: str
    remedy: str = ""

    def __str__(self) -> str:
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{self.path}:{self.line}: {self.problem}{remedy}"


class LuytreError(Exception):
    """The root: the command line prints it without a traceback and ends with its exit code."""

    exit_code = 1


class ConfigurationError(LuytreError):
    """The configuration, or what it names, cannot be used."""

    exit_code = 2

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = faults


class NeighbourError(LuytreError):
    """Something outside this process failed for longer than its adapter may wait."""

    exit_code = 3


class Unfinished(NeighbourError):
    """Part of the work is done, and the rest takes longer than one may be silent."""


class Fenced(NeighbourError):
    """Another member of the group owns the partition now."""


class Refused(LuytreError):
    """A command asks for what does not exist or may not be done."""

    exit_code = 4


class Forbidden(Refused):
    """The actor's roles or organisations do not allow it."""

    exit_code = 7
