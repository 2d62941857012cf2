"""The settings of the console."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from luytre.core.config_section import Section, host_port
from luytre.core.zone import check_zone

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class ConsoleConfig(Section):
    """The pages for people, and the API."""

    listen: str = Field(
        "",
        description="Address as host:port. `luytre run` serves the console there; empty: only `luytre console` does, on 127.0.0.1:8460.",
    )
    url: str = Field(
        "",
        description="The address that people type, as `https://soc.example.gov.vn`; needed beyond this machine. Requests for another host are refused.",
    )
    certificate_file: Path | None = Field(
        None, description="A PEM file with the console's certificate and those that sign it."
    )
    key_file: Path | None = Field(None, description="A PEM file with the certificate's key.")
    behind_proxy: bool = Field(
        default=False,
        description="A proxy on this machine, or on `proxies`, ends TLS and names the client in X-Forwarded-For.",
    )
    proxies: tuple[str, ...] = Field(
        ("127.0.0.1",), description="Addresses that such a proxy connects from."
    )
    language: Literal["vi", "en"] = Field(
        "vi", description="The language of who has chosen none and whose browser asks for neither."
    )
    time_zone: str = Field(
        "Asia/Ho_Chi_Minh", description="The zone in which times are shown and typed."
    )
    idle_minutes: int = Field(
        30, gt=0, le=24 * 60, description="Minutes without a request that end a session."
    )
    session_hours: int = Field(
        12, gt=0, le=24 * 7, description="Hours after which everybody logs in again."
    )

    _time_zone = field_validator("time_zone", mode="before")(check_zone)

    @field_validator("listen")
    @classmethod
    def _listen(cls, value: str) -> str:
        return value and host_port(value)

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        parts = urlsplit(value)
        bare = parts.path in {"", "/"} and not parts.query and not parts.fragment
        if value and not (parts.scheme in {"https", "http"} and parts.netloc and bare):
            raise ValueError("must be https://host, or https://host:port, without a path")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _safe(self) -> ConsoleConfig:
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file belong together")
        host = self.listen.rpartition(":")[0]
        if not host or host in LOOPBACK:
            return self
        if self.certificate_file is None and not self.behind_proxy:
            raise ValueError(
                "beyond this machine passwords need TLS: give certificate_file and key_file,"
                " or behind_proxy"
            )
        if not self.url:
            raise ValueError("beyond this machine the console needs its url")
        return self
