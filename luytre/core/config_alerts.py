"""The section of the configuration about the store of alerts, and Elasticsearch if it is that."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from luytre.core.config_section import Section


class ElasticConfig(Section):
    """Elasticsearch as the store of alerts; without `urls` they are kept in SQLite."""

    urls: tuple[str, ...] = Field(
        (),
        description="Nodes, as `https://es-1.example:9200`; several take turns, and a dead one is passed over.",
    )
    name: str = Field(
        "luytre-alerts",
        pattern="^[a-z][a-z0-9-]{0,99}$",
        description="The alias of all alerts, and the beginning of the name of everything else there.",
    )
    api_key_file: Path | None = Field(
        None, description="A file with an API key, as Elasticsearch's `encoded`."
    )
    username: str = Field("", description="A user, where there is no API key.")
    password_file: Path | None = Field(None, description="A file with that user's password.")
    ca_file: Path | None = Field(
        None, description="The certificates (PEM) that sign the nodes'; the system's if empty."
    )
    certificate_file: Path | None = Field(
        None, description="Our own certificate (PEM), where nodes ask for one."
    )
    key_file: Path | None = Field(None, description="Its private key (PEM).")
    shards: int = Field(1, gt=0, le=100, description="Primary shards of a new index.")
    replicas_max: int = Field(
        1,
        ge=0,
        le=10,
        description="Copies of each shard, as far as there are nodes for them: none on a single node.",
    )
    request_timeout_s: float = Field(
        10,
        gt=0,
        description="How long an answer may take. Then what is not there is sent again. Less than half of the time after which a consumer loses its partitions.",
    )

    @field_validator("urls")
    @classmethod
    def _urls(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        for url in urls:
            parts = urlsplit(url)
            if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
                raise ValueError(f"{url} must be http(s)://host:port, without a user")
        return urls

    @model_validator(mode="after")
    def _secrets(self) -> ElasticConfig:
        if self.api_key_file and self.username:
            raise ValueError("api_key_file and username exclude each other")
        if bool(self.username) != bool(self.password_file):
            raise ValueError("username and password_file belong together")
        if bool(self.certificate_file) != bool(self.key_file):
            raise ValueError("certificate_file and key_file belong together")
        clear = [url for url in self.urls if url.startswith("http:") and not _is_loopback(url)]
        if clear and (self.api_key_file or self.username):
            raise ValueError(f"{clear[0]} would carry the secret in clear: use https")
        return self


class AlertsConfig(Section):
    """The store of alerts."""

    retention_days: int = Field(730, gt=0, description="How long alerts stay.")
    elastic: ElasticConfig = Field(
        default_factory=ElasticConfig,
        description="Elasticsearch as the store of alerts; without `urls` they are kept in SQLite.",
    )


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
