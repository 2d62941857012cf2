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
