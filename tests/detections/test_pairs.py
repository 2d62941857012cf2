"""Claims about the rows that are looked at for a fieldref."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detections.atoms import Reading, compare
from detections.pairs import pair_rows
from detections.tree import Atom
from luytre.core.cells import NULL, list_cell

_TEXTS = st.text(alphabet="aAsSςΣİß\0\\/ ", max_size=4)
_CELLS = st.none() | st.just(NULL) | _TEXTS | st.lists(_TEXTS, max_size=3).map(list_cell)
_ROWS = st.lists(st.tuples(_CELLS, _CELLS), max_size=20)


def fieldref(position: str, *, cased: bool = False) -> Atom:
    return Atom("a", "fieldref", "b", cased=cased, flags=position)


_POSITIONS = st.sampled_from(["equals", "contains", "startswith", "endswith"])
_FIELDREFS = st.builds(fieldref, _POSITIONS, cased=st.booleans())


@given(_ROWS, _FIELDREFS)
def test_no_row_at_which_a_fieldref_holds_is_left_out(
    rows: list[tuple[str | None, str | None]], atom: Atom
) -> None:
    held = {r for r, (a, b) in enumerate(rows) if compare(atom, Reading(a), Reading(b))}
    assert held <= set(pair_rows(atom, [a for a, _ in rows], [b for _, b in rows]))


@pytest.mark.parametrize(
    ("position", "left", "right", "rows"),
    [
        pytest.param("equals", ["a", "b", None], ["A", "a", "b"], [0], id="equal but for case"),
        pytest.param("contains", ["xay", "b"], ["A", "a"], [0], id="one inside the other"),
        pytest.param("startswith", ["ab", "ba"], ["A", "A"], [0], id="at the start"),
        pytest.param("endswith", ["ab", "ba"], ["A", "A"], [1], id="at the end"),
        pytest.param("equals", [], ["a"], [], id="a column that is missing"),
    ],
)
def test_rows_at_which_it_cannot_hold_are_not_looked_at(
    position: str, left: list[str | None], right: list[str | None], rows: list[int]
) -> None:
    assert list(pair_rows(fieldref(position), left, right)) == rows
