"""The content that runs, and what replaces it: made beside it, taken over between batches."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from luytre.core.batch import DATA_ERRORS
from luytre.core.errors import LuytreError
from luytre.core.log import get_logger
from luytre.core.metrics import RELOADS, RULES_REFUSED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from detections.plan import Plan
    from detections.plan_cache import Loaded
    from luytre.core.config import RulesConfig
    from luytre.core.errors import Fault
    from luytre.processor.source import ContentSource, Wanted

SHOWN = 5
"""Faults that a refusal quotes."""

log = get_logger("content")

T = TypeVar("T")


class Live(Generic[T]):
    """Runs the last good content of a source.

    ``look`` is called by a thread: it notices a change, lets one more look pass (files are not
    written all at once), and makes ``value`` anew. The loop calls ``swap`` between batches, so no
    batch ever meets two versions.

    A set is refused as a whole, and the last good one stays, if it cannot be planned, has no rule
    left, or if something that runs would fall out by a fault: a slip of an editor must not blind
    anybody. A new rule with a fault is quarantined, as at every start.
    """

    def __init__(
        self,
        source: ContentSource,
        plan: Callable[[RulesConfig], Loaded],
        wire: Callable[[Loaded], T],
        announce: Callable[[Loaded, str], None],
        *,
        prepare: Callable[[RulesConfig], None] = lambda _rules: None,
    ) -> None:
        """Make the first version, as good as it is.

        ``plan`` and ``wire`` make of settings what the loop needs; ``prepare`` does what would take
        seconds beforehand and elsewhere, once something runs. ``announce`` is told what runs and
        why a newer version does not, at the start and whenever that changes.
        """
        self._source, self._plan, self._wire, self._announce = source, plan, wire, announce
        self._prepare = prepare
        wanted = source.wanted()
        self._tried = self._noticed = wanted.digest
        self._rules, self._loaded = wanted.rules, plan(wanted.rules)
        self._next: tuple[Wanted, Loaded, T] | None = None
        self._refusal = ""
        self._lock = threading.Lock()
        self.value = wire(self._loaded)
        self._say()

    def look(self) -> None:
        """Make a changed version ready; say why it cannot run."""
        try:
            wanted = self._source.wanted()
        except (LuytreError, OSError) as error:
            log.error("the rules cannot be looked at", reason=str(error))
            return
        if wanted.digest in (self._tried, self._noticed):
            if wanted.digest != self._tried:
                self._tried = wanted.digest
                self._make(wanted)
            return
        self._noticed = wanted.digest

    def _make(self, wanted: Wanted) -> None:
        try:
            self._prepare(wanted.rules)
            loaded = self._plan(wanted.rules)
            lost = _lost(loaded.faults, wanted.rules, self._loaded.plan, self._rules)
            if lost:
                self._refuse("; ".join(map(str, lost[:SHOWN])))
                return
            value = self._wire(loaded)
        except (LuytreError, OSError, *DATA_ERRORS) as error:
            self._refuse(str(error))
            return
        with self._lock:
            self._next, self._refusal = (wanted, loaded, value), ""

    def _refuse(self, reason: str) -> None:
        with self._lock:
            self._refusal = reason
            RELOADS.labels("refused").inc()
            log.error("changed rules refused: the last good ones go on", reason=reason)
            self._say()

    def _say(self) -> None:
        RULES_REFUSED.set(bool(self._refusal))
        self._announce(self._loaded, self._refusal)

    def swap(self) -> bool:
        """Take over what is ready; tell whether there was anything. Only between batches."""
        if self._next is None:  # nearly always, and then not worth a lock
            return False
        with self._lock:
            (wanted, self._loaded, self.value), self._next = self._next, None
            self._rules = wanted.rules
            RELOADS.labels("taken over").inc()
            self._say()
        return True

    @property
    def is_ready(self) -> bool:
        """Whether ``swap`` would take something over."""
        return self._next is not None


@contextmanager
def watching(looks: Sequence[Callable[[], object]], every_s: float) -> Iterator[None]:
    """Call ``looks`` every so many seconds from a thread, until the context ends; never if 0."""
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(every_s):
            for look in looks:
                look()

    if not every_s:
        yield
        return
    thread = threading.Thread(target=watch, name="content", daemon=True)
    thread.start()
    try:
        yield
    finally:
        # Not joined: it may be waiting for a compiler, and holds nothing that must be let go.
        stop.set()


def _lost(
    faults: Iterable[Fault], rules: RulesConfig, running: Plan, ran: RulesConfig
) -> list[Fault]:
    """Return the faults in files of which something runs now."""
    paths = [rule.card.path for rule in running.rules]
    paths += [each.card.path for each in running.correlations]
    paths += [each.path for each in running.filters]
    known = {_inside(Path(path), ran.paths) for path in paths}
    return [fault for fault in faults if _inside(fault.path, rules.paths) in known]


def _inside(path: Path, folders: Iterable[Path]) -> str:
    """Return a path from the folder that holds it: a newer set may lie in another place."""
    for folder in folders:
        if path.is_relative_to(folder) and path != folder:
            return path.relative_to(folder).as_posix()
    return str(path)
