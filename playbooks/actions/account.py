"""`disable-account` and `enable-account`: in Active Directory or another LDAP directory."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from playbooks.actions.action import (
    Action,
    ActionFailedError,
    Effect,
    Order,
    Outcome,
    Plan,
    Touch,
)
from playbooks.actions.kinds import Account, Arguments, Word
from playbooks.actions.ldap import Directory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from luytre.core.config_playbooks import DirectoryConfig

ACCOUNT_DISABLED = 0x2
"""ADS_UF_ACCOUNTDISABLE of ``userAccountControl``."""


class AccountArguments(Arguments):
    """Which account, in which directory."""

    account: Account
    directory: Word


class Accounts:
    """Switches accounts off and on; what is so already stays so."""

    def __init__(self, settings: Sequence[DirectoryConfig]) -> None:
        self._directories = {each.name: each for each in settings}

    def directory(self, name: str) -> DirectoryConfig:
        """Return a directory by its name; raises ``ActionFailedError``."""
        if name not in self._directories:
            raise ActionFailedError(f"no directory is named {name} (playbooks.directories)")
        return self._directories[name]

    def switch(self, given: AccountArguments, *, off: bool) -> None:
        """Disable or enable an account."""
        settings = self.directory(given.directory)
        attribute = settings.attribute
        if settings.kind == "active-directory":
            attribute = "userAccountControl"
        with Directory(settings) as directory:
            name, before = directory.find(given.account, attribute)
            if settings.kind == "active-directory":
                after = [_flags(before, off=off)]
            else:
                after = [settings.disabled_value] if off else []
            if after != before:
                directory.replace(name, attribute, after)


def _flags(before: list[str], *, off: bool) -> str:
    if len(before) != 1 or not before[0].lstrip("-").isdigit():
        raise ActionFailedError("the account has no userAccountControl")
    flags = int(before[0])
    return str(flags | ACCOUNT_DISABLED if off else flags & ~ACCOUNT_DISABLED)


class DisableAccount(Action[AccountArguments]):
    """Disables one account: two people must agree."""

    name = "disable-account"
    arguments = AccountArguments
    effect: ClassVar[Effect] = "changes"
    repeats = True
    approvals = 2
    undo = "enable-account"

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    def plan(self, given: AccountArguments) -> Plan:
        self._accounts.directory(given.directory)
        return Plan(
            f"disable the account {given.account} of {given.directory}",
            f"khóa tài khoản {given.account} của {given.directory}",
            (Touch("account", given.account),),
        )

    def run(self, given: AccountArguments, order: Order) -> Outcome:
        del order
        self._accounts.switch(given, off=True)
        return Outcome(f"{given.account} is disabled")


class EnableAccount(Action[AccountArguments]):
    """Enables one account again."""

    name = "enable-account"
    arguments = AccountArguments
    effect: ClassVar[Effect] = "changes"
    repeats = True
    approvals = 1
    undo = "disable-account"

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    def plan(self, given: AccountArguments) -> Plan:
        self._accounts.directory(given.directory)
        where = f"{given.account} of {given.directory}"
        vi = f"mở lại tài khoản {given.account} của {given.directory}"
        return Plan(f"enable the account {where}", vi)

    def run(self, given: AccountArguments, order: Order) -> Outcome:
        del order
        self._accounts.switch(given, off=False)
        return Outcome(f"{given.account} is enabled")
