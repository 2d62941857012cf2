"""Wires the rooms together and runs the loops."""
