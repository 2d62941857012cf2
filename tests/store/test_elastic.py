"""The alert store on a real Elasticsearch: the contract."""

from functools import partial

import pytest

from luytre.core.config_alerts import ElasticConfig
from luytre.store.elastic import ElasticAlertStore
from tests.contracts.alert_episodes import AlertEpisodesContract
from tests.contracts.alert_store import AlertStoreContract, OpenStore


class TestElasticAlertStore(AlertStoreContract, AlertEpisodesContract):
    @pytest.fixture
    def open_store(self, elastic: ElasticConfig) -> OpenStore:
        return partial(ElasticAlertStore, elastic)
