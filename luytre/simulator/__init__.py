"""A province that emits realistic logs with labelled attacks."""

from luytre.simulator.play import play, prepare
from luytre.simulator.simulate import simulate
from luytre.simulator.truth import Attack, Evidence, Truth, read_truth

__all__ = ["Attack", "Evidence", "Truth", "play", "prepare", "read_truth", "simulate"]
