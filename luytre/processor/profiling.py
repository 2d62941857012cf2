"""`luytre rules profile`: what the rules of a deployment cost on a sample of its events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import enrich
from detections.fields import fields
from detections.parse import parse_rule
from detections.profile import Profile, judged, profile
from detections.tree import UnsupportedRuleError
from ingest.intake import Intake
from ingest.shippers.files import discover, read_file
from luytre.core.clock import SystemClock
from luytre.core.ecs import ENVELOPE
from luytre.core.errors import Refused
from luytre.core.message import Record
from luytre.processor import content
from luytre.processor.places import Places
from luytre.processor.portions import portions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from detections.load import LoadedRule
    from detections.tree import Node
    from luytre.core.batch import Batch, Part
    from luytre.core.config import Config
    from luytre.core.message import Message

OPEN_MAX = 50
"""Files that are read in turn; a folder may hold thousands."""


def profile_rules(
    config: Config,
    given: Sequence[Path],
    sample: Sequence[str],
    *,
    hint: str = "auto",
    events_max: int,
    rules_max: int,
    progress: Callable[[str], None] = lambda _part: None,
) -> Profile:
    """Measure the rules of some paths, or all that run, on the events of some files.

    Raises:
        Refused: a path does not exist, or the files hold no event that any of the rules is about.
    """
    rules = list(_parsed(content.running(config, given)))
    names = frozenset[str]().union(*(fields(tree) for _, tree in rules))
    folder = Places(config.data_dir).enrichment / "profile"
    enrichment = enrich.build(config.enrich, folder, SystemClock())

    def needed(part: Part) -> frozenset[str]:
        asked = frozenset(map(part.column, names)) | enrichment.needed
        return asked.difference(ENVELOPE) - enrich.RESERVED

    messages = (
        message
        for path in discover(sample)
        for message in read_file(
            path, config.ship, organization=config.organization, hint=hint, shipper="profile"
        )
    )
    batches = [enrichment(batch) for batch in _batches(Intake(needed), messages, events_max)]
    found = profile(judged(rules), batches, rules_max=rules_max, progress=progress)
    if not found.parts:
        raise Refused("the sample holds too few events that any of these rules is about")
    return found


def _parsed(rules: Sequence[LoadedRule]) -> Iterator[tuple[LoadedRule, Node]]:
    for rule in rules:
        try:
            yield rule, parse_rule(rule.sigma)
        except UnsupportedRuleError:
            continue  # it is quarantined


def _batches(intake: Intake, messages: Iterator[Message], events_max: int) -> Iterator[Batch]:
    now, events = SystemClock().now(), 0
    records = (Record("profile", 0, n, now, message) for n, message in enumerate(messages))
    for portion in portions(records):
        for batch in intake(portion):
            if events < events_max:
                left = events_max - events
                yield batch.with_events(batch.events[:left])
            events += batch.events.height
        if events >= events_max:
            return
