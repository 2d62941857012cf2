"""Which store of alerts a configuration means, opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from luytre.processor.places import Places
from luytre.store.alerts import SqliteAlertStore
from luytre.store.elastic import ElasticAlertStore, no_dead_letters

if TYPE_CHECKING:
    from luytre.core.alert import AlertStore, DeadLetters
    from luytre.core.config import Config


def open_alert_store(config: Config, dead_letters: DeadLetters = no_dead_letters) -> AlertStore:
    """Return the alert store. What it will never take goes to ``dead_letters``."""
    if config.alerts.elastic.urls:
        return ElasticAlertStore(config.alerts.elastic, dead_letters)
    return SqliteAlertStore(Places(config.data_dir).alerts)
