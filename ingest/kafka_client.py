"""How we reach Kafka: connection settings, TLS and SASL, its errors as ours, its logs in ours."""

from __future__ import annotations

import logging
import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from kafka.errors import KafkaError

from luytre.core.errors import ConfigurationError, Fault, Fenced, NeighbourError
from luytre.core.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from luytre.core.clock import Clock
    from luytre.core.config_kafka import KafkaConfig, KafkaSasl, KafkaTls

RECONNECT_MS_MAX, BOOTSTRAP_MS_MAX = 2_000, 30_000
AGAIN_S = 0.2
METADATA_MS_MAX = 60_000
"""How long new partitions of a topic may stay unseen."""

Answer = TypeVar("Answer")

log = get_logger("kafka")


def connection(settings: KafkaConfig) -> dict[str, Any]:
    """Return what every client of kafka-python is given.

    Raises:
        ConfigurationError: a file that the settings name cannot be used.
    """
    _bring_logs()
    protocol = ("SASL_" if settings.sasl else "") + ("SSL" if settings.tls else "PLAINTEXT")
    found: dict[str, Any] = {
        "bootstrap_servers": list(settings.bootstrap),
        "client_id": "luytre",
        "security_protocol": protocol,
        "bootstrap_timeout_ms": min(BOOTSTRAP_MS_MAX, int(settings.wait_s * 1000)),
        "reconnect_backoff_max_ms": RECONNECT_MS_MAX,
        "metadata_max_age_ms": METADATA_MS_MAX,
    }
    if settings.tls:
        found |= _tls(settings.tls)
    if settings.sasl:
        found |= _sasl(settings.sasl)
    return found


def _tls(tls: KafkaTls) -> dict[str, Any]:
    try:
        context = ssl.create_default_context(cafile=tls.ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.check_hostname = tls.check_hostname
        if tls.certificate:
            context.load_cert_chain(tls.certificate, tls.key)
    except (OSError, ssl.SSLError) as error:
        where = tls.ca or tls.certificate
        assert where is not None
        raise ConfigurationError([Fault(where, 1, f"kafka.tls: {error}")]) from error
    return {"ssl_context": context, "ssl_check_hostname": tls.check_hostname}


def _sasl(sasl: KafkaSasl) -> dict[str, Any]:
    password = sasl.password
    if sasl.password_file:
        try:
            password = sasl.password_file.read_text().partition("\n")[0].strip()
        except (OSError, UnicodeDecodeError) as error:
            fault = Fault(sasl.password_file, 1, f"kafka.sasl.password_file: {error}")
            raise ConfigurationError([fault]) from error
        if not password:
            fault = Fault(
                sasl.password_file, 1, "kafka.sasl.password_file: its first line is empty"
            )
            raise ConfigurationError([fault])
    return {
        "sasl_mechanism": sasl.mechanism,
        "sasl_plain_username": sasl.user,
        "sasl_plain_password": password,
    }


@contextmanager
def kafka_errors(settings: KafkaConfig, doing: str) -> Iterator[None]:
    """Turn what kafka-python raises into ``NeighbourError``, saying what was being done."""
    try:
        yield
    except KafkaError as error:
        raise NeighbourError(
            f"Kafka at {', '.join(settings.bootstrap)}: {doing}: {told(error)}"
        ) from error


def retried(settings: KafkaConfig, clock: Clock, doing: str, ask: Callable[[], Answer]) -> Answer:
    """Return what ``ask`` answers; ask again while Kafka says that it cannot just now.

    A broker that starts, or a group's first use, takes seconds to have a coordinator or a leader.
    Raises ``NeighbourError`` after ``wait_s``, and at once for what waiting does not mend.
    """
    until_s = clock.monotonic_s() + settings.wait_s
    while True:
        try:
            return ask()
        except KafkaError as error:
            if not getattr(error, "retriable", False) or clock.monotonic_s() > until_s:
                where = ", ".join(settings.bootstrap)
                raise NeighbourError(f"Kafka at {where}: {doing}: {told(error)}") from error
            clock.sleep(AGAIN_S)


def told(error: BaseException) -> str:
    """Return an error of kafka-python as a sentence for people."""
    text = str(error).strip() or getattr(error, "description", "") or ""
    text = text.removeprefix(f"{type(error).__name__}: ")
    name = type(error).__name__.removesuffix("Error")
    return f"{name}: {text}" if text and text != name else name


def fenced(topic: str, why: str) -> Fenced:
    """Return the error of a member that lost its partitions."""
    return Fenced(f"{topic}: {why}")


class _Bridge(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        log.warning(record.getMessage(), by=record.name, level_there=record.levelname.lower())


def _bring_logs() -> None:
    """Let what kafka-python has to say, from warnings on, go through our own logs."""
    theirs = logging.getLogger("kafka")
    if not any(isinstance(handler, _Bridge) for handler in theirs.handlers):
        theirs.addHandler(_Bridge(logging.WARNING))
        theirs.setLevel(logging.WARNING)
        theirs.propagate = False
        # It warns of each task of its own that took a tenth of a second.
        logging.getLogger("kafka.net.selector").setLevel(logging.ERROR)
