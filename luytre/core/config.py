"""The configuration: one YAML file, frozen models, every fault at once with its line."""

from __future__ import annotations

import difflib
import os
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationError, field_validator

from luytre.core.config_alerts import AlertsConfig
from luytre.core.config_audit import AuditConfig, Person
from luytre.core.config_console import ConsoleConfig
from luytre.core.config_kafka import KafkaConfig
from luytre.core.config_playbooks import PlaybooksConfig
from luytre.core.config_section import TIME_ZONE, Section, host_port, known_source
from luytre.core.errors import ConfigurationError, Fault
from luytre.core.yamlfile import Document, Place, read_yaml
from luytre.core.zone import check_zone

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

MIB = 2**20
SECRETS = frozenset({"api_key", "password"})
"""Settings that the file may not hold in plain: ``${NAME}`` only (or a file beside it)."""

_ENV = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class FileInput(Section):
    """Files to follow."""

    paths: tuple[str, ...] = Field(
        description="Files, folders or glob patterns; new files are picked up as they appear."
    )
    log_source: str = Field(
        "auto",
        description="What the files hold: `auto`, or a name from `docs/reference/log-sources.md`.",
    )
    organization: str = Field(
        "", description="Whose events these are; the top-level `organization` if empty."
    )
    time_zone: str = Field("", description=TIME_ZONE)

    _log_source = field_validator("log_source")(known_source)
    _time_zone = field_validator("time_zone", mode="before")(check_zone)


class SyslogInput(Section):
    """A syslog listener."""

    listen: str = Field(description="Address as host:port; port 0 takes a free one.")
    protocol: Literal["udp", "tcp"] = Field(
        "udp",
        description="`udp` (one datagram, one message) or `tcp` (octet counting or a line each, RFC 6587).",
    )
    log_source: str = Field(
        "auto", description="What arrives: `auto`, or a name from `docs/reference/log-sources.md`."
    )
    organization: str = Field(
        "", description="Whose events these are; the top-level `organization` if empty."
    )
    time_zone: str = Field("", description=TIME_ZONE)

    _listen = field_validator("listen")(host_port)
    _log_source = field_validator("log_source")(known_source)
    _time_zone = field_validator("time_zone", mode="before")(check_zone)


class HttpInput(Section):
    """An HTTP intake for NDJSON."""

    listen: str = Field(description="Address as host:port; port 0 takes a free one.")
    log_source: str = Field(
        "auto", description="What arrives: `auto`, or a name from `docs/reference/log-sources.md`."
    )
    organization: str = Field(
        "", description="Whose events these are; the top-level `organization` if empty."
    )
    time_zone: str = Field("", description=TIME_ZONE)
    token_file: Path | None = Field(
        None,
        description="A file with the bearer token that senders must give; without it only loopback may be listened on, and a `Host` beyond loopback is refused. An `Origin` (a browser's page) always is.",
    )
    body_bytes_max: int = Field(
        16 * MIB,
        gt=0,
        description="The largest body after decompression; larger ones are answered 413.",
    )

    _listen = field_validator("listen")(host_port)
    _log_source = field_validator("log_source")(known_source)
    _time_zone = field_validator("time_zone", mode="before")(check_zone)


class ShipConfig(Section):
    """What `luytre ship` reads and how it sends."""

    name: str = Field(
        default_factory=socket.gethostname,
        description="This shipper's name; the host's name by default. Streams are named by it, and by an id that the data folder keeps.",
    )
    files: tuple[FileInput, ...] = Field(
        (), description="Files to follow; `.evtx` files are read as Windows event logs."
    )
    syslog: tuple[SyslogInput, ...] = Field((), description="Syslog listeners.")
    http: tuple[HttpInput, ...] = Field((), description="HTTP intakes.")
    message_events_max: int = Field(1000, gt=0, description="Events in one message at the most.")
    message_bytes_max: int = Field(
        MIB, ge=1024, description="Bytes in one message at the most, before compression."
    )
    event_bytes_max: int = Field(
        MIB,
        ge=1024,
        description="The largest event; a longer line becomes rejects of this size, one after the other.",
    )
    linger_s: float = Field(0.5, gt=0, description="How long events may wait for a fuller message.")
    scan_s: float = Field(
        1.0, gt=0, description="How often folders and patterns are looked at for new files."
    )


class LogConfig(Section):
    """The log: the embedded one, or Kafka (see `kafka`)."""

    partitions: int = Field(
        4, gt=0, le=1024, description="Partitions of a new topic: how many workers can share it."
    )
    retention_mib: int = Field(
        4096,
        gt=0,
        description="MiB that a topic may take; the oldest messages that every group has committed go first.",
    )
    retention_days: float = Field(14, gt=0, description="How long messages stay.")
    session_timeout_s: float = Field(
        30, gt=0, description="A consumer that did not poll for so long loses its partitions."
    )


class RulesConfig(Section):
    """Which Sigma rules run."""

    builtin: bool = Field(True, description="Run the rules that come with Luytre.")  # noqa: FBT003
    paths: tuple[Path, ...] = Field(
        (),
        description="More rules: files or folders of Sigma YAML. Installed rule sets (`luytre rules install`) are found by themselves.",
    )
    overrides: tuple[Path, ...] = Field(
        (),
        description="Rules, filters, and correlations that take the place of those with the same id, as files or folders: so a rule of another's set is changed and the set can still be updated.",
    )
    disabled: tuple[str, ...] = Field((), description="Ids of rules and filters that do not run.")
    levels: tuple[Literal["informational", "low", "medium", "high", "critical"], ...] = Field(
        (), description="Only rules of these levels run; all if empty."
    )
    placeholders: dict[str, tuple[str | int | float, ...]] = Field(
        default_factory=dict,
        description="Values of the placeholders that rules name with `expand`, as `Servers: [srv-*, db-1]`. A rule whose placeholder has none is refused.",
    )
    placeholders_file: Path | None = Field(
        None, description="A YAML file with such a map; where both name one, the setting holds."
    )
    mappings: tuple[Path | str, ...] = Field(
        (),
        description="Processing pipelines of pySigma that rules go through: YAML files (`*.yml`), or names of installed ones (`sigma list pipelines`).",
    )

    reload_s: float = Field(
        10,
        ge=0,
        description="How often changed rules, filters, placeholders, mappings, and enrichment tables are looked for while it runs; 0 for never.",
    )

    @field_validator("mappings", mode="before")
    @classmethod
    def _mappings(cls, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return value
        return tuple(
            Path(each) if isinstance(each, str) and each.endswith((".yml", ".yaml")) else each
            for each in value
        )


class FirstSeenConfig(Section):
    """A column whose new values are marked."""

    column: str = Field(description="The column to watch, as `user.name`.")
    entries_max: int = Field(
        1_000_000,
        gt=0,
        description="Values remembered per organisation and column; the longest unseen go first.",
    )


class EnrichConfig(Section):
    """Tables that add what we know. A missing table leaves nulls and a note in `luytre doctor`."""

    organizations: Path | None = Field(
        None, description="The organisation tree (CSV or YAML), with validity dates."
    )
    assets: Path | None = Field(
        None, description="Assets (CSV): host names, addresses, security levels, owners."
    )
    identities: Path | None = Field(
        None, description="Accounts (CSV): names, people, organisations, privileges."
    )
    geoip: tuple[Path, ...] = Field((), description="MMDB files: city or country, and ASN.")
    indicators: tuple[Path, ...] = Field(
        (), description="Indicators: plain lists, CSV, or STIX 2.1 bundles."
    )
    first_seen: tuple[FirstSeenConfig, ...] = Field(
        (),
        description="Columns whose first appearance per organisation is marked. Each worker remembers for itself: with several, a value can be first once for each.",
    )


class CorrelateConfig(Section):
    """Rules that look at many events."""

    lateness_s: float = Field(
        900,
        ge=0,
        description="How much older than the newest event of its own stream an event may be and still count, in seconds. Streams do not wait for each other: an office whose line was down for a week is on time when it comes back.",
    )


class ArchiveConfig(Section):
    """The archive of all events."""

    enabled: bool = Field(True, description="Keep every event in the Delta table.")  # noqa: FBT003
    flush_mib: int = Field(
        128, gt=0, description="MiB of events that gather before they are appended."
    )
    flush_s: float = Field(
        60,
        gt=0,
        description="Seconds that events gather at the most; also how often offsets are committed.",
    )
    retention_days: int = Field(365, gt=0, description="How long events stay.")


class MetricsConfig(Section):
    """Prometheus metrics."""

    listen: str = Field(
        "", description="Address as host:port; empty serves none. Each process takes the next port."
    )
    one_port: bool = Field(
        default=False,
        description="Every process answers at that very port: for containers, each of which has an address of its own.",
    )

    @field_validator("listen")
    @classmethod
    def _listen(cls, value: str) -> str:
        return value and host_port(value)


class LogsConfig(Section):
    """Luytre's own logs, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The mildest level that is written."
    )


class Config(Section):
    """Everything that can be set."""

    data_dir: Path = Field(
        Path("data"),
        description="Where all durable state lives: the log, alerts, archive, shipper state. On local disk.",
    )
    organization: str = Field(
        "local", min_length=1, description="Whose events arrive where an input does not say."
    )
    workers: int = Field(1, gt=0, le=256, description="Detect processes on this machine.")
    ship: ShipConfig = Field(default_factory=ShipConfig, description="What is read and sent.")
    log: LogConfig = Field(default_factory=LogConfig, description="The log.")
    kafka: KafkaConfig = Field(default_factory=KafkaConfig, description="Kafka as the log.")
    rules: RulesConfig = Field(default_factory=RulesConfig, description="The Sigma rules.")
    enrich: EnrichConfig = Field(default_factory=EnrichConfig, description="Enrichment tables.")
    correlate: CorrelateConfig = Field(
        default_factory=CorrelateConfig, description="Correlation rules."
    )
    archive: ArchiveConfig = Field(default_factory=ArchiveConfig, description="The archive.")
    alerts: AlertsConfig = Field(default_factory=AlertsConfig, description="The alert store.")
    playbooks: PlaybooksConfig = Field(
        default_factory=PlaybooksConfig, description="Response playbooks."
    )
    audit: AuditConfig = Field(default_factory=AuditConfig, description="The history.")
    people: tuple[Person, ...] = Field(
        (),
        description="Who may use the commands. While it is empty, whoever can read `data_dir` has every role.",
    )
    console: ConsoleConfig = Field(
        default_factory=ConsoleConfig, description="The pages for people, and the API."
    )
    metrics: MetricsConfig = Field(default_factory=MetricsConfig, description="Metrics.")
    logs: LogsConfig = Field(default_factory=LogsConfig, description="Logs of Luytre itself.")


def load_config(path: Path, log_sources: Collection[str] = ()) -> Config:
    """Read the configuration; relative paths in it are relative to its folder.

    ``log_sources`` are the names that an input may give its log source; any name if empty.

    Raises:
        ConfigurationError: with every fault of the file.
    """
    documents, faults = read_yaml(path)
    if len(documents) > 1:
        faults.append(Fault(path, documents[1].line(()), "is a second document", "keep one"))
    if faults:
        raise ConfigurationError(faults)
    document = documents[0] if documents else Document(path, {})
    data = {} if document.data is None else document.data
    if not isinstance(data, dict):
        raise ConfigurationError([document.fault((), "must be a mapping of settings")])
    filled = _fill(data, document, (), faults)
    if faults:
        raise ConfigurationError(faults)
    try:
        config = Config.model_validate(filled, context=log_sources)
    except ValidationError as error:
        faults.extend(_faults(document, error))
        raise ConfigurationError(sorted(faults, key=lambda f: f.line)) from None
    resolved: Config = _resolve(config, path.resolve().parent)
    return resolved


def _fill(value: Any, document: Document, place: Place, faults: list[Fault]) -> Any:
    """Replace ``${NAME}`` by the environment's value: the only way in for secrets besides files."""
    if isinstance(value, dict):
        return {k: _fill(v, document, (*place, k), faults) for k, v in value.items()}
    if isinstance(value, list):
        return [_fill(v, document, (*place, i), faults) for i, v in enumerate(value)]
    if not isinstance(value, str):
        return value
    if place and place[-1] in SECRETS and value and not _ENV.fullmatch(value):
        remedy = f"write ${{NAME}} and export NAME, or use {place[-1]}_file"
        faults.append(document.fault(place, "a secret stands in the file", remedy))
    faults.extend(
        document.fault(place, f"the environment has no {name}", f"export {name}")
        for name in _ENV.findall(value)
        if name not in os.environ
    )
    return _ENV.sub(lambda found: os.environ.get(found[1], ""), value)


def _faults(document: Document, error: ValidationError) -> Iterator[Fault]:
    for item in error.errors(include_url=False):
        place = tuple(item["loc"])
        name = ".".join(map(str, place)) or "the file"
        if item["type"] == "extra_forbidden":
            known = _keys(place[:-1])
            near = difflib.get_close_matches(str(place[-1]), known, 1)
            remedy = f'did you mean "{near[0]}"?' if near else f"known are {', '.join(known)}"
            yield document.fault(place, f'unknown setting "{name}"', remedy)
        else:
            yield document.fault(place, f'"{name}": {item["msg"].removeprefix("Value error, ")}')


def _keys(place: Place) -> list[str]:
    model: Any = Config
    for step in place:
        if isinstance(step, int):
            continue
        annotation = model.model_fields[step].annotation
        model = next(
            (a for a in getattr(annotation, "__args__", ()) if isinstance(a, type)), annotation
        )
    return sorted(model.model_fields)


def _resolve(value: Any, folder: Path) -> Any:
    """Make every relative path absolute, from the folder of the configuration."""
    if isinstance(value, FileInput):
        return value.model_copy(update={"paths": tuple(str(folder / p) for p in value.paths)})
    if isinstance(value, Section):
        fields = {name: _resolve(getattr(value, name), folder) for name in type(value).model_fields}
        return value.model_copy(update=fields)
    if isinstance(value, tuple):
        return tuple(_resolve(item, folder) for item in value)
    if isinstance(value, Path):
        return folder / value
    return value
