"""Adds what we know to events: same rows, more columns."""

from enrich.build import RESERVED, Enrichment, build

__all__ = ["RESERVED", "Enrichment", "build"]
