"""Luytre: log analytics for security operations."""
