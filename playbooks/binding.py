"""Which playbooks are for an alert: by its rule, its techniques, its tags, its organisation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playbooks.actions.kinds import is_built_in
from playbooks.variables import misfit

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from luytre.core.alert import Alert
    from playbooks.load import Loaded

RULE, TECHNIQUE, PARENT, TAG, ANY = 5, 4, 3, 2, 1
"""How closely a playbook is bound, loosest last. ``tags: ["*"]`` takes what nobody else takes."""

_ATTACK = "attack."


def fitting(playbooks: Iterable[Loaded], alert: Alert) -> list[Loaded]:
    """Return the playbooks for an alert, the most closely bound first."""
    tags = {tag.lower() for tag in alert.rule.tags}
    ranked = []
    for loaded in playbooks:
        rank = closeness(loaded, alert.rule.id, tags, alert.organization_id)
        if rank and not loaded.playbook.revoked:
            own = bool(loaded.notes.applies.organizations)
            ranked.append((-rank, not own, -loaded.playbook.severity, loaded.playbook.id, loaded))
    ranked.sort(key=lambda each: each[:4])
    return [each[4] for each in ranked]


def closeness(loaded: Loaded, rule: str, tags: Collection[str], organization: str) -> int:
    """Return how closely a playbook is bound to alerts with a rule and tags; 0: not at all.

    A playbook that names organisations is for those only; one that names nothing else is for all
    that happens there.
    """
    applies = loaded.notes.applies
    if applies.organizations and organization not in applies.organizations:
        return 0
    techniques = {tag.removeprefix(_ATTACK) for tag in tags if tag.startswith(_ATTACK + "t")}
    wanted = {technique.lower() for technique in applies.techniques}
    if rule in applies.rules:
        return RULE
    if techniques & wanted:
        return TECHNIQUE
    if {technique.split(".")[0] for technique in techniques} & wanted:
        return PARENT
    if tags & {tag.lower() for tag in applies.tags}:  # type: ignore[operator]
        return TAG
    named = applies.rules or applies.techniques or applies.tags
    return ANY if "*" in applies.tags or (applies.organizations and not named) else 0


def given_by(loaded: Loaded, alert: Alert) -> dict[str, str]:
    """Return the values that an alert's event gives to a playbook's external variables.

    A value that does not fit the variable's type stays out: whoever runs the playbook is asked.
    """
    cells: Mapping[str, str] = {**alert.event, "organization.id": alert.organization_id}
    given = {}
    for name, column in loaded.notes.fill.items():
        value = cells.get(column, "")
        if column == "user.name" and is_built_in(value):
            continue  # Windows itself did it: there is nobody to disable.
        if value and not misfit(loaded.playbook.playbook_variables[name].type, value):
            given[name] = value
    return given
