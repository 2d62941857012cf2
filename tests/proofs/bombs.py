"""Proof: rule files that are bombs, gigantic, or cyclic are refused within 100 ms.

Each goes through ``load_rules`` as a file of a rule set would; pipelines of mappings likewise.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from detections.load import load_rules
from detections.mappings import read_adaptation
from detections.plan import build_plan
from luytre.core.errors import ConfigurationError

LIMIT_MS = 100.0
TRIES = 4
HEAD = "title: t\nlogsource: {category: webserver}\n"
MIB = 2**20


@dataclass(slots=True)
class Outcome:
    """How long each file took to be refused, in milliseconds, and what went wrong."""

    took_ms: dict[str, float] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def rule(detection: str) -> str:
    """Return a rule with a detection in YAML's flow style."""
    return f"{HEAD}detection: {detection}\n"


def correlation(name: str, *rules: str) -> str:
    """Return a document of a correlation over some others."""
    return (
        f"---\ntitle: {name}\nname: {name}\ncorrelation:\n  type: temporal\n"
        f"  rules: [{', '.join(rules)}]\n  group-by: [a]\n  timespan: 5m\nlevel: low\n"
    )


def _laughs(levels: int) -> str:
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, levels)]
    return "\n".join(lines)


def _many(count: int, text: Callable[[int], str]) -> str:
    return ", ".join(map(text, range(count)))


BOMBS: dict[str, str | bytes] = {
    "a billion laughs": _laughs(64),
    "a list that holds itself": f"{HEAD}detection: &d [*d]\n",
    "a map merged into itself": f"{HEAD}detection: &d {{<<: *d}}\n",
    "a tag that runs code": "!!python/object/apply:os.system [id]\n",
    "a tag of its own": f"{HEAD}detection: !bomb {{}}\n",
    "a hundred thousand brackets": "[" * 100_000,
    "a hundred thousand maps": "{a: " * 100_000,
    "as deep as a stack": rule("[" * 5_000 + "]" * 5_000),
    "one byte too much": "#" * (MIB + 1),
    "a gigantic file": b"a: b\n" * (16 * MIB),
    "a gigantic word": rule("{s: {a: '" + "x" * (2 * MIB) + "'}, condition: s}"),
    "a million items": rule("{s: {a: [" + "1," * 400_000 + "1]}, condition: s}"),
    "as many items as there may be": rule("{s: {a: [" + "1," * 60_000 + "1]}, condition: s}"),
    "a hundred thousand documents": "---\n" * 100_000 + "x",
    "a number of a million digits": rule("{s: {a: " + "9" * (MIB // 2) + "}, condition: s}"),
    "bytes of no text": b"\xff\xfe" * 1_000,
    "zeros": b"\0" * 1_000,
    "a key twice": f"{HEAD}title: again\n",
    "keys that are lists": rule("{? [a] : b}"),
    "not not not": rule("{s: {a: b}, condition: '" + "not " * 5_000 + "s'}"),
    "brackets in a condition": rule("{s: {a: b}, condition: '" + "(" * 3_000 + "s" + ")" * 3_000 + "'}"),
    "a long condition": rule("{s: {a: b}, condition: '" + "s or " * 20_000 + "s'}"),
    "a hostile pattern in a condition": rule("{s: {a: b}, condition: 1 of " + "*a" * 60 + "}"),
    "names that a condition joins": rule(
        "{" + _many(9_000, lambda n: f"s{n}: {{a: b}}") + ", condition: all of *s*s*s*s*}"
    ),
    "dashes upon dashes": rule("{s: {a|windash: '" + "-a " * 60 + "'}, condition: s}"),

    "a modifier a thousand times": rule("{s: {a" + "|contains" * 1_000 + ": b}, condition: s}"),
    "a count of counts": rule("{s: {a|re: '((((a{100}){100}){100}){100})'}, condition: s}"),
    "counts side by side": rule("{s: {a|re: '" + "(?:a{0,1000}){0,1}" * 40 + "'}, condition: s}"),
    "a hundred counts side by side": rule("{s: {a|re: [" + _many(100, lambda n: "'" + "(?:a{0,1000}){0,1}" * 40 + f"{n}'") + "]}, condition: s}"),
    "a hundred ways of counting": rule("{s: {a|re: [" + _many(100, lambda n: "'" + "(?:(a|b)+a[ab]{0,90}){1,9}" * 9 + f"{n}'") + "]}, condition: s}"),
    "a class of everything": rule(r"{s: {a|re: '[\p{L}\p{N}]{900}'}, condition: s}"),
    "a thousand slow regexes": rule("{s: {a|re: [" + _many(1_000, lambda n: f"'[ab]*a[ab]{{{200 + n % 50}}}(x|y)+{n}'") + "]}, condition: s}"),
    "a thousand slow wildcards": rule("{s: {a: [" + _many(1_000, lambda n: "'*a" + "?" * (900 + n % 90) + f"b*{n}'") + "]}, condition: s}"),
    "no such time": f"{correlation('c', 'r')}".replace("5m", "99999999999999999999M"),
    "a correlation of itself": correlation("c", "c"),
    "correlations of each other": correlation("c", "d") + correlation("d", "c"),
    "a ring of correlations": "".join(correlation(f"c{n}", f"c{(n + 1) % 400}") for n in range(400)),
    "a tower of correlations": "".join(correlation(f"c{n}", f"c{n + 1}", f"c{n + 1}x") for n in range(200)),
    "correlations of nothing": correlation("c", *(f"r{n}" for n in range(9_000))),
    "a filter of nothing": f"{HEAD}filter: {{rules: [{_many(9_000, lambda n: f'r{n}')}], selection: {{a: b}}, condition: selection}}\n",
}  # fmt: skip
"""Files of a rule set; each must be refused."""

PIPELINES: dict[str, str] = {
    "a billion laughs": f"{_laughs(64)}\nname: x\ntransformations: []\n",
    "a list that holds itself": "name: x\ntransformations: &t [*t]\n",
    "a tag that runs code": "!!python/object/apply:os.system [id]\n",
    "a hundred thousand brackets": "[" * 100_000,
    "a gigantic file": "a: b\n" * MIB,
}


def prove(folder: Path) -> Outcome:
    """Load every bomb by itself."""
    outcome = Outcome()
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in BOMBS.items():
        path = folder / "bomb.yml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        _try(name, partial(_rules, path), outcome)
    for name, text in PIPELINES.items():
        path = folder / "pipeline.yml"
        path.write_text(text)
        _try(f"pipeline: {name}", partial(_pipeline, path), outcome)
    return outcome


def _try(name: str, refusal: Callable[[], str], outcome: Outcome) -> None:
    took_ms = LIMIT_MS + 1
    for _ in range(TRIES):
        if took_ms > LIMIT_MS:
            started = time.thread_time()
            reason = refusal()
            took_ms = min(took_ms, (time.thread_time() - started) * 1_000)
    outcome.took_ms[name], outcome.reasons[name] = round(took_ms, 1), reason
    if not reason:
        outcome.problems.append(f"{name}: not refused")
    if took_ms > LIMIT_MS:
        outcome.problems.append(f"{name}: refused after {took_ms:.0f} ms or more")


def _rules(path: Path) -> str:
    """Return why a file is refused; empty if anything in it would run."""
    loaded = load_rules([path], builtin=False)
    plan, faults = build_plan(loaded.rules, loaded.filters, loaded.correlations)
    found = [*loaded.faults, *faults]
    if plan.rules or plan.correlations or plan.filters or not found:
        return ""
    return f"line {found[0].line}: {found[0].problem}"[:160]


def _pipeline(path: Path) -> str:
    try:
        read_adaptation({}, [path])
    except ConfigurationError as error:
        return error.faults[0].problem[:160]
    return ""
