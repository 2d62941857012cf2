"""Formats: JSON, syslog, key=value pairs, event XML, times; and how cells become columns."""
