"""Who gives a command: the user of this machine, with the roles that the configuration gives."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING

from luytre.core.actor import ROLES, Actor, Role
from luytre.core.organization import Scope

if TYPE_CHECKING:
    from luytre.core.config import Config


def person(config: Config) -> Actor:
    """Return the actor of this process.

    The name is the kernel's; under sudo it is the one that sudo reports, which only root could
    forge, and root can do anything here. While no ``people`` are configured, whoever can open the
    data folder has every role.
    """
    user, via = _user()
    if not config.people:
        everything: frozenset[Role] = frozenset(set(ROLES) - {"service"})
        return Actor(user, everything, Scope.everything(), via)
    for known in config.people:
        if known.user == user:
            organizations = known.organizations
            scope = Scope.only(*organizations) if organizations else Scope.everything()
            return Actor(user, frozenset(set(known.roles) - {"service"}), scope, via)
    return Actor(user, frozenset(), Scope.only(), via)


def _user() -> tuple[str, str]:
    behind = os.environ.get("SUDO_USER", "")
    if os.getuid() == 0 and behind:
        return behind, "command line, sudo"
    try:
        return pwd.getpwuid(os.getuid()).pw_name, "command line"
    except KeyError:
        return f"uid {os.getuid()}", "command line"
