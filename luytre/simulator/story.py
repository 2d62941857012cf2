"""Tells an attack as a list of deeds, each one line in one log, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from luytre.simulator.attacks import begin_s, pace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from luytre.simulator.journal import Plot
    from luytre.simulator.scene import Scene


class Deed(NamedTuple):
    """One line: ``write`` is given its time; ``rules`` are the ids that must find it."""

    file: str
    write: Callable[[float], str]
    rules: tuple[str, ...] = ()


def tell(scene: Scene, plot: Plot, deeds: Sequence[Deed]) -> float:
    """Write the deeds of an attack, and return when the last one was done."""
    scene.journal.plot(plot)
    start, after = begin_s(scene, plot.id), pace(scene, len(deeds))
    for index, deed in enumerate(deeds):
        at_s = start + after(index)
        scene.journal.incriminate(plot.id, deed.file, at_s, deed.write(at_s), deed.rules)
    return start + after(len(deeds) - 1)
