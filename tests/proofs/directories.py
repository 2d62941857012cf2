"""Proof: no hostile name changes an account of a real directory but the one that it spells.

OpenLDAP holds ordinary accounts, a managed service, and two that must never be touched. Every
value is given to the action as it is, with a domain before it, and with a realm behind it; and, past
the checks of the action, to the directory itself as an assertion.
"""

from dataclasses import dataclass, field
from pathlib import Path

import trustme

from luytre.core.config_playbooks import NeverTouchConfig
from playbooks.actions.action import ActionFailedError
from playbooks.actions.ldap import Directory as LdapClient
from tests.playbooks.directory import ACCOUNTS, PROTECTED, Directory, serve
from tests.playbooks.doing import ORDER, actions, settings
from tests.playbooks.hostile import values

SPELLINGS = ("{}", "TINH\\{}", "{}@tinh.test", "OTHER\\{}")


@dataclass
class Outcome:
    """What came of it."""

    values: int = 0
    calls: int = 0
    refused: int = 0
    disabled: int = 0
    asked: int = 0
    found: int = 0
    problems: list[str] = field(default_factory=list)


def prove(folder: Path, count: int, seed: int) -> Outcome:
    """Try ``count`` values in all spellings."""
    folder.mkdir(parents=True, exist_ok=True)
    outcome = Outcome()
    with serve(trustme.CA(), folder) as directory:
        config = directory.settings(domains=("TINH", "tinh.test"))
        doing = actions(
            settings(directories=(config,), never_touch=NeverTouchConfig(accounts=PROTECTED))
        )
        with LdapClient(config) as client:
            for value in [*values(count, seed), *PROTECTED]:
                outcome.values += 1
                _ask(client, value, outcome)
                for spelling in SPELLINGS:
                    account = spelling.format(value)
                    given = {"account": account, "directory": "ad"}
                    outcome.calls += 1
                    try:
                        doing.perform("disable-account", given, ORDER)
                    except ActionFailedError:
                        outcome.refused += 1
                    else:
                        outcome.disabled += 1
                        outcome.problems.append(f"{account!r} disabled somebody")
        outcome.problems += _changed(directory)
    return outcome


def _ask(client: LdapClient, value: str, outcome: Outcome) -> None:
    """Ask the directory itself: a value finds at most who is named so, letters' case aside."""
    outcome.asked += 1
    try:
        found = client.find("sAMAccountName", value, ["sAMAccountName"])
    except ActionFailedError:
        return  # what cannot be written down, as half a character
    outcome.found += len(found)
    if len(found) > 1 or (found and not value.strip()):
        outcome.problems.append(f"{value[:60]!r} found {[entry.name for entry in found]}")


def _changed(directory: Directory) -> list[str]:
    flags = {name: directory.attribute(name, "userAccountControl") for name in ACCOUNTS}
    return [f"{name} became {value}" for name, value in flags.items() if value != ["512"]]
