"""A group whose windows look back further than its matches are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from detections.correlate_group import Group

if TYPE_CHECKING:
    from detections.correlate_episode import Entry
    from detections.correlate_group import Measure
    from detections.correlate_windows import Window
    from detections.extension_windows import Memory

TIMES_OF_MATCH = 50
"""So many remembered times take as much memory as one match."""


class RememberingGroup(Group):
    """A group of a rule about what is new, rare, or more than usual (``Memory``)."""

    __slots__ = ()

    def __init__(self, measure: Measure, base_us: int) -> None:
        self._window = measure.window()
        super().__init__(measure, base_us)

    @property
    def _memory(self) -> Memory:
        return cast("Memory", self._window)

    def _fresh(self) -> Window:
        return self._window

    def _insert(self, entry: Entry) -> None:
        self._memory.note(entry[4], entry[3])
        super()._insert(entry)

    def _remove(self, entry: Entry) -> None:
        if not entry[2].withdrawn:
            self._memory.drop(entry[4])
        super()._remove(entry)

    def expire(self, horizon_us: int) -> int:
        """Do what any group does, and forget the times that nothing looks back to."""
        ended = super().expire(horizon_us)
        self._memory.trim(horizon_us)
        return ended

    def fold(self) -> int:
        """Forget the older half of what takes the most room."""
        if self._memory.size // TIMES_OF_MATCH > len(self.entries):
            self.lossy = True
            self._memory.halve()
            return 0
        return super().fold()

    def due(self, horizon_us: int) -> bool:
        """Tell whether there is something to let go."""
        return self._memory.due(horizon_us) or (bool(self.entries) and super().due(horizon_us))

    @property
    def weight(self) -> int:
        """What this takes of memory, in matches."""
        return len(self.entries) + self._memory.size // TIMES_OF_MATCH

    @property
    def offset(self) -> int | None:
        """The lowest offset of the log that this state rests on; None if it rests on nothing."""
        offsets = [o for o in (super().offset, self._memory.offset) if o is not None]
        return min(offsets, default=None)

    @property
    def empty(self) -> bool:
        """Whether nothing is left that a later match could meet."""
        return super().empty and not self._memory.times
