"""Who acts: a user with roles and organisations, and what roles may do.

Every call of the service layer takes an actor and asks it; commands, console and API only pass it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

from luytre.core.errors import Forbidden
from luytre.core.organization import Scope

if TYPE_CHECKING:
    from collections.abc import Mapping

Role = Literal["analyst", "rule_admin", "auditor", "admin", "service"]
"""``service`` is for our own loops: no person has it."""
ROLES: tuple[Role, ...] = get_args(Role)

Permission = Literal[
    "read",  # alerts, incidents, archive, playbook runs
    "triage",  # decide about incidents and alerts
    "content.propose",  # draft rules, filters, indicators
    "content.approve",  # approve and activate what another person drafted
    "playbook.run",
    "playbook.approve",  # say yes to a step that waits for a person
    "audit.read",
    "audit.anchor",
    "retention",  # legal hold, erasure
    "expire",  # delete what is older than the retention
    "people",  # users and their roles
    "operate",  # the installation itself: keys, anchors' places
]
PERMISSIONS: tuple[Permission, ...] = get_args(Permission)

GRANTS: Mapping[Role, frozenset[Permission]] = {
    "analyst": frozenset({
        "read", "triage", "content.propose", "playbook.run", "playbook.approve",
    }),
    "rule_admin": frozenset({"read", "content.propose", "content.approve"}),
    "auditor": frozenset({"read", "audit.read", "audit.anchor"}),
    "admin": frozenset({
        "read", "audit.read", "audit.anchor", "retention", "people", "operate",
    }),
    "service": frozenset({"read", "triage", "playbook.run", "audit.anchor", "expire"}),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Actor:
    """A person or a loop of ours. ``via`` says how it was authenticated, ``address`` from where."""

    user: str
    roles: frozenset[Role]
    scope: Scope
    via: str
    address: str = ""

    @classmethod
    def loop(cls, name: str) -> Actor:
        """Return the actor of one of our own loops: it serves every organisation."""
        return cls(f"luytre:{name}", frozenset({"service"}), Scope.everything(), via="loop")

    def may(self, permission: Permission) -> bool:
        """Tell whether one of the roles grants it."""
        return any(permission in GRANTS[role] for role in self.roles)

    def require(self, permission: Permission, organization: str | None = None) -> None:
        """Raise ``Forbidden`` unless the actor may, in that organisation if one is given."""
        if not self.may(permission):
            roles = ", ".join(sorted(self.roles)) or "no role"
            granting = ", ".join(role for role in ROLES if permission in GRANTS[role])
            raise Forbidden(
                f"{self.user} ({roles}) may not do this: it needs {permission},"
                f" which {granting} has"
            )
        if organization is not None and not self.scope.allows(organization):
            whose = f"organisation {organization}" if organization else "the whole installation"
            raise Forbidden(f"{self.user} may not act for {whose}")

    @property
    def organization(self) -> str:
        """One that the actor may act for: of what belongs to a person, not to an office."""
        names = self.scope.organizations
        return "" if names is None else min(names, default="")

    def within(self, organizations: Scope) -> Scope:
        """Return which of the asked organisations this actor may see."""
        return self.scope.intersect(organizations)

    def narrowed(self, organizations: Scope) -> Actor:
        """Return the same actor, seeing no more than these organisations."""
        return replace(self, scope=self.within(organizations))
