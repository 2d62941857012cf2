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
from playbooks.actions.ldap import Directory, Found

if TYPE_CHECKING:
    from collections.abc import Sequence

    from luytre.core.config_playbooks import DirectoryConfig
    from playbooks.actions.never import NeverTouch

ACCOUNT_DISABLED = 0x2
"""ADS_UF_ACCOUNTDISABLE of ``userAccountControl``."""


NAMES = ("sAMAccountName", "userPrincipalName", "uid", "mail")
"""The names that an account may have in a directory."""


class AccountArguments(Arguments):
    """Which account, in which directory."""

    account: Account
    directory: Word


class Accounts:
    """Switches accounts off and on; what is so already stays so."""

    def __init__(self, settings: Sequence[DirectoryConfig], never: NeverTouch) -> None:
        self._directories = {each.name: each for each in settings}
        self._never = never

    def directory(self, name: str) -> DirectoryConfig:
        """Return a directory by its name; raises ``ActionFailedError``."""
        if name not in self._directories:
            raise ActionFailedError(f"no directory is named {name} (playbooks.directories)")
        return self._directories[name]

    def check(self, given: AccountArguments) -> None:
        """Raise ``ActionFailedError`` if the directory is unknown, or the account not of it."""
        _spellings(self.directory(given.directory), given.account)

    def switch(self, given: AccountArguments, *, off: bool) -> None:
        """Disable or enable an account."""
        settings = self.directory(given.directory)
        attribute = settings.attribute
        if settings.kind == "active-directory":
            attribute = "userAccountControl"
        wanted = _spellings(settings, given.account)
        with Directory(settings) as directory:
            found = _find(directory, settings, wanted, attribute)
            # The entry may be known by a name that nobody would recognise in the step.
            for name in (value for each in NAMES for value in found.values.get(each.lower(), ())):
                self._never.refuse("account", name)
            before = found.values.get(attribute.lower(), [])
            if settings.kind == "active-directory":
                after = [_flags(before, off=off)]
            else:
                after = [settings.disabled_value] if off else []
            if after != before:
                directory.replace(found.name, attribute, after)


def _spellings(settings: DirectoryConfig, account: str) -> list[tuple[str, str]]:
    r"""Return where to look an account up: attribute and value, in the order of trust.

    ``DOMAIN\name`` only means something in its own domain: a namesake of another must not be hit.
    ``name@realm`` is first a user principal name, then a name of that domain, as Windows has it
    (MS-ADTS 5.1.1.1.1). Raises ``ActionFailedError``.
    """
    ours = {each.casefold() for each in settings.domains}
    plain, by_mail = settings.account_attribute, settings.account_attribute
    domain, _, name = account.rpartition("\\")
    if domain:
        if domain.casefold() not in ours:
            raise ActionFailedError(
                f"{account} is of the domain {domain}, which {settings.name} is not named"
                " (playbooks.directories.domains)"
            )
        return [(plain, name)]
    name, _, realm = account.partition("@")
    if not realm:
        return [(plain, account)]
    if settings.kind == "active-directory":
        by_mail = "userPrincipalName"
    return [(by_mail, account), *([(plain, name)] if realm.casefold() in ours else [])]


def _find(
    directory: Directory, settings: DirectoryConfig, wanted: list[tuple[str, str]], attribute: str
) -> Found:
    """Return the account that the first fitting spelling names; raises ``ActionFailedError``."""
    for place, value in wanted:
        found = directory.find(place, value, [attribute, *NAMES])
        if len(found) > 1:
            raise ActionFailedError(f"more than one account of {settings.name} is named {value}")
        if found:
            return found[0]
    raise ActionFailedError(f"no account of {settings.name} is named {wanted[0][1]}")


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
        self._accounts.check(given)
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
        self._accounts.check(given)
        where = f"{given.account} of {given.directory}"
        vi = f"mở lại tài khoản {given.account} của {given.directory}"
        return Plan(f"enable the account {where}", vi)

    def run(self, given: AccountArguments, order: Order) -> Outcome:
        del order
        self._accounts.switch(given, off=False)
        return Outcome(f"{given.account} is enabled")
