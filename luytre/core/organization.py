"""Which organisations a reader may see: a mandatory argument of every read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scope:
    """A set of organisations, or all of them. There is no empty default on purpose."""

    organizations: frozenset[str] | None

    @classmethod
    def everything(cls) -> Scope:
        """Return the scope of the case host's own administrator."""
        return cls(None)

    @classmethod
    def only(cls, *organizations: str) -> Scope:
        """Return the scope of these organisations and no others."""
        return cls(frozenset(organizations))

    def allows(self, organization: str) -> bool:
        """Tell whether the organisation may be seen; "" stands for the whole installation."""
        return self.organizations is None or organization in self.organizations

    def intersect(self, other: Scope) -> Scope:
        """Return what both allow."""
        if self.organizations is None:
            return other
        if other.organizations is None:
            return self
        return Scope(self.organizations & other.organizations)
