"""Checks the evidence of one incident: a file that `luytre incidents pack` made.

Every step is one that can be repeated by hand: the bytes have the digests that ``pack.json`` names,
an entry of the history has the digest of ``pack.json``, and a proof after RFC 6962 leads from the
entry to a signed checkpoint. An event's id is made of its bytes, an alert's id of rule and event,
and the history names the alert: so nothing of it can be exchanged.
"""

from __future__ import annotations

import base64
import json
import re
import zipfile
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from typing import TYPE_CHECKING, Any

from luytre_verify.checkpoint import HASH_BYTES, Key, Note, Unreadable, read_key, read_note
from luytre_verify.entry import Entry, read_entry
from luytre_verify.report import FINDINGS_MAX, Finding
from luytre_verify.tree import is_included, leaf_hash

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from luytre_verify.anchor import Anchor

MANIFEST, CUSTODY = "pack.json", "custody/"
ENTRIES, CHECKPOINT, KEY = (CUSTODY + name for name in ("entries.ndjson", "checkpoint", "key.txt"))
FILE_BYTES_MAX = 512 * 2**20
"""Of one file: a pack that unpacks to more is no evidence but a bomb."""


SPAN = re.compile(r"([0-9]{1,15})(?:-([0-9]{1,15}))?", re.ASCII)


@dataclass(slots=True)
class PackReport:
    """What the pack is, and what was found. ``whole`` is the verdict."""

    incident: int = 0
    organization: str = ""
    made_by: str = ""
    manifest: str = ""
    files: int = 0
    alerts: int = 0
    entries: int = 0
    packed_seq: int = -1
    packed_by: str = ""
    packed_at: str = ""
    size: int = 0
    key: str = ""
    key_is_from_outside: bool = False
    anchored: dict[str, int] = field(default_factory=dict)
    """How many of the pack's entries each anchor keeps too."""
    missing: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        return not self.findings

    def add(self, code: str, name: str = "", reason: str = "", seq: int = -1) -> None:
        """Add a finding; a pack of rubbish does not fill the memory."""
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(Finding(code, first=seq, last=seq, name=name, reason=reason))


def verify_pack(path: Path, anchors: Sequence[Anchor] = (), key: Key | None = None) -> PackReport:
    """Verify a pack. ``key`` and ``anchors`` are what the reader has from elsewhere.

    Raises:
        Unreadable: the file is no pack at all.
    """
    try:
        with zipfile.ZipFile(path) as file:
            check = _Check(file, anchors)
            check.manifest()
            check.evidence()
            check.custody(key)
            check.alerts()
            return check.report
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError) as error:
        raise Unreadable(f"{path} is no pack: {error}") from error


class _Check:
    """The steps, each of which adds what it finds."""

    def __init__(self, file: zipfile.ZipFile, anchors: Sequence[Anchor]) -> None:
        self._file, self._anchors = file, [a for a in anchors if not a.damage]
        self.report = PackReport()
        for anchor in anchors:
            if anchor.damage:
                self.report.add("anchor damaged", anchor.name, anchor.damage)
        self._named: dict[str, dict[str, Any]] = {}
        self._told: set[str] = set()
        self._seqs: list[int] = []
        self._history, self._manifest_told = "", ""
        self._is_erased = False
        names = file.namelist()
        for name in sorted({name for name in names if names.count(name) > 1}):
            self.report.add("pack file twice", name)

    def _read(self, name: str) -> bytes | None:
        try:
            if self._file.getinfo(name).file_size > FILE_BYTES_MAX:
                return None
            return self._file.read(name)
        except (KeyError, OSError, zipfile.BadZipFile, ValueError, RuntimeError):
            return None

    def manifest(self) -> None:
        """Read what the pack says it holds. Raises ``Unreadable``."""
        data = self._read(MANIFEST)
        read = _document(data)
        if data is None or read is None or not isinstance(read.get("files"), dict):
            raise Unreadable(f"has no {MANIFEST} that can be read: it is no pack")
        report = self.report
        report.manifest = sha256(data).hexdigest()
        report.incident, report.made_by = _int(read.get("incident")), str(read.get("made by"))
        report.organization = str(read.get("organization"))
        report.missing = [str(each) for each in read.get("missing") or []]
        self._named = {str(k): v for k, v in read["files"].items() if isinstance(v, dict)}
        report.files = len(self._named)

    def evidence(self) -> None:
        """Compare every file with its digest."""
        for name, facts in self._named.items():
            data = self._read(name)
            if data is None:
                self.report.add("file missing", name)
            elif sha256(data).hexdigest() != facts.get("sha256"):
                self.report.add("pack file differs", name)
        known = {*self._named, MANIFEST, ENTRIES, CHECKPOINT, KEY}
        for name in sorted(set(self._file.namelist()) - known):
            self.report.add("pack file stray", name)

    def custody(self, key: Key | None) -> None:
        """Check the entries, their proofs, and the checkpoint that they lead to."""
        note = self._note(key)
        lines = (self._read(ENTRIES) or b"").split(b"\n")
        if lines.pop():
            self.report.add("pack entry unreadable", seq=len(lines))
        for line in lines:
            self._entry(line, note)
        self._is_complete()

    def _is_complete(self) -> None:
        """Compare the entries that are here with those that the last of them names."""
        if not self._seqs or self.report.packed_seq != self._seqs[-1]:
            self.report.add("pack entry gone")
            return
        if self._manifest_told != self.report.manifest:
            self.report.add("other manifest", seq=self.report.packed_seq)
        here, told = set(self._seqs[:-1]), list(_spans(self._history))
        if self._seqs[:-1] != sorted(here):
            self.report.add("pack entries out of order")
        for seq in sorted(here):
            if not any(first <= seq <= last for first, last in told):
                self.report.add("pack entry stray", seq=seq)
        missing = (n for first, last in told for n in range(first, last + 1) if n not in here)
        for seq in islice(missing, FINDINGS_MAX):
            self.report.add("pack entry missing", seq=seq)

    def _note(self, key: Key | None) -> Note | None:
        outside = key or next((a.key for a in self._anchors if a.key), None)
        try:
            written = (self._read(KEY) or b"").decode()
            inside = read_key(written)
            if written != f"{written.strip()}\n":
                raise Unreadable("has more in it than the key")
            note = read_note((self._read(CHECKPOINT) or b"").decode())
        except ValueError:
            self.report.add("no checkpoint", CHECKPOINT)
            return None
        trusted = outside or inside
        self.report.key = f"{trusted.name}+{trusted.id.hex()}"
        self.report.key_is_from_outside = outside is not None
        if outside and outside != inside:
            self.report.add("other key", self.report.key)
        if not note.is_signed_by(trusted):
            self.report.add("pack signature")
            return None
        self.report.size = note.size
        for anchor in self._anchors:
            if note.size in anchor.roots and anchor.roots[note.size] != note.root:
                self.report.add("pack not the anchored", anchor.name)
        return note

    def _entry(self, line: bytes, note: Note | None) -> None:
        """Check one entry; the last one that packs this incident says what was packed."""
        read = _document(line) or {}
        seq, text, detail = _int(read.get("seq")), str(read.get("entry")), read.get("detail")
        entry = read_entry(text.encode("utf-8", "replace"))
        if entry is None or entry.seq != seq or line != _written(read):
            self.report.add("pack entry unreadable", seq=seq)
            return
        self.report.entries += 1
        self._seqs.append(seq)
        leaf = leaf_hash(text.encode())
        if note is not None and not _is_proven(read.get("proof"), seq, leaf, note):
            self.report.add("not proven", seq=seq)
        for anchor in self._anchors:
            kept = anchor.leaves[seq * HASH_BYTES : (seq + 1) * HASH_BYTES]
            if kept and kept != leaf:
                self.report.add("entry not the anchored", anchor.name, seq=seq)
            elif kept:
                self.report.anchored[anchor.name] = self.report.anchored.get(anchor.name, 0) + 1
        if not isinstance(detail, str):
            self._is_erased = True
            return
        if sha256(detail.encode("utf-8", "replace")).hexdigest().encode() != entry.detail:
            self.report.add("detail differs", seq=seq)
            return
        told = _document(detail.encode()) or {}
        self._told.update(_alerts(told), _alerts(told.get("after")))
        self._packed(entry, text, told)

    def _packed(self, entry: Entry, text: str, told: dict[str, Any]) -> None:
        if entry.action == b"incident.pack" and entry.subject == f"incident:{self.report.incident}":
            self.report.packed_seq, self._history = entry.seq, str(told.get("history"))
            self.report.packed_at = entry.at.decode()
            self.report.packed_by = str(json.loads(text)["actor"]["user"])
            self._manifest_told = str(told.get("manifest"))

    def alerts(self) -> None:
        """Check that ids are made of what they must be, down to the raw bytes."""
        for name in sorted(self._named):
            if name.startswith("alerts/"):
                self.report.alerts += 1
                self._alert(name, _document(self._read(name)))
        for line in (self._read("events.ndjson") or b"").splitlines():
            self._event(_document(line) or {})

    def _alert(self, name: str, alert: dict[str, Any] | None) -> None:
        if alert is None:
            self.report.add("pack file unreadable", name)
            return
        event, episode = str(alert.get("event_id")), alert.get("episode")
        rule = alert.get("rule")
        rule_id = str(rule.get("id")) if isinstance(rule, dict) else ""
        if not episode and alert.get("id") != _digest(f"{rule_id}\n{event}"):
            self.report.add("wrong alert id", name)
        if not episode and self._read(f"raw/{event}") != _decoded(alert.get("original")):
            self.report.add("not its event", name)
        if not self._is_erased and str(episode or alert.get("id")) not in self._told:
            self.report.add("not in history", name)

    def _event(self, told: dict[str, Any]) -> None:
        name = f"raw/{told.get('event.id')}"
        raw = self._read(name)
        if raw is None:
            self.report.add("file missing", name)
            return
        origin, position = told.get("luytre.origin"), told.get("luytre.position")
        if origin is None or position is None:
            return
        made = _digest(f"{origin}\n{position}\n{sha256(raw).hexdigest()}")
        if made != told.get("event.id"):
            self.report.add("wrong event id", name)


def _is_proven(proof: object, seq: int, leaf: bytes, note: Note) -> bool:
    try:
        nodes = [bytes.fromhex(str(node)) for node in proof] if isinstance(proof, list) else []
    except ValueError:
        return False
    return is_included(leaf, seq, note.size, nodes, note.root)


def _alerts(told: object) -> Iterator[str]:
    """Yield the alerts that came into an incident, or moved from one to another."""
    alerts = told.get("alerts") if isinstance(told, dict) else None
    yield from map(str, alerts if isinstance(alerts, list) else [])


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield first and last of each span of numbers: ``2,5,7-9``."""
    for each in SPAN.findall(text):
        yield int(each[0]), int(each[1] or each[0])


def _written(read: dict[str, Any]) -> bytes:
    """Return a line of ``custody/entries.ndjson`` as Luytre writes it: one text for one meaning."""
    proof = read.get("proof")
    proof = [str(node).lower() for node in proof] if isinstance(proof, list) else proof
    told = {key: read.get(key) for key in ("detail", "entry")} | {"proof": proof}
    text = json.dumps(told | {"seq": read.get("seq")}, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def _document(data: bytes | None) -> dict[str, Any] | None:
    try:
        read = json.loads(data) if data is not None else None
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) else None


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _decoded(text: object) -> bytes:
    try:
        return base64.b64decode(str(text), validate=True)
    except ValueError:
        return b""


def _int(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else -1


def pack_lines(report: PackReport, *, vi: bool) -> Iterator[str]:
    """Yield what a person reads."""
    yield from (finding.text("vi" if vi else "en") for finding in report.findings)
    yield (
        f"sự cố {report.incident} ({report.organization}): {report.alerts} cảnh báo,"
        f" {report.files} tệp, {report.entries} bản ghi lịch sử"
        if vi
        else f"incident {report.incident} ({report.organization}): {report.alerts} alerts,"
        f" {report.files} files, {report.entries} entries of the history"
    )
    if report.packed_by:
        yield (
            f"đóng gói bởi {report.packed_by} lúc {report.packed_at}, bản ghi {report.packed_seq}"
            if vi
            else f"packed by {report.packed_by} at {report.packed_at}, entry {report.packed_seq}"
        )
    for each in report.missing:
        yield f"không có trong gói: {each}" if vi else f"not in the pack: {each}"
    yield (
        f"điểm kiểm {report.size} bản ghi; khóa {report.key}"
        if vi
        else f"checkpoint of {report.size} entries; key {report.key}"
    )
    if not report.key_is_from_outside:
        yield (
            "khóa lấy từ chính gói này: hãy so với khóa bạn có từ nơi khác"
            if vi
            else "the key is the pack's own: compare it with one that you have from elsewhere"
        )
    for name, count in report.anchored.items():
        yield (
            f"{name} giữ {count} trong {report.entries} bản ghi này"
            if vi
            else f"{name} keeps {count} of these {report.entries} entries"
        )
    yield ("NGUYÊN VẸN" if vi else "WHOLE") if report.whole else ("ĐÃ BỊ SỬA" if vi else "ALTERED")
