"""The triage loop wired: the alerts topic into the case database, one process on the case host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from luytre.cases.triage import Triage
from luytre.core.clock import SystemClock
from luytre.core.message import ALERTS_TOPIC
from luytre.processor import case_host, slots
from luytre.processor.logs import observed, open_log
from luytre.processor.run import Loop
from luytre.processor.triage import TriageSink
from luytre.processor.waiting import watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from luytre.core.config import Config

GROUP = "triage"


def triage(config: Config, stopped: Callable[[], bool]) -> None:
    """Run the triage loop until stopped."""
    clock = SystemClock()
    with (
        slots.alone(config, GROUP, clock),
        slots.metrics(config, GROUP),
        case_host.case_database(config, loop=True) as cases,
    ):
        opened = open_log(config)
        sink = TriageSink(Triage(cases, clock))
        loop = Loop(GROUP, sink, clock, observed(opened, GROUP, (ALERTS_TOPIC,)))
        watch(config, GROUP, (ALERTS_TOPIC,))
        loop.run(opened.consumer(GROUP, ALERTS_TOPIC, on_revoke=loop.on_revoke), stopped)
