"""Sigma rules on columns: load, plan, match, explain."""
