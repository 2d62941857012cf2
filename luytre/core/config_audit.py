"""The settings of the history, and of who may use the commands."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from luytre.core.actor import Role
from luytre.core.config_section import Section


class AuditConfig(Section):
    """The history of what people decided."""

    anchors: tuple[Path, ...] = Field(
        (),
        description="Folders elsewhere (a stick, another machine's share) that keep anchors of the history; brought up to date every minute by `upkeep`.",
    )
    signer_dir: Path | None = Field(
        None,
        description="The signer's key and state; `signer` in `data_dir` if empty. Its own user's, if the signer runs as one.",
    )
    signer_socket: Path | None = Field(
        None,
        description="Where the signer listens; `signer.sock` in `data_dir` if empty.",
    )
    start_signer: bool = Field(
        default=True,
        description="Whether a command starts a signer for a moment if none runs; false where it runs as its own user.",
    )


class Person(Section):
    """Who may use the commands, and for what."""

    user: str = Field(min_length=1, description="The name of a user of this machine.")
    roles: tuple[Role, ...] = Field(
        description="Any of `analyst`, `rule_admin`, `auditor`, `admin`."
    )
    organizations: tuple[str, ...] = Field(
        (), description="The organisations that this person sees; all if empty."
    )
