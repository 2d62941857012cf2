"""A Sigma correlation rule as plain data, fit for a file.

Source: Sigma Correlation Rules Specification 2.1.0.
"""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

from luytre.core.alert import RuleCard

Type = Literal[
    "event_count", "value_count", "temporal", "temporal_ordered", "value_sum", "value_avg",
    "value_percentile", "value_median",
]  # fmt: skip
TYPES: tuple[Type, ...] = get_args(Type)
TEMPORAL: frozenset[Type] = frozenset({"temporal", "temporal_ordered"})
VALUED: frozenset[Type] = frozenset(TYPES) - TEMPORAL - {"event_count"}
Operator = Literal["gt", "gte", "lt", "lte", "eq", "neq"]
OPERATORS: tuple[Operator, ...] = get_args(Operator)


class Present(msgspec.Struct, frozen=True, array_like=True, tag="p"):
    """Holds if the rule at this place of the correlation's list has an event in the window."""

    place: int


class Every(msgspec.Struct, frozen=True, array_like=True, tag="&"):
    """Holds if all parts hold."""

    parts: tuple[Expression, ...]


class Either(msgspec.Struct, frozen=True, array_like=True, tag="|"):
    """Holds if any part holds."""

    parts: tuple[Expression, ...]


class Absent(msgspec.Struct, frozen=True, array_like=True, tag="!"):
    """Holds if its part does not."""

    part: Expression


Expression = Present | Every | Either | Absent


class Bound(msgspec.Struct, frozen=True, array_like=True):
    """One comparison of what is measured in a window."""

    operator: Operator
    limit: float


class Condition(msgspec.Struct, frozen=True, array_like=True):
    """When a window fires: all ``bounds`` hold for what is measured, or ``expression`` does.

    ``text`` is the condition as people read it.
    """

    text: str
    bounds: tuple[Bound, ...] = ()
    fields: tuple[str, ...] = ()
    percentile: float | None = None
    expression: Expression | None = None


ExtensionKind = Literal["first_seen", "rare", "spike", "silence"]


class Extension(msgspec.Struct, frozen=True, array_like=True):
    """What goes beyond Sigma (``docs/reference/extensions.md``); what does not apply is 0."""

    kind: ExtensionKind
    learning_s: int = 0
    baseline_s: int = 0
    factor: float = 0
    at_most: int = 0


class Correlation(msgspec.Struct, frozen=True, array_like=True):
    """A correlation rule; ``rules`` are ids once it is resolved, before that ids or names.

    ``aliases`` maps a name of group-by to the field of each rule that has another for it.
    ``carried`` are fields that correlations above need of its events. ``alerts`` is False if its
    results only serve the correlations above. ``lines`` are the lines of ``rules`` in its file.
    """

    card: RuleCard
    name: str
    type: Type
    rules: tuple[str, ...]
    group_by: tuple[str, ...]
    timespan_s: int
    condition: Condition
    aliases: dict[str, dict[str, str]] = {}
    generate: bool = False
    province_wide: bool = False
    carried: tuple[str, ...] = ()
    alerts: bool = True
    lines: tuple[int, ...] = ()
    extension: Extension | None = None

    def field(self, name: str, rule: str) -> str:
        """Return the field of ``rule``'s events that a name of this correlation means."""
        return self.aliases.get(name, {}).get(rule, name)

    def fields_of(self, rule: str) -> tuple[str, ...]:
        """Return the fields of ``rule``'s events that are read: group-by, condition, carried."""
        names = (*self.group_by, *self.condition.fields, *self.carried)
        return tuple(dict.fromkeys(self.field(name, rule) for name in names))
