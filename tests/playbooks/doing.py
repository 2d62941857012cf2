"""Actions set up for a test."""

from typing import Any

from luytre.core.clock import ManualClock
from luytre.core.config_playbooks import PlaybooksConfig
from playbooks.actions import Actions, Services
from playbooks.actions.action import Order

ORDER = Order("key-1", "tinh", "incident-1", "lan")
HERE = ("127.0.0.0/8",)


def resolve(_host: str, _port: int) -> list[str]:
    return ["127.0.0.1"]


def actions(settings: PlaybooksConfig, **services: Any) -> Actions:
    return Actions(settings, Services(ManualClock(), resolve=resolve, **services))


def settings(**parts: Any) -> PlaybooksConfig:
    return PlaybooksConfig.model_validate(parts)
