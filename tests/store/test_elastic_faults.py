"""Each fault of Elasticsearch, answered over HTTP: nothing lost, nothing doubled, little repeated."""

import random
import ssl
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import trustme

from luytre.core.alert import Alert
from luytre.core.clock import ManualClock
from luytre.core.config_alerts import ElasticConfig
from luytre.core.errors import ConfigurationError, NeighbourError
from luytre.store.elastic import ElasticAlertStore
from tests.contracts.alert_store import alert
from tests.services.broken_elastic import (
    BrokenElastic,
    Fault,
    all_answer,
    broken_elastic,
    half_a_body,
    half_the_items,
    hang_up,
    items_answer,
    larger_than,
    request_answer,
    too_late,
)
from tests.services.process import free_ports

ALERTS = [alert(str(number)) for number in range(100)]
IDS = {one.id for one in ALERTS}
FULL_DISK = (429, "cluster_block_exception")
FULL_DISK_OF_OLD = (403, "cluster_block_exception")
BUSY = (429, "es_rejected_execution_exception")
BAD = (400, "document_parsing_exception")


@pytest.fixture
def server() -> Iterator[BrokenElastic]:
    with broken_elastic() as server:
        yield server


class House:
    """A store before a broken server, and what it gave up."""

    def __init__(self, *urls: str) -> None:
        self.refused: list[tuple[Alert, str]] = []
        self.clock = ManualClock()
        config = ElasticConfig(urls=urls, request_timeout_s=0.5)
        self.store = ElasticAlertStore(config, self.refused.extend, self.clock)


@pytest.mark.parametrize(
    ("script", "repeated_max"),
    [
        pytest.param([items_answer({3: BUSY, 50: BUSY})], 2, id="two documents: busy"),
        pytest.param([items_answer({3: (503, "unavailable_shards_exception")})], 1, id="no shard"),
        pytest.param([all_answer(*BUSY)] * 3, 300, id="every document: busy"),
        pytest.param([all_answer(*FULL_DISK)] * 4, 103, id="disk full: one at a time is offered"),
        pytest.param([all_answer(*FULL_DISK_OF_OLD)] * 4, 103, id="disk full, as older ones say it"),
        pytest.param([all_answer(403, "security_exception")] * 4, 103, id="a right is missing"),
        pytest.param([all_answer(400, "index_closed_exception")] * 2, 101, id="index closed"),
        pytest.param([all_answer(400, "validation_exception")] * 2, 101, id="too many shards"),
        pytest.param([half_a_body], 0, id="half a body"),
        pytest.param([half_the_items], 0, id="half of the items"),
        pytest.param([too_late], 0, id="time out after commit"),
        pytest.param([hang_up, too_late, half_a_body], 100, id="one fault after the other"),
        pytest.param([hang_up], 100, id="connection lost"),
        pytest.param([request_answer(502)], 100, id="a proxy without a server"),
        pytest.param([request_answer(503, b"")], 100, id="shutting down"),
        pytest.param([request_answer(429, b"")], 100, id="circuit breaker"),
        pytest.param([request_answer(401, b"")], 100, id="not authorised"),
        pytest.param([request_answer(200)], 100, id="a page of HTML"),
        pytest.param([request_answer(200, b'{"took": 3}')], 100, id="an answer of another kind"),
        pytest.param([larger_than(30_000)] * 9, 300, id="a proxy with a limit"),
    ],
)  # fmt: skip
def test_a_fault_loses_and_doubles_nothing(
    server: BrokenElastic, script: list[Fault], repeated_max: int
) -> None:
    house = House(server.url)
    server.script = list(script)

    house.store.add(ALERTS)

    assert server.kept.keys() == IDS
    assert not house.refused
    assert sum(server.sent.values()) - len(IDS) <= repeated_max
    assert house.store.add(ALERTS) == 0


def test_only_what_was_busy_is_sent_again(server: BrokenElastic) -> None:
    house = House(server.url)
    server.script = [items_answer({3: BUSY, 50: BUSY})]

    assert house.store.add(ALERTS) == 100
    assert server.requests == [100, 2]
    assert {id_ for id_, count in server.sent.items() if count > 1} == {ALERTS[3].id, ALERTS[50].id}


def test_while_nothing_is_taken_one_document_is_offered(server: BrokenElastic) -> None:
    house = House(server.url)
    server.script = [all_answer(*FULL_DISK)] * 3

    assert house.store.add(ALERTS) == 100
    assert server.requests == [100, 1, 1, 1, 2, 4, 8, 16, 32, 37]


@pytest.mark.parametrize("answer", [BAD, (413, "content_too_long_exception")])
def test_what_is_refused_is_a_dead_letter_with_its_reason(
    server: BrokenElastic, answer: tuple[int, str]
) -> None:
    house = House(server.url)
    server.script = [items_answer({7: answer, 8: BUSY})]

    assert house.store.add(ALERTS) == 99
    assert server.kept.keys() == IDS - {ALERTS[7].id}
    assert house.refused == [(ALERTS[7], f"{answer[0]} {answer[1]}: because {answer[1]}")]


def test_one_document_that_is_too_large_is_found_and_refused(server: BrokenElastic) -> None:
    house = House(server.url)
    large = alert("large", original=random.Random(1).randbytes(60_000))
    server.script = [larger_than(40_000)] * 40

    assert house.store.add([*ALERTS[:50], large, *ALERTS[50:]]) == 100
    assert server.kept.keys() == IDS
    assert [one for one, _ in house.refused] == [large]


def test_what_is_kept_is_not_sent_again_by_the_next_add(server: BrokenElastic) -> None:
    house = House(server.url)
    server.script = [items_answer(dict.fromkeys(range(40, 100), FULL_DISK))]
    server.script += [all_answer(*FULL_DISK)] * 100

    with pytest.raises(NeighbourError, match="429 cluster_block_exception"):
        house.store.add(ALERTS)
    offered = len(server.requests)
    server.script = []

    assert house.store.add(ALERTS) == 100
    assert server.kept.keys() == IDS
    assert sum(server.requests[offered:]) == 60
    assert all(server.sent[one.id] == 1 for one in ALERTS[:40])


def test_dead_letters_that_cannot_be_kept_are_offered_again(server: BrokenElastic) -> None:
    house = House(server.url)
    kept: list[Alert] = []
    full = [True]

    def dead_letters(refused: Sequence[tuple[Alert, str]]) -> None:
        if full:
            full.pop()
            raise NeighbourError("disk full")
        kept.extend(one for one, _ in refused)

    house.store._dead_letters = dead_letters
    server.script = [items_answer({7: BAD})]

    with pytest.raises(NeighbourError, match="disk full"):
        house.store.add(ALERTS)
    assert house.store.add(ALERTS) == 99
    assert kept == [ALERTS[7]]
    assert server.requests == [100]


def test_what_is_no_elasticsearch_is_given_nothing(server: BrokenElastic) -> None:
    house = House(server.url)
    server.product = "Another"

    with pytest.raises(NeighbourError, match="not Elasticsearch"):
        house.store.add(ALERTS)
    assert not server.kept


def test_a_dead_node_is_passed_over(server: BrokenElastic) -> None:
    house = House(f"http://127.0.0.1:{free_ports(1)[0]}", server.url)

    assert house.store.add(ALERTS[:50]) + house.store.add(ALERTS[50:]) == 100
    assert server.kept.keys() == IDS


def test_a_cluster_that_is_away_is_an_error_that_says_so() -> None:
    house = House(f"http://127.0.0.1:{free_ports(1)[0]}")

    with pytest.raises(NeighbourError, match=r"Elasticsearch.*refused"):
        house.store.add(ALERTS)


class TestSecrets:
    @pytest.fixture
    def authority(self) -> trustme.CA:
        return trustme.CA()

    @pytest.fixture
    def secure(self, authority: trustme.CA) -> Iterator[BrokenElastic]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        with broken_elastic(context) as server:
            yield server

    def test_a_key_goes_to_a_node_whose_certificate_is_signed(
        self, secure: BrokenElastic, authority: trustme.CA, tmp_path: Path
    ) -> None:
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        (tmp_path / "key").write_text("c2VjcmV0\n")
        config = ElasticConfig(
            urls=(secure.url,), ca_file=tmp_path / "ca.pem", api_key_file=tmp_path / "key"
        )

        assert ElasticAlertStore(config).add(ALERTS) == 100
        assert secure.headers[0]["authorization"] == "ApiKey c2VjcmV0"

    def test_nothing_goes_to_a_node_that_another_has_signed(
        self, secure: BrokenElastic, tmp_path: Path
    ) -> None:
        trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
        config = ElasticConfig(urls=(secure.url,), ca_file=tmp_path / "ca.pem")

        with pytest.raises(NeighbourError, match="certificate verify failed"):
            ElasticAlertStore(config).add(ALERTS)
        assert not secure.headers
        assert not secure.kept

    def test_a_node_may_ask_who_we_are(self, authority: trustme.CA, tmp_path: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
        ours = authority.issue_cert("luytre.example")
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        ours.private_key_pem.write_to_path(tmp_path / "our.key")
        ours.cert_chain_pems[0].write_to_path(tmp_path / "our.pem")
        with broken_elastic(context) as server:
            config = ElasticConfig(
                urls=(server.url,),
                ca_file=tmp_path / "ca.pem",
                certificate_file=tmp_path / "our.pem",
                key_file=tmp_path / "our.key",
            )

            assert ElasticAlertStore(config).add(ALERTS) == 100

    @pytest.mark.parametrize("content", [b"", b"two\nlines", b"\xff", "khoá".encode()])
    def test_a_secret_that_is_none_stops_the_start(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "key").write_bytes(content)
        config = ElasticConfig(urls=("http://127.0.0.1:1",), api_key_file=tmp_path / "key")

        with pytest.raises(ConfigurationError, match="key:1"):
            ElasticAlertStore(config)

    @pytest.mark.parametrize("name", ["ca_file", "api_key_file"])
    def test_a_file_that_is_missing_stops_the_start(self, tmp_path: Path, name: str) -> None:
        config = ElasticConfig.model_validate(
            {"urls": ["https://127.0.0.1:1"], name: tmp_path / "none"}
        )

        with pytest.raises(ConfigurationError, match="none:1"):
            ElasticAlertStore(config)

    @pytest.mark.parametrize(
        ("settings", "fault"),
        [
            ({"urls": ["es:9200"]}, "http"),
            ({"urls": ["https://user:secret@es:9200"]}, "without a user"),
            ({"urls": ["http://es.example:9200"], "api_key_file": "k"}, "in clear"),
            ({"username": "u"}, "belong together"),
            ({"username": "u", "password_file": "p", "api_key_file": "k"}, "exclude"),
            ({"certificate_file": "c"}, "belong together"),
            ({"name": "Alerts*"}, "pattern"),
        ],
    )  # fmt: skip
    def test_settings_that_cannot_be_meant_are_refused(
        self, settings: dict[str, object], fault: str
    ) -> None:
        with pytest.raises(ValueError, match=fault):
            ElasticConfig.model_validate(settings)
