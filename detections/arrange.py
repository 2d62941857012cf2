"""What each column of a part is looked at for: which keys make which rules candidates."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from detections.keywords import KeywordColumn
from detections.scope import KEYWORDS, atoms_of
from detections.triggers import NEVER
from detections.values import Column, Keys

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from detections.catalog import Catalog
    from detections.scope import Scope
    from detections.triggers import Costs
    from detections.values import Key

TRACK_US = 0.2
TRACKED_MAX = 150
_OF_PRESENCE = ("null", "exists")


class Arrangement(NamedTuple):
    """The columns, and the rules that these do not prompt.

    ``always`` are those without a trigger, so that every row is a candidate; ``paired`` those for
    which the rows are where a fieldref may hold, by the number of its atom.
    """

    columns: tuple[Column, ...]
    always: frozenset[int]
    paired: Mapping[int, frozenset[int]]


def arrange(
    scope: Scope, catalog: Catalog, columns: Mapping[str, Sequence[int]], costs: Costs
) -> Arrangement:
    """Choose the triggers of all rules by cost; ``columns`` are the atoms that each column has."""
    rules: dict[str, dict[Key, set[int]]] = defaultdict(lambda: defaultdict(set))
    tracked = {atom for name, mine in columns.items() if costs.low(name) for atom in mine}
    always, paired = [], defaultdict[int, set[int]](set)
    for rule, tree in scope.trees.items():
        cost_us, triggers = NEVER if isinstance(tree, bool) else costs.cover(tree)
        if isinstance(tree, bool) or triggers is None:
            always.append(rule)
        if cost_us > TRACK_US and len(mine := atoms_of(tree)) <= TRACKED_MAX:
            # A candidate this often is better decided once for each value.
            tracked |= mine
        for column, key in triggers or ():
            if isinstance(key, int) and key >= 0 and catalog.atoms[key].operation == "fieldref":
                paired[key].add(rule)
                continue
            rules[column][key].add(rule)
            if isinstance(key, int):
                tracked.add(key if key >= 0 else ~key)
    arranged = [
        (KeywordColumn if name == KEYWORDS else Column)(
            name, _keys(catalog, name, columns[name], rules[name], tracked), low=costs.low(name)
        )
        for name in scope.columns
    ]
    of_pairs = {atom: frozenset(of) for atom, of in paired.items()}
    return Arrangement(tuple(arranged), frozenset(always), of_pairs)


def _keys(
    catalog: Catalog,
    name: str,
    atoms: Sequence[int],
    rules: Mapping[Key, set[int]],
    tracked: set[int],
) -> Keys:
    """Return what shows the keys of ``rules`` and decides what is tracked."""
    exact: dict[int, Key] = {}
    for atom in atoms:
        operation, literal = catalog.atoms[atom].operation, catalog.exact[atom]
        if operation == "fieldref" or (name == KEYWORDS and atom not in rules):
            continue
        if literal is not None and (atom in tracked or literal in rules):
            exact[atom] = literal
        elif atom in tracked or operation in _OF_PRESENCE:
            exact[atom] = atom
    tests = {atom: catalog.tests[atom] for atom, key in exact.items() if key == atom}
    guards = {
        atom: max(literals, key=len) for atom in tests if (literals := catalog.necessary[atom])
    }
    # Of a guard only the result of its test is kept: what its literal tells nobody else may ask.
    searched = {key for key in (*rules, *exact.values()) if isinstance(key, bytes)}
    necessary = {
        atom: found
        for atom in atoms
        if (found := [each for each in catalog.necessary[atom] if each in searched])
    }
    shown: dict[Key, set[int]] = defaultdict(set)
    for key, of in rules.items():
        # A class shows an atom that a literal decides as that literal.
        shown[exact[key] if isinstance(key, int) and key >= 0 else key] |= of
    return Keys(
        rules={key: frozenset(of) for key, of in shown.items()},
        exact=exact,
        tests=tests,
        guards=guards,
        presence=frozenset(a for a in tests if catalog.atoms[a].operation in _OF_PRESENCE),
        necessary=necessary,
    )
