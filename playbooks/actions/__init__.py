"""The closed set of actions, and the one door through which any of them is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from luytre.core.alert import AlertStore
from luytre.core.clock import Clock
from luytre.core.response import Desk, EventCounter, IndicatorBook
from playbooks.actions.account import Accounts, DisableAccount, EnableAccount
from playbooks.actions.action import Action, ActionFailedError, Order, Outcome, Plan
from playbooks.actions.block import BlockAddress, UnblockAddress
from playbooks.actions.command import RunCommand
from playbooks.actions.desk import Assign, Comment, StartClock, StopClock
from playbooks.actions.door import Door, Resolve, system_resolve
from playbooks.actions.fortigate import Fortigate
from playbooks.actions.http import HttpRequest
from playbooks.actions.isolate import IsolateHost, Isolation, ReleaseHost
from playbooks.actions.lookup import LookupIndicator, QueryAlerts, QueryArchive
from playbooks.actions.mail import Mailer, NotifyOrganisation, SendMail
from playbooks.actions.never import NeverTouch
from playbooks.actions.nftables import Nftables
from playbooks.actions.ticket import OpenTicket
from playbooks.actions.wait import Wait
from playbooks.actions.webhook import SendMessage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from luytre.core.config_playbooks import PlaybooksConfig
    from playbooks.actions.kinds import Arguments

ACTIONS: dict[str, type[Action[Any]]] = {
    "assign": Assign,
    "block-address": BlockAddress,
    "comment": Comment,
    "disable-account": DisableAccount,
    "enable-account": EnableAccount,
    "http-request": HttpRequest,
    "isolate-host": IsolateHost,
    "lookup-indicator": LookupIndicator,
    "notify-organisation": NotifyOrganisation,
    "open-ticket": OpenTicket,
    "query-alerts": QueryAlerts,
    "query-archive": QueryArchive,
    "release-host": ReleaseHost,
    "run-command": RunCommand,
    "send-mail": SendMail,
    "send-message": SendMessage,
    "start-clock": StartClock,
    "stop-clock": StopClock,
    "unblock-address": UnblockAddress,
    "wait": Wait,
}


@dataclass(frozen=True, slots=True)
class Services:
    """What actions ask of other rooms; what is missing makes its actions fail, not start."""

    clock: Clock
    alerts: AlertStore | None = None
    archive: EventCounter | None = None
    indicators: IndicatorBook | None = None
    desk: Desk | None = None
    resolve: Resolve = system_resolve


class Actions:
    """Every action of an installation, by its name."""

    def __init__(self, settings: PlaybooksConfig, services: Services) -> None:
        resolve = services.resolve
        mailer = Mailer(settings.mail)
        self._never = NeverTouch(settings.never_touch)
        accounts = Accounts(settings.directories, self._never)
        firewalls = {each.name: Fortigate(each, resolve) for each in settings.fortigates}
        nftables = Nftables(settings.nftables)
        isolation = Isolation(settings.isolation, resolve)
        made: list[Action[Any]] = [
            Assign(services.desk),
            BlockAddress(firewalls, nftables),
            Comment(services.desk),
            DisableAccount(accounts),
            EnableAccount(accounts),
            HttpRequest(Door(settings.http, resolve)),
            IsolateHost(isolation),
            LookupIndicator(services.indicators),
            NotifyOrganisation(mailer, settings.contacts),
            OpenTicket(settings.tickets, resolve),
            QueryAlerts(services.alerts, services.clock),
            QueryArchive(services.archive, services.clock),
            ReleaseHost(isolation),
            RunCommand(settings.commands),
            SendMail(mailer),
            SendMessage(settings.channels, resolve),
            StartClock(services.desk),
            StopClock(services.desk),
            UnblockAddress(firewalls, nftables),
            Wait(),
        ]
        self._actions = {action.name: action for action in made}

    def get(self, name: str) -> Action[Any]:
        """Return an action by its name; raises ``ActionFailedError``."""
        if name not in self._actions:
            raise ActionFailedError(f"no action is named {name[:80]!r}")
        return self._actions[name]

    def plan(self, name: str, raw: Mapping[str, Any]) -> Plan:
        """Say what an action would do; nothing is touched.

        Raises:
            ActionFailedError: the arguments are not what it takes, it is not set up, or it would
                change what must never be touched.
        """
        action = self.get(name)
        plan = action.plan(check(action, raw))
        self._never.check(plan)
        return plan

    def perform(self, name: str, raw: Mapping[str, Any], order: Order) -> Outcome:
        """Do an action: the one door. Everything is checked again, however often it was before.

        Raises:
            ActionFailedError: it was surely not done.
            ActionUnclearError: nobody knows whether it was done.
        """
        action = self.get(name)
        given = check(action, raw)
        self._never.check(action.plan(given))
        return action.run(given, order)


def check(action: Action[Any] | type[Action[Any]], raw: Mapping[str, Any]) -> Arguments:
    """Return typed arguments; raises ``ActionFailedError`` with what is wrong with them."""
    try:
        return action.arguments.model_validate(dict(raw))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        message = first["msg"].removeprefix("Value error, ")
        raise ActionFailedError(f"{action.name}: {place}: {message}") from None
