"""Adds what we know to events: same rows, more columns."""
