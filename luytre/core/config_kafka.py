"""The configuration of Kafka: where it is, who we are to it, and the topics that others write."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from luytre.core.config_section import TIME_ZONE, Section, host_port, known_source
from luytre.core.message import OUR_TOPICS
from luytre.core.zone import check_zone


class KafkaTls(Section):
    """TLS to the brokers."""

    ca: Path | None = Field(
        None,
        description="A PEM file with the authorities that may sign the brokers' certificates; the system's if none.",
    )
    certificate: Path | None = Field(
        None, description="A PEM file with our certificate, where brokers ask for one."
    )
    key: Path | None = Field(None, description="A PEM file with the key of our certificate.")
    check_hostname: bool = Field(
        True,  # noqa: FBT003
        description="Refuse a certificate that was made for another host.",
    )

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together: give both or none")
        return self


class KafkaSasl(Section):
    """Who we are to the brokers."""

    mechanism: Literal["SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN"] = Field(
        "SCRAM-SHA-512", description="How the password is proven; `PLAIN` only over TLS."
    )
    user: str = Field(min_length=1, description="The user.")
    password: str = Field(
        "", repr=False, description="The password, as `${NAME}` from the environment only."
    )
    password_file: Path | None = Field(
        None, description="A file with the password on its first line, instead of `password`."
    )

    @model_validator(mode="after")
    def _one_password(self) -> Self:
        if bool(self.password) == bool(self.password_file):
            raise ValueError("give password (as ${NAME}) or password_file")
        return self


class KafkaTopic(Section):
    """A topic that other shippers write."""

    topic: str = Field(
        pattern=r"^[a-zA-Z0-9._-]{1,200}$", description="Its name, without any prefix."
    )
    shipper: Literal["filebeat", "winlogbeat", "vector", "rsyslog", "raw"] = Field(
        "raw",
        description="Who writes it. `filebeat`, `vector` and `rsyslog` (JSON) put a line into an envelope, which is taken off; `winlogbeat` and `raw` (one line or many in a message) are read as they are.",
    )
    log_source: str = Field(
        "auto", description="What it holds: `auto`, or a name from `docs/reference/log-sources.md`."
    )
    log_sources: dict[str, str] = Field(
        default_factory=dict,
        description="What a value of `log_source_field` means, as `nginx.access: nginx`; other values mean `log_source`.",
    )
    log_source_field: str = Field(
        "",
        description="The field of the envelope that tells the log source; `event.dataset` (filebeat), `source_type` (vector) or `programname` (rsyslog) if empty.",
    )
    organization: str = Field(
        "", description="Whose events these are; the top-level `organization` if empty."
    )
    time_zone: str = Field("", description=TIME_ZONE)

    _log_source = field_validator("log_source")(known_source)
    _time_zone = field_validator("time_zone", mode="before")(check_zone)

    @field_validator("log_sources")
    @classmethod
    def _known(cls, value: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        return {said: known_source(name, info) for said, name in value.items()}


class KafkaConfig(Section):
    """Kafka as the log. Without `bootstrap` the embedded log is used."""

    bootstrap: tuple[str, ...] = Field(
        (), description="Some brokers of the cluster, as host:port; none: the embedded log."
    )
    prefix: str = Field(
        "",
        pattern=r"^[a-zA-Z0-9._-]{0,100}$",
        description="Stands before the names of our topics and groups, as `luytre.`, in a cluster that others use too.",
    )
    replication: int = Field(
        -1,
        ge=-1,
        description="Copies of each new topic; -1 is the brokers' default. With 3 or more, an append is durable when two have it.",
    )
    message_bytes_max: int = Field(
        16 * 2**20,
        ge=2**20,
        description="The largest message that our topics take, after compression.",
    )
    wait_s: float = Field(
        120,
        gt=0,
        description="How long an append or a commit is tried again while no broker answers, before the process ends (and is started again).",
    )
    tls: KafkaTls | None = Field(None, description="TLS to the brokers; `{}` is enough for it.")
    sasl: KafkaSasl | None = Field(None, description="Who we are to the brokers.")

    content: bool = Field(
        False,  # noqa: FBT003
        description="Run the rules that `luytre kafka publish` put on the topic `config`, on every machine the same, instead of those in the folders of each.",
    )
    second_person: bool = Field(
        True,  # noqa: FBT003
        description="`luytre kafka publish` only proposes, and another person must agree; without `people` nobody can be told from another, and one suffices.",
    )
    topics: tuple[KafkaTopic, ...] = Field(
        (), description="Topics that other shippers write: `detect` reads them beside our own."
    )

    @field_validator("bootstrap")
    @classmethod
    def _bootstrap(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(host_port, value))

    @model_validator(mode="after")
    def _others_topics(self) -> Self:
        names = [source.topic for source in self.topics]
        ours = {self.prefix + name for name in OUR_TOPICS}
        for name in names:
            if name in ours or name in OUR_TOPICS or names.count(name) > 1:
                raise ValueError(f"the topic {name} is ours, or named twice")
        return self

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.content and not self.bootstrap:
            raise ValueError("content comes from a topic: name brokers in bootstrap")
        if self.sasl and self.sasl.mechanism == "PLAIN" and self.tls is None:
            raise ValueError("sasl.mechanism PLAIN shows the password to the network: set tls")
        return self
