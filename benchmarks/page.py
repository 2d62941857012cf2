"""The page of performance figures: each benchmark writes its own section of it."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"


def write_section(name: str, lines: Sequence[str]) -> None:
    """Put lines between the marks of a section; a section that is new comes last."""
    start, end = f"<!-- {name}: start -->", f"<!-- {name}: end -->"
    text = PAGE.read_text() if PAGE.exists() else "# Performance\n"
    if start not in text:
        text = f"{text}\n{start}\n{end}\n"
    before, _, rest = text.partition(start)
    _, _, after = rest.partition(end)
    PAGE.write_text(f"{before}{start}\n" + "\n".join(lines) + f"\n{end}{after}")
    sys.stderr.write(f"written to {PAGE}\n")


def machine() -> str:
    """Return what this was measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = (line.split(":")[1].strip() for line in lines if "model name" in line)
    model = next(models, platform.processor())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB, Linux {platform.release()}, "
        f"Python {platform.python_version()}, Polars {pl.__version__}"
    )
