"""Proof: whatever bytes arrive, each line ends as one event or one reject, and nothing crashes.

Lines of real logs are mutated at random (seeded) and run through intake, enrichment and matching.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ingest.intake import Intake
from ingest.shippers.stamp import Stamp
from luytre.core.clock import SystemClock
from luytre.core.config import Config
from luytre.core.message import Message, Record
from luytre.processor import build
from luytre.processor.content import content

ARCHIVES = (
    "evtx-attack.jsonl",
    "evtx-misc.jsonl",
    "linux-audit",
    "web-access",
    "zeek",
    "suricata",
    "cloud",
    "postfix-grok-tests",
    "crowdsec-hub-tests",
    "fail2ban-logs",
)
"""Where real lines come from: every decoder has some."""

HINTS = (*["auto"] * 24, "windows", "auth", "nginx", "postfix", "zimbra", "zeek", "syslog")
NASTY = (
    b"\x00", b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"\\ud800", b"\\u0000", b'"', b"\\", b"{", b"[" * 2000,
    b"1e999999", b"-0", b"null", b"\x1b[31m", b"\xe2\x80\xae", b"%00%0a", b"9" * 400, b'":"', b"\xef\xbf\xbf",
)  # fmt: skip
LINES_PER_FILE_MAX, LINES_PER_PART_MAX = 400, 300
LINE_BYTES_MAX = 16_384


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the lines. ``events`` + ``rejects`` must be ``lines``."""

    lines: int
    events: int
    rejects: int
    alerts: int


def corpus(shared_data: Callable[[str], Path]) -> list[bytes]:
    """Return real lines that are read as they are, at most ``LINES_PER_PART_MAX`` of each part."""
    by_part: dict[str, list[bytes]] = {}
    intake, now = Intake(lambda _part: frozenset()), SystemClock().now()
    for archive in ARCHIVES:
        for path in sorted(p for p in shared_data(archive).rglob("*") if p.is_file()):
            with path.open("rb") as stream:
                found = [line for _, line in zip(range(LINES_PER_FILE_MAX), stream, strict=False)]
            kept = [line.strip() for line in found if 0 < len(line.strip()) <= LINE_BYTES_MAX]
            stamp = Stamp("proof/corpus", str(path), "proof", path=path.name)
            message = stamp.lines(b"\n".join(kept), 0, len(kept), "seq")
            for batch in intake([Record("corpus", 0, 0, now, message)]) if kept else []:
                lines = by_part.setdefault(batch.part.name, [])
                lines += batch.events["event.original"].to_list()
    return [line for lines in by_part.values() for line in lines[:LINES_PER_PART_MAX]]


def mutated(lines: list[bytes], chance: random.Random) -> bytes:
    """Return one real line with one to three wounds, more often fewer."""
    line = bytearray(chance.choice(lines))
    for _ in range(min(chance.randint(1, 3), chance.randint(1, 3))):
        _wound(line, lines, chance)
    return bytes(line).replace(b"\n", b" ")


def _wound(line: bytearray, lines: list[bytes], chance: random.Random) -> None:
    at = chance.randrange(len(line) + 1)
    match chance.randrange(7):
        case 0 if line:
            line[at % len(line)] = chance.randrange(256)
        case 1:
            del line[at : at + chance.randint(1, 64)]
        case 2:
            line[at:at] = chance.choice(NASTY)
        case 3:
            del line[at:]
        case 4:
            line[at:at] = line[at : at + chance.randint(1, 256)]
        case 5:
            other = chance.choice(lines)
            line[at:] = other[chance.randrange(len(other)) :]
        case _:
            line[at:at] = chance.randbytes(chance.randint(1, 8))


def prove(lines: list[bytes], *, count: int, seed: int) -> Outcome:
    """Run ``count`` mutated lines through everything that a line meets."""
    config = Config()
    scanner = build.scanner(config, content(config), SystemClock())
    made = 0

    def messages() -> Iterator[Message]:
        nonlocal made
        chance = random.Random(seed)
        while made < count:
            chunk = [mutated(lines, chance) for _ in range(min(1000, count - made))]
            kept = [line for line in chunk if line.strip()]
            stamp = Stamp("proof/mutate", f"seed {seed}", "proof", chance.choice(HINTS))
            yield stamp.lines(b"\n".join(kept), made, len(kept), "seq")
            made += len(kept)

    for _found in scanner.run(messages()):
        continue
    scanned = scanner.scanned
    return Outcome(made, scanned.events, scanned.rejects, scanned.alerts)
