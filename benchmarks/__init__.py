"""Measurements: what they print goes into docs/performance.md, with the machine and the date."""
