"""A province that emits realistic logs with labelled attacks."""
