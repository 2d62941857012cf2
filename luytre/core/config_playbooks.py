"""The section of the configuration about response playbooks."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from luytre.core.config_section import Section


class PlaybooksConfig(Section):
    """Response playbooks."""

    paths: tuple[Path, ...] = Field(
        (),
        description="More playbooks: files or folders of CACAO 2.0, YAML or JSON. One with the id of a playbook that comes with Luytre replaces it.",
    )
