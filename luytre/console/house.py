"""What the console works with: the rooms of one installation, opened once for each thread."""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import cached_property
from queue import Empty, LifoQueue
from typing import TYPE_CHECKING

from luytre.accounts.keys import ApiKeys
from luytre.accounts.sessions import Limits, Sessions
from luytre.accounts.users import Users
from luytre.cases.clocks import Clocks, read_profiles
from luytre.cases.decide import Decisions
from luytre.cases.overview import Overview
from luytre.cases.read import Incidents
from luytre.cases.regroup import Regrouping
from luytre.console.rule_book import RuleBook
from luytre.console.rule_words import RuleWords
from luytre.console.units import Units
from luytre.core.errors import LuytreError
from luytre.processor import build, case_host, respond
from luytre.processor.case_desk import CaseDesk
from luytre.processor.places import Places
from playbooks.runner import ACTOR
from playbooks.runs import Runs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from luytre.core.alert import AlertStore
    from luytre.core.clock import Clock
    from luytre.core.config import Config
    from luytre.store.archive import Archive
    from playbooks.shelf import Shelf

SHELF_FOR_S = 60


class Bench:
    """The rooms as one thread uses them: connections have one owner at a time."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self.config, self.clock = config, clock
        self._open = ExitStack()
        self.cases = self._open.enter_context(case_host.case_database(config, loop=True))
        limits = Limits(
            timedelta(minutes=config.console.idle_minutes),
            timedelta(hours=config.console.session_hours),
        )
        self.sessions = Sessions(Places(config.data_dir).sessions, clock, limits)
        self._open.callback(self.sessions.shut)
        self.users, self.keys = Users(self.cases, clock), ApiKeys(self.cases, clock)
        self.incidents, self.decisions = Incidents(self.cases), Decisions(self.cases, clock)
        self.overview = Overview(self.cases)
        self.regrouping = Regrouping(self.cases, clock, self.decisions)

    @cached_property
    def alerts(self) -> AlertStore:
        """The alert store."""
        store = build.alert_store(self.config)
        self._open.callback(store.close)
        return store

    @cached_property
    def archive(self) -> Archive:
        """The archive of all events."""
        return build.archive(self.config)

    @cached_property
    def clocks(self) -> Clocks:
        """The legal clocks."""
        return Clocks(self.decisions, read_profiles())

    @cached_property
    def runs(self) -> Runs:
        """The runs of playbooks."""
        desk = CaseDesk(self.cases, self.clock, ACTOR, read_profiles())
        return Runs(self.cases, self.clock, respond.actions(self.config, desk), desk)

    def close(self) -> None:
        """Let every connection go."""
        self._open.close()


class House:
    """One installation, for as many threads as ask at once."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self.config, self.clock = config, clock
        self._free: LifoQueue[Bench] = LifoQueue()
        self._lock = threading.Lock()
        self._shelf: tuple[float, Shelf] | None = None

    @contextmanager
    def bench(self) -> Iterator[Bench]:
        """Lend a bench to this thread; one that broke is not lent again."""
        try:
            bench = self._free.get_nowait()
        except Empty:
            bench = Bench(self.config, self.clock)
        whole = False
        try:
            yield bench
            whole = True
        except LuytreError:
            whole = True
            raise
        finally:
            if whole:
                self._free.put(bench)
            else:
                bench.close()

    def shelf(self) -> Shelf:
        """Return the playbooks there are, read again after a minute."""
        with self._lock:
            now_s = self.clock.monotonic_s()
            if self._shelf is None or now_s - self._shelf[0] > SHELF_FOR_S:
                self._shelf = now_s, respond.shelf(self.config)
            return self._shelf[1]

    @cached_property
    def units(self) -> Units:
        """What organisations are called."""
        return Units(self.config.enrich.organizations, self.clock)

    @cached_property
    def rule_book(self) -> RuleBook:
        """The rules that run."""
        return RuleBook(self.config, self.clock)

    @cached_property
    def rule_words(self) -> RuleWords:
        """What rules are called in Vietnamese."""
        return RuleWords.read(self.config.rules.paths)

    def close(self) -> None:
        """Close every bench that is not lent."""
        while not self._free.empty():
            self._free.get_nowait().close()
