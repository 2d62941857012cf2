"""What is worked out once for each atom of a plan and shared by the programs of all parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from detections.atoms import compile_atom
from detections.literals import exact_literal, necessary_literals

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from detections.atoms import Test
    from detections.tree import Atom

Made = TypeVar("Made")


class Catalog:
    """A plan's atoms by number, with their tests and the literals that stand for them."""

    def __init__(self, atoms: Sequence[Atom]) -> None:
        self.atoms = atoms
        self.tests: Mapping[int, Test] = _Lazy(atoms, compile_atom)
        self.exact: Mapping[int, bytes | None] = _Lazy(atoms, exact_literal)
        self.necessary: Mapping[int, list[bytes]] = _Lazy(atoms, necessary_literals)


class _Lazy(dict[int, Made]):
    def __init__(self, atoms: Sequence[Atom], make: Callable[[Atom], Made]) -> None:
        super().__init__()
        self._atoms, self._make = atoms, make

    def __missing__(self, atom: int) -> Made:
        made = self[atom] = self._make(self._atoms[atom])
        return made
