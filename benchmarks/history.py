"""How fast a history is written, anchored, exported, verified: ``python -m benchmarks.history``."""

import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

from luytre.audit.anchors import anchor_in
from luytre.audit.database import CaseDatabase, Room
from luytre.audit.export import export
from luytre.audit.signer import Signer
from luytre.core.actor import Actor
from luytre.core.clock import ManualClock
from luytre.core.database import snapshot
from luytre.core.organization import Scope

ENTRIES, EACH = 1_000_000, 1_000
ROOM = Room("bench", ["CREATE TABLE things (n INTEGER)"], {"incident.comment": "triage"})
ACTOR = Actor("lan", frozenset({"analyst", "auditor"}), Scope.everything(), "command line")


@dataclass(frozen=True, slots=True)
class Figures:
    """Seconds, but for what says otherwise."""

    entries: int
    write_s: float
    anchor_s: float
    export_s: float
    verify_s: float
    verify_cpu_s: float
    proof_ms: float
    proof_bytes: int
    export_bytes: int


def measure(entries: int = ENTRIES) -> Figures:
    """Write ``entries`` entries in changes of a thousand, and time what follows."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clock = ManualClock()
        cases = CaseDatabase(folder / "cases.sqlite", Signer(folder / "signer"), clock, [ROOM])
        write_s = _timed(lambda: _write(cases, clock, entries))
        anchor_s = _timed(lambda: anchor_in(cases, ACTOR, folder / "usb"))
        export_s = _timed(lambda: export(cases, ACTOR, folder / "export"))
        size = cases.book.size()
        with snapshot(cases.connection):
            proof: list[bytes] = []
            proof_s = _timed(lambda: proof.extend(cases.book.inclusion(size // 3, size)))
        cases.close()
        cpu_s = _children_cpu_s()
        verify_s = _timed(lambda: _verify(folder))
        verify_cpu_s = _children_cpu_s() - cpu_s
        total = sum(path.stat().st_size for path in (folder / "export").iterdir())
    return Figures(
        size, write_s, anchor_s, export_s, verify_s, verify_cpu_s, proof_s * 1e3,
        sum(map(len, proof)), total,
    )  # fmt: skip


def _children_cpu_s() -> float:
    """Return what ended child processes have used: other work on the machine does not count."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _write(cases: CaseDatabase, clock: ManualClock, entries: int) -> None:
    for start in range(0, entries, EACH):
        clock.advance(60)
        with cases.change(ACTOR) as change:
            for number in range(start, start + EACH):
                change.record(
                    "incident.comment",
                    f"incident:{number % 5000}",
                    organization="so-y-te",
                    before={"state": "new"},
                    after={"state": "in progress", "comment": "Đã gọi điện cho cán bộ phụ trách"},
                )


def _verify(folder: Path) -> None:
    command = [sys.executable, "-m", "luytre_verify", str(folder / "export")]
    subprocess.run([*command, "--anchor", str(folder / "usb")], check=True, stdout=sys.stderr)


def _timed(work: object) -> float:
    start_s = time.perf_counter()
    assert callable(work)
    work()
    return time.perf_counter() - start_s


if __name__ == "__main__":
    print(msgspec.json.encode(asdict(measure())).decode())
