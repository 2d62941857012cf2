"""Adds what we know to events: same rows, more columns."""

from enrich.build import Enrichment, build

__all__ = ["Enrichment", "build"]
