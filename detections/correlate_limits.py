"""What memory may hold of correlations, and what was let go because of it."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class CorrelationLimits:
    """What memory may hold: groups, matches of all, matches of one group.

    Above ``matches_of_group_max`` the older half is folded, and the alerts say so; above the
    others the groups that were quiet for longest are forgotten, after their alerts were sent.
    """

    groups_max: int = 200_000
    matches_max: int = 500_000
    matches_of_group_max: int = 20_000


@dataclass(slots=True)
class Counts:
    """What was refused or forgotten: late matches, unknown rules, groups, halves of groups."""

    late: int = 0
    unknown: int = 0
    forgotten: int = 0
    folded: int = 0

    def taken(self) -> dict[str, int]:
        """Return what there is, by name, and begin anew."""
        found = {field.name: int(getattr(self, field.name)) for field in fields(self)}
        for name in found:
            setattr(self, name, 0)
        return {name: count for name, count in found.items() if count}
