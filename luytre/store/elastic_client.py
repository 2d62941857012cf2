"""Connects to Elasticsearch, and turns what can fail there into ``NeighbourError``."""

from __future__ import annotations

import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from elastic_transport import TransportError
from elasticsearch import ApiError, Elasticsearch, UnsupportedProductError

from luytre.core.errors import ConfigurationError, Fault, NeighbourError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from luytre.core.config_alerts import ElasticConfig

CONNECTIONS = 4


def connect(config: ElasticConfig) -> Elasticsearch:
    """Return a client; nothing is sent yet. It repeats nothing by itself: its callers decide that.

    Raises:
        ConfigurationError: with every file of the configuration that cannot be used.
    """
    secrets = _secrets(config)
    options: dict[str, Any] = {}
    if any(url.startswith("https:") for url in config.urls):
        options["ssl_context"] = tls_context(config)
    return Elasticsearch(
        list(config.urls),
        **secrets,
        **options,
        request_timeout=config.request_timeout_s,
        connections_per_node=CONNECTIONS,
        max_retries=0,
        retry_on_timeout=False,
        retry_on_status=(),
        # A node that is back after a restart is asked again at once, not after half a minute.
        dead_node_backoff_factor=0.1,
        max_dead_node_backoff=2.0,
    )


def _secrets(config: ElasticConfig) -> dict[str, Any]:
    if config.api_key_file:
        return {"api_key": _secret(config.api_key_file)}
    if config.password_file:
        return {"basic_auth": (config.username, _secret(config.password_file))}
    return {}


def _secret(path: Path) -> str:
    try:
        secret = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError([Fault(path, 1, f"cannot be read: {error}")]) from None
    if not secret or not secret.isascii() or not secret.isprintable():
        raise ConfigurationError([Fault(path, 1, "must hold one line, the secret")])
    return secret


def tls_context(config: ElasticConfig) -> ssl.SSLContext:
    """Return how certificates are checked, and our own. Raises as ``connect`` does."""
    try:
        context = ssl.create_default_context(cafile=config.ca_file)
    except (OSError, ssl.SSLError) as error:
        assert config.ca_file is not None
        raise ConfigurationError(
            [Fault(config.ca_file, 1, f"is no certificate: {error}")]
        ) from None
    if config.certificate_file and config.key_file:
        try:
            context.load_cert_chain(config.certificate_file, config.key_file)
        except (OSError, ssl.SSLError) as error:
            fault = Fault(config.certificate_file, 1, f"cannot be used with its key: {error}")
            raise ConfigurationError([fault]) from None
    return context


@contextmanager
def named_errors(doing: str) -> Iterator[None]:
    """Turn the client's errors into a ``NeighbourError`` that says what was tried."""
    try:
        yield
    except (ApiError, TransportError) as error:
        raise NeighbourError(f"Elasticsearch, {doing}: {reason_of(error)}") from error


def reason_of(error: ApiError | TransportError) -> str:
    """Return an error's reason in one short line."""
    if isinstance(error, UnsupportedProductError):
        return "what answers is not Elasticsearch"
    if isinstance(error, ApiError):
        return f"{error.status_code} {body_reason(error.body)}"
    return str(error.message)[:300]


def never_arrived(error: TransportError) -> bool:
    """Tell whether a request certainly reached nobody: there was no connection."""
    return "Failed to establish a new connection" in str(error.message)


def body_reason(body: object) -> str:
    """Return type and reason of an error as Elasticsearch writes it, whatever else it may be."""
    error = body.get("error", body) if isinstance(body, dict) else body
    if not isinstance(error, dict):
        return str(error)[:300]
    cause = error.get("caused_by")
    inner = f": {cause.get('reason')}" if isinstance(cause, dict) else ""
    return f"{error.get('type', 'error')}: {error.get('reason', '')}{inner}"[:500]
