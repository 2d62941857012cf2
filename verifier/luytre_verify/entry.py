"""An entry's bytes, taken apart only if they are exactly as Luytre writes them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

# No control characters, no second key, no other order: one text has one meaning.
ESCAPE = rb'\\(?:["\\bfnrt]|u[0-9a-f]{4})'
TEXT = rb'"([^"\\\x00-\x1f]*(?:' + ESCAPE + rb'[^"\\\x00-\x1f]*)*)"'
NUMBER = rb"(0|-?[1-9][0-9]{0,15})"
HASH = rb'"([0-9a-f]{64})"'
AT = rb'"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)"'
ENTRY = re.compile(
    rb'\{"action":' + TEXT
    + rb',"actor":\{"address":' + TEXT
    + rb',"roles":\[(?:"[a-z_]+"(?:,"[a-z_]+")*)?\],"user":' + TEXT
    + rb',"via":' + TEXT
    + rb'\},"at":' + AT
    + rb',"boot":' + TEXT
    + rb',"change":' + TEXT
    + rb',"detail":' + HASH
    + rb',"monotonic_us":' + NUMBER
    + rb',"organization":' + TEXT
    + rb',"previous":' + HASH
    + rb',"seq":' + NUMBER
    + rb',"subject":' + TEXT
    + rb',"v":1\}'
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """What the verifier needs of an entry."""

    action: bytes
    at: bytes
    detail: bytes
    previous: bytes
    seq: int
    raw_subject: bytes

    @property
    def subject(self) -> str:
        text: str = json.loads(b'"' + self.raw_subject + b'"')
        return text


def read_entry(line: bytes) -> Entry | None:
    """Return the entry that a line is, or None."""
    found = ENTRY.fullmatch(line)
    if found is None or not _is_utf8(line):
        return None
    action, _, _, _, at, _, _, detail, _, _, previous, seq, subject = found.groups()
    return Entry(action, at, detail, previous, int(seq), subject)


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True
