"""Response playbooks: CACAO 2.0 as YAML, checked, rehearsed, and run so that nothing runs twice."""

from __future__ import annotations

from pathlib import Path

LIBRARY = Path(__file__).parent / "library"
"""The playbooks that come with Luytre."""
