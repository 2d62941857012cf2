"""Proof: no pattern that is accepted takes more than 10 ms on 64 KiB, whatever stands in them.

Patterns are made to explode (counts in counts, alternatives that overlap, stars in stars, hundreds
of wildcards), and values to make them: of a regex the text that visits as many states as it can.
Everything goes the way of a real rule: YAML, load, plan, and the test of the compiled atom.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from detections.atoms import Reading, compare, compile_atom
from detections.load import LoadedRule
from detections.plan import build_plan
from detections.regex_states import TooManyStatesError, classes, hostile_text, read
from detections.sigmafile import read_rule
from detections.tree import Atom
from luytre.core.alert import RuleCard
from luytre.core.batch import LogSource
from luytre.core.cells import cell
from luytre.core.yamlfile import read_yaml

VALUE_BYTES = 64 * 2**10
LIMIT_MS = 10.0
REFUSED_MS = 100.0
TRIES = 4
"""The machine is shared: what is slow is measured again, and the best counts."""
PATH = Path("hostile.yml")
LETTERS = "abcdefxyz01.-_/\\ é\u0130\u017f\u212a\u1ead"


@dataclass(slots=True)
class Outcome:
    """What was tried, and what was slower than it may be."""

    patterns: int = 0
    accepted: int = 0
    refused: int = 0
    values: int = 0
    worst_ms: float = 0.0
    worst: str = ""
    worst_refusal_ms: float = 0.0
    by_kind: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


Pattern = tuple[str, str, Any]
"""Its kind, the key of the selection, and the value."""


def patterns(chance: random.Random) -> Iterator[Pattern]:
    """Yield hostile patterns for ever."""
    while True:
        kind = chance.choice(["regex"] * 5 + list(_OTHERS))
        if kind == "regex":
            flags = "".join(f"|{flag}" for flag in "ims" if chance.random() < 0.25)
            yield kind, f"a|re{flags}", _regex(chance, 0)[: chance.choice([60, 400, 4_000])]
        else:
            key, value = _OTHERS[kind](chance)
            yield kind, key, value


def _regex(chance: random.Random, depth: int) -> str:
    draw = chance.random()
    if depth > 5 or draw < 0.25:
        return chance.choice(
            ["a", "b", ".", "[ab]", "[^a]", r"\w", r"\W", r"\s", "[a-y]", "(a)", "é", r"\.", "[^\\\\]",
             "cpi ", "abab", ".*", ".+", ".?", "(?:a|ab|aba)", "[a-f0-9]"]
        )  # fmt: skip
    if draw < 0.55:
        return "".join(_regex(chance, depth + 1) for _ in range(chance.randint(2, 5)))
    if draw < 0.7:
        return f"(?:{'|'.join(_regex(chance, depth + 1) for _ in range(chance.randint(2, 6)))})"
    if draw < 0.74:
        return chance.choice(["^", "$", r"\b", r"\B"]) + _regex(chance, depth + 1)
    low, more = chance.choice([0, 1, 2, 7, 60, 500]), chance.choice([0, 1, 5, 40, 400])
    count = chance.choice(["*", "+", "?", f"{{{low}}}", f"{{{low},}}", f"{{{low},{low + more}}}"])
    return f"(?:{_regex(chance, depth + 1)}){count}{chance.choice(['', '?'])}"


def _word(chance: random.Random, length: int) -> str:
    return "".join(chance.choice(LETTERS) for _ in range(length))


def _wildcards(chance: random.Random) -> tuple[str, Any]:
    signs = chance.choice(["ab", "a", LETTERS])
    parts = [
        chance.choice(["*", "?", "??", chance.choice(signs)])
        for _ in range(chance.choice([9, 60, 900]))
    ]
    return "a", "".join(parts)


def _plain(chance: random.Random) -> tuple[str, Any]:
    modifier = chance.choice(
        ["contains", "startswith", "endswith", "contains|cased", "contains|windash"]
    )
    return f"a|{modifier}", _word(chance, chance.choice([1, 3, 300, 20_000]))


def _encoded(chance: random.Random) -> tuple[str, Any]:
    return f"a|{chance.choice(['wide|base64offset', 'base64offset', 'base64'])}|contains", _word(
        chance, 40
    )


def _reference(chance: random.Random) -> tuple[str, Any]:
    return f"a|fieldref{chance.choice(['', '|contains', '|startswith', '|endswith'])}", "b"


_OTHERS: dict[str, Callable[[random.Random], tuple[str, Any]]] = {
    "wildcards": _wildcards,
    "plain": _plain,
    "encoded": _encoded,
    "fieldref": _reference,
    "cidr": lambda chance: (
        "a|cidr",
        chance.choice(["10.0.0.0/8", "::/0", "fe80::/10", "0.0.0.0/0"]),
    ),
    "number": lambda chance: (f"a|{chance.choice(['gt', 'lte'])}", chance.choice([0, 2**53, -1.5])),
    "exact": lambda chance: ("a", chance.choice([7, True, None, "", "*"])),
    "time": lambda chance: (f"a|{chance.choice(['hour', 'week'])}|gte", chance.randint(1, 20)),
    "keyword": lambda chance: ("k", [_word(chance, 5), f"*{_word(chance, 3)}?{_word(chance, 2)}*"]),
}


def values(atom: Atom, chance: random.Random) -> Iterator[Any]:
    """Yield hostile values for an atom, each 64 KiB of UTF-8 at the most."""
    if atom.operation == "regex":
        yield from _texts(atom, chance)
    near = (atom.pattern[:-1] or "a").replace("*", "").replace("?", "a") or "a"
    for text in (near, *chance.sample(_TEXTS, 2)):
        yield _cut(text * (VALUE_BYTES // len(text.encode(errors="surrogatepass")) + 1))
    yield chance.choice(_LISTS)


_TEXTS = ["a", "a.", "1.", ":1", "0", "\u0130", '"\\', "ab", "\ufffd"]
LIST_MAX = 1_000
_LISTS: list[Any] = [
    [f"{n}." * 8 for n in range(LIST_MAX)],
    [f"{n}" for n in range(LIST_MAX)],
    [f"{n % 256}.1.1.{n % 300}" for n in range(LIST_MAX)],
    [f"{n:x}::{n:x}" for n in range(LIST_MAX)],
    [f"2026-{n % 14:02}-01T00:00:00Z" for n in range(LIST_MAX)],
    [f"a{n:x}" for n in range(LIST_MAX)],
]


def _texts(atom: Atom, chance: random.Random) -> Iterator[str]:
    try:
        found = read(atom.pattern, ignore_case="i" in atom.flags, dotall="s" in atom.flags)
        signs = [sign for sign, _ in classes(found)]
        yield _cut(hostile_text(found, 8_000, lambda known: chance.sample(known, len(known))))
    except TooManyStatesError:
        signs = list("ab ")
    yield _cut("".join(chance.choice(signs) for _ in range(VALUE_BYTES)))
    words = ["cpi ", "a", "b", "ab", "aba", "x"]
    yield _cut("".join(chance.choice(words) for _ in range(VALUE_BYTES)))


def _cut(text: str) -> str:
    return text.encode(errors="surrogatepass")[:VALUE_BYTES].decode(errors="replace")


def prove(count: int, *, seed: int) -> Outcome:
    """Try so many patterns, each on a dozen values."""
    chance, outcome, kinds = random.Random(seed), Outcome(), Counter[str]()
    for kind, key, value in patterns(chance):
        if outcome.patterns == count:
            break
        outcome.patterns += 1
        atoms, took_ms = _loading(key, value)
        for _ in range(TRIES):
            if not atoms and took_ms > REFUSED_MS:
                took_ms = min(took_ms, _loading(key, value)[1])
        if not atoms:
            outcome.refused += 1
            outcome.worst_refusal_ms = max(outcome.worst_refusal_ms, took_ms)
            if took_ms > REFUSED_MS:
                outcome.problems.append(
                    f"refused after {took_ms:.0f} ms: {key}: {str(value)[:200]!r}"
                )
            continue
        outcome.accepted += 1
        kinds[kind] += 1
        for atom in atoms[:3]:
            _try(atom, f"{key}: {str(value)[:300]!r}", chance, outcome)
    outcome.by_kind = dict(kinds)
    return outcome


def _loading(key: str, value: Any) -> tuple[list[Atom], float]:
    started = time.thread_time()
    return _loaded(key, value), (time.thread_time() - started) * 1_000


def _loaded(key: str, value: Any) -> list[Atom]:
    search = value if key == "k" else {key: value}
    document = {
        "title": "hostile",
        "logsource": {"category": "test"},
        "detection": {"s": search, "condition": "s"},
    }
    documents, _ = read_yaml(PATH, msgspec.json.encode(document))
    if not documents:
        return []
    sigma, _ = read_rule(documents[0])
    if sigma is None:
        return []
    rule = LoadedRule(RuleCard("r", "r", "low", "1"), LogSource(), sigma, PATH, documents[0])
    return list(build_plan([rule])[0].atoms)


def _try(atom: Atom, said: str, chance: random.Random, outcome: Outcome) -> None:
    for value in values(atom, chance):
        outcome.values += 1
        took_ms = _measured(atom, value)
        for _ in range(TRIES):
            if took_ms > LIMIT_MS:
                took_ms = min(took_ms, _measured(atom, value))
        if took_ms > outcome.worst_ms:
            outcome.worst_ms, outcome.worst = took_ms, f"{said} on {str(value)[:80]!r}"
        if took_ms > LIMIT_MS:
            outcome.problems.append(f"{took_ms:.1f} ms: {said} on {str(value)[:80]!r}")


def _measured(atom: Atom, value: Any) -> float:
    """Return the milliseconds of one test; a regex is compiled anew, with no state made yet."""
    written = cell(value)
    test = compile_atom(atom)
    started = time.thread_time()
    if atom.operation == "fieldref":
        compare(atom, Reading(written), Reading(written))
    else:
        test(Reading(written))
    return (time.thread_time() - started) * 1_000
