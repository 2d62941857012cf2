"""What the verifier found: findings that name entries, in the reader's language."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Language = Literal["en", "vi"]
FINDINGS_MAX = 1_000
"""A file of rubbish must not fill the memory: beyond this, findings are only counted."""

TEXTS: dict[str, tuple[str, str]] = {
    "file missing": (
        "the file {name} is missing",
        "thiếu tệp {name}",
    ),
    "no entry": (
        "line {line} is not an entry as Luytre writes it",
        "dòng {line} không phải là bản ghi do Luytre viết",
    ),
    "wrong number": (
        (
            "where entry {first} should stand, entry {found} stands: entries were deleted, inserted or"
            " moved here"
        ),
        (
            "vị trí của bản ghi {first} lại là bản ghi {found}: đã có bản ghi bị xóa, chèn hoặc"
            " đổi chỗ"
        ),
    ),
    "broken chain": (
        (
            "entry {last} does not continue entry {first}: one of them was altered, or something"
            " between them is gone"
        ),
        (
            "bản ghi {last} không nối tiếp bản ghi {first}: một trong hai đã bị sửa, hoặc phần ở giữa"
            " đã mất"
        ),
    ),
    "detail differs": (
        "the detail of entry {first} is not what the entry recorded",
        "chi tiết của bản ghi {first} không khớp với bản ghi",
    ),
    "detail gone": (
        "the detail of entry {first} is gone, and no entry says that it was erased",
        "chi tiết của bản ghi {first} đã mất mà không có bản ghi nào về việc xóa",
    ),
    "stray detail": (
        "{name} has a line that belongs to no entry, near entry {first}",
        "{name} có dòng không thuộc bản ghi nào, gần bản ghi {first}",
    ),
    "root differs": (
        (
            "entries {first} to {last}: they are not the ones that the checkpoint of {size} entries"
            " signs"
        ),
        (
            "các bản ghi {first} đến {last}: không phải là những bản ghi mà điểm kiểm {size} bản ghi"
            " đã ký"
        ),
    ),
    "no checkpoint": (
        "{name} has a line that is no checkpoint ({line})",
        "{name} có dòng không phải là điểm kiểm ({line})",
    ),
    "wrong signature": (
        "the checkpoint of {size} entries is not signed by the trusted key",
        "điểm kiểm {size} bản ghi không được ký bằng khóa tin cậy",
    ),
    "other key": (
        "the export names another key than {name}",
        "bản xuất dùng khóa khác với {name}",
    ),
    "other origin": (
        "the checkpoint of {size} entries is of another history: {name}",
        "điểm kiểm {size} bản ghi thuộc lịch sử khác: {name}",
    ),
    "not signed": (
        (
            "entries {first} to {last} are under no checkpoint: a newer one was taken away, or the"
            " signer did not run when this was exported"
        ),
        (
            "các bản ghi {first} đến {last} không có điểm kiểm: điểm kiểm mới hơn đã bị lấy đi, hoặc"
            " bộ ký không chạy khi xuất"
        ),
    ),
    "truncated": (
        "entries {first} to {last} are missing at the end: {name} knows {size}",
        "thiếu các bản ghi {first} đến {last} ở cuối: {name} biết {size}",
    ),
    "not the anchored": (
        "entries {first} to {last}: they are not the ones that {name} keeps",
        "các bản ghi {first} đến {last}: không phải là những bản ghi mà {name} giữ",
    ),
    "anchor copy gone": (
        "entry {first} records an anchor of {size} entries, whose copy is not in the export",
        "bản ghi {first} ghi nhận điểm neo {size} bản ghi, nhưng bản sao không có trong bản xuất",
    ),
    "anchor gone": (
        "entry {first} records an anchor of {size} entries at {name}, and it is not there",
        "bản ghi {first} ghi nhận điểm neo {size} bản ghi ở {name}, nhưng không có ở đó",
    ),
    "anchor damaged": (
        "the anchor {name} cannot be relied on: {reason}",
        "không thể dựa vào điểm neo {name}: {reason}",
    ),
    "pack file twice": ("the pack holds {name} twice", "gói chứa {name} hai lần"),
    "pack file differs": (
        "{name} is not what was packed",
        "{name} không phải là nội dung đã đóng gói",
    ),
    "pack file stray": (
        "{name} is in the pack, but pack.json does not name it",
        "{name} có trong gói nhưng pack.json không nêu tên",
    ),
    "pack file unreadable": ("{name} cannot be read", "không đọc được {name}"),
    "pack entry gone": (
        "the history's entry that says what was packed is not in the pack",
        "bản ghi lịch sử về việc đóng gói không có trong gói",
    ),
    "pack entry missing": (
        "entry {first} about the incident was packed, and is not there any more",
        "bản ghi {first} về sự cố đã được đóng gói nhưng không còn trong gói",
    ),
    "pack entry stray": (
        "entry {first} is in the pack, but was not packed",
        "bản ghi {first} có trong gói nhưng không phải do lần đóng gói này",
    ),
    "pack entries out of order": (
        "the history's entries in the pack are not in their order, or one is there twice",
        "các bản ghi lịch sử trong gói không đúng thứ tự hoặc có bản ghi lặp lại",
    ),
    "pack entry unreadable": (
        "entry {first} is not an entry as Luytre writes it",
        "bản ghi {first} không phải là bản ghi do Luytre viết",
    ),
    "pack signature": (
        "the pack's checkpoint is not signed by the trusted key",
        "điểm kiểm của gói không được ký bằng khóa tin cậy",
    ),
    "pack not the anchored": (
        "the pack's checkpoint is not the one that {name} keeps",
        "điểm kiểm của gói không phải là điểm kiểm mà {name} giữ",
    ),
    "not proven": (
        "entry {first} is not under the signed checkpoint: its proof does not lead there",
        "bản ghi {first} không thuộc điểm kiểm đã ký: bằng chứng không dẫn tới đó",
    ),
    "entry not the anchored": (
        "entry {first} is not the one that {name} keeps",
        "bản ghi {first} không phải là bản ghi mà {name} giữ",
    ),
    "other manifest": (
        "entry {first} says that another pack.json was packed: the list of files was altered",
        "bản ghi {first} nói rằng pack.json khác đã được đóng gói: danh sách tệp đã bị sửa",
    ),
    "wrong alert id": (
        "{name}: the alert's id is not made of its rule and its event",
        "{name}: mã cảnh báo không khớp với luật và sự kiện của nó",
    ),
    "wrong event id": (
        "{name}: the event's id is not made of its origin, position and bytes",
        "{name}: mã sự kiện không khớp với nguồn gốc, vị trí và nội dung",
    ),
    "not its event": (
        "{name}: the alert's event is not the one in raw/",
        "{name}: sự kiện của cảnh báo không phải là tệp trong raw/",
    ),
    "not in history": (
        "{name}: no entry of the history names this alert",
        "{name}: không có bản ghi lịch sử nào nêu cảnh báo này",
    ),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that an honest history does not have. Entries ``first`` to ``last`` are named."""

    code: str
    first: int = -1
    last: int = -1
    size: int = -1
    line: int = -1
    found: int = -1
    name: str = ""
    reason: str = ""

    def text(self, language: Language) -> str:
        """Return the finding as a sentence."""
        words = {
            "first": self.first,
            "last": self.last,
            "size": self.size,
            "line": self.line,
            "found": self.found,
            "name": self.name,
            "reason": self.reason,
        }
        return TEXTS[self.code][language == "vi"].format(**words)


@dataclass(slots=True)
class Report:
    """All that was found. ``whole`` is the verdict."""

    entries: int = 0
    first_at: str = ""
    last_at: str = ""
    checkpoints: int = 0
    erased: int = 0
    key: str = ""
    key_is_from_outside: bool = False
    anchored: int = 0
    anchors: list[str] = field(default_factory=list)
    clock_went_back: list[int] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    more: int = 0

    @property
    def whole(self) -> bool:
        return not self.findings

    def add(self, finding: Finding) -> None:
        """Add a finding, or count it if there are too many."""
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(finding)
        else:
            self.more += 1

    def names(self, seq: int) -> bool:
        """Tell whether a finding names this entry."""
        return any(f.first <= seq <= max(f.first, f.last) for f in self.findings if f.first >= 0)
