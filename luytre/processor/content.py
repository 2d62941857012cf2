"""Rules as content: loaded to run, checked, tried on their examples, explained, installed."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import enrich
from detections.correlation_matches import matches_of, needed_columns
from detections.correlation_resolve import muted
from detections.evidence import Finding, check_evidence, load_examples
from detections.explain import Explanation, explain, explain_tree
from detections.filters import LoadedFilter
from detections.install import Installed, install
from detections.load import LoadedRule, RuleSet, load_rules
from detections.mappings import read_adaptation
from detections.match import Engine
from detections.parse import parse_rule
from detections.plan import Plan, build_plan
from detections.plan_cache import load_or_build
from ingest.intake import Intake
from ingest.shippers.files import read_file
from ingest.shippers.stamp import Stamp
from luytre.core.clock import SystemClock
from luytre.core.errors import Fault, Refused
from luytre.core.message import Record
from luytre.processor.places import Places
from luytre.processor.source import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from detections.evidence import Example
    from detections.mappings import Adaptation
    from detections.plan_cache import Loaded
    from detections.program import Hit
    from luytre.core.batch import Batch, Needed, Part, Stage
    from luytre.core.config import Config, RulesConfig
    from luytre.core.matches import Match
    from luytre.core.message import Message


@dataclass(frozen=True, slots=True)
class Content:
    """The rules that run, what was refused with its reason, and the digest of what runs."""

    engine: Engine
    correlations: PlannedCorrelations
    faults: tuple[Fault, ...]
    rules: int
    version: str

    @property
    def quarantined(self) -> int:
        """How many files hold a rule that does not run; one may have several faults."""
        return len({fault.path for fault in self.faults})


class PlannedCorrelations:
    """The correlation rules of a plan, and what they want of a batch's hits."""

    def __init__(self, plan: Plan) -> None:
        self.rules = plan.correlations
        self._plan = plan
        quiet = muted(plan.correlations)
        self._muted = {n for n, rule in enumerate(plan.rules) if rule.card.id in quiet}

    def matches(self, batch: Batch, hits: Sequence[Hit]) -> Sequence[Match]:
        """Return what the correlate loop is to hear of these hits."""
        return matches_of(self.rules, batch, hits, self._plan) if self.rules else ()

    def alerting(self, hits: Sequence[Hit]) -> Sequence[Hit]:
        """Return the hits of rules that make alerts of their own (Sigma's ``generate``)."""
        return [hit for hit in hits if hit[1] not in self._muted] if self._muted else hits

    def needed(self, part: Part) -> frozenset[str]:
        """Return the columns that correlations read besides those of the rules."""
        return needed_columns(self.rules, part)


@dataclass(frozen=True, slots=True)
class Explained:
    """A rule on one event: the verdict, every atom with the value it met, and who hides it."""

    rule: LoadedRule
    explanation: Explanation
    hidden_by: tuple[LoadedFilter, ...] = ()


def content(
    config: Config,
    *,
    extra: Sequence[Path] = (),
    builtin: bool = True,
    versions: Callable[[], Mapping[str, str]] = dict,
) -> Content:
    """Load, plan, and quarantine; ``versions`` are what alerts say they were judged with.

    Raises:
        Refused: a path of ``extra`` does not exist, or no valid rule is left.
    """
    exist(extra)
    rules = settings(config)
    added = {"paths": (*rules.paths, *extra), "builtin": builtin and rules.builtin}
    return wired(plan_rules(config, rules.model_copy(update=added)), versions)


def plan_rules(config: Config, rules: RulesConfig) -> Loaded:
    """Return the plan of all rules that ``rules`` names, from the cache if it is there.

    Raises:
        Refused: no valid rule is left.
        ConfigurationError: placeholders or mappings cannot be read.
    """
    loaded = load_or_build(
        rules.paths,
        folder=plans_folder(config),
        builtin=rules.builtin,
        disabled=rules.disabled,
        levels=rules.levels,
        adaptation=adaptation_of(rules),
        overrides=rules.overrides,
    )
    if not loaded.plan.rules:
        reasons = "\n".join(str(fault) for fault in loaded.faults[:20])
        raise Refused(f"no valid rule is left: see `luytre rules check`\n{reasons}")
    return loaded


def wired(loaded: Loaded, versions: Callable[[], Mapping[str, str]] = dict) -> Content:
    """Return a plan as what runs."""
    engine = Engine(loaded.plan, SystemClock(), versions)
    correlations = PlannedCorrelations(loaded.plan)
    count = len(loaded.plan.rules) + len(loaded.plan.correlations)
    return Content(engine, correlations, loaded.faults, count, loaded.plan.digest)


def check(config: Config, given: Sequence[Path]) -> RuleSet:
    """Return the rules and every fault of the given paths, or of all that is configured."""
    exist(given)
    rules = settings(config)
    loaded = load_rules(
        given or rules.paths,
        builtin=rules.builtin and not given,
        adaptation=adaptation_of(rules),
        overrides=() if given else rules.overrides,
    )
    _, faults = build_plan(loaded.rules, loaded.filters)
    return replace(loaded, faults=(*loaded.faults, *faults))


def running(config: Config, given: Sequence[Path]) -> tuple[LoadedRule, ...]:
    """Return the good rules that the configuration does not switch off."""
    disabled, levels = config.rules.disabled, config.rules.levels
    return tuple(
        rule
        for rule in check(config, given).rules
        if rule.card.id not in disabled and (not levels or rule.card.level in levels)
    )


def install_rules(config: Config, source: Path) -> Installed:
    """Install a rule set below the data folder, where every loop finds it."""
    return install(source, Places(config.data_dir).rules, clock=SystemClock())


def run_examples(
    config: Config, given: Sequence[Path], stages: Sequence[Stage] = ()
) -> tuple[list[Finding], int]:
    """Run every rule's examples through the decoders; return what is wrong, and how many ran."""
    checked = check(config, given)
    rules = checked.rules
    plan, _ = build_plan(rules)
    engine = Engine(plan, SystemClock())
    decode = example_decoder(engine.needed, stages)
    count = sum(len(load_examples(rule)[0]) for rule in rules)
    unread = [Finding(fault.path, fault.line, "", fault.problem) for fault in checked.faults]
    return [*unread, *check_evidence(rules, decode, engine)], count


def example_decoder(
    needed: Needed, stages: Sequence[Stage] = ()
) -> Callable[[Example], list[Batch]]:
    """Return what turns an example's raw line into batches, as if it had been shipped."""
    intake = Intake(needed)

    def decode(example: Example) -> list[Batch]:
        raw = example.raw
        stamp = Stamp(
            "example/0",
            "example",
            example.organization or "example",
            example.hint,
            example.path,
            example.host,
        )
        batches = _decoded(intake, [stamp.one(raw, 0, "seq")])
        for stage in stages:
            batches = [stage(batch) for batch in batches]
        return batches

    return decode


def explain_event(
    config: Config, wanted: str, event: Path, hint: str, number: int = 1
) -> Explained:
    """Explain a rule, by id or file, on the ``number``th event of a file to which it applies."""
    if not event.exists():
        raise Refused(f"{event} does not exist")
    rule, filters = _find(config, wanted)
    plan, _ = build_plan([rule], filters)
    needed = Engine(plan, SystemClock()).needed
    messages = read_file(
        event, config.ship, organization=config.organization, hint=hint, shipper="explain"
    )
    folder = Places(config.data_dir).enrichment / "explain"
    enrichment = enrich.build(config.enrich, folder, SystemClock())
    intake = Intake(lambda part: needed(part) | enrichment.needed)
    for message in messages:
        for batch in _decoded(intake, [message]):
            applies = any(rule.logsource.covers(source) for source in batch.part.logsources)
            if applies and number <= batch.events.height:
                return _explained(rule, filters, enrichment(batch), number - 1)
            number -= batch.events.height if applies else 0
    raise Refused(f"{event} holds no event of log source {rule.logsource}, or not so many")


def _explained(
    rule: LoadedRule, filters: Sequence[LoadedFilter], batch: Batch, row: int
) -> Explained:
    hiding = tuple(
        each
        for each in filters
        if any(each.logsource.covers(source) for source in batch.part.logsources)
        and explain_tree(each.id, parse_rule(each.sigma), batch, row).holds
    )
    return Explained(rule, explain(rule, batch, row), hiding)


def _find(config: Config, wanted: str) -> tuple[LoadedRule, list[LoadedFilter]]:
    """Return a rule, and the filters of its set that are about it."""
    path = Path(wanted)
    is_file = path.is_file()
    checked = check(config, [path] if is_file else [])
    if is_file and checked.faults:
        raise Refused("\n".join(map(str, checked.faults)))
    found = [rule for rule in checked.rules if is_file or rule.card.id.startswith(wanted)]
    if len(found) != 1:
        raise Refused(f"{len(found)} rules are named {wanted}: give a whole id or a rule's file")
    return found[0], [each for each in checked.filters if each.covers(found[0].card.id)]


def _decoded(intake: Intake, messages: Sequence[Message]) -> list[Batch]:
    now = SystemClock().now()
    return intake([Record("once", 0, n, now, message) for n, message in enumerate(messages)])


def exist(paths: Sequence[Path]) -> None:
    """Refuse paths that are not there, all of them at once."""
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise Refused("\n".join(f"{path} does not exist" for path in missing))


def plans_folder(config: Config) -> Path:
    """Return where compiled plans are kept."""
    # Whoever scans logs where nothing runs finds no new folder beside them.
    if config.data_dir.exists():
        return Places(config.data_dir).plans
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "luytre" / "plans"


def adaptation_of(rules: RulesConfig) -> Adaptation:
    """Return what the deployment adds to all rules."""
    return read_adaptation(rules.placeholders, rules.mappings, file=rules.placeholders_file)
