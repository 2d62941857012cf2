"""Triage: alerts become incidents, and people decide about them."""
