"""The command ``luytre-verify``."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from luytre_verify.anchor import read_anchor, typed_anchor
from luytre_verify.checkpoint import Unreadable, read_key
from luytre_verify.pack import pack_lines, verify_pack
from luytre_verify.verify import verify

if TYPE_CHECKING:
    from collections.abc import Iterator

    from luytre_verify.pack import PackReport
    from luytre_verify.report import Language, Report

WHOLE, ALTERED, UNUSABLE = 0, 1, 2


def main() -> None:
    """Verify, print, and exit with 0 (whole), 1 (altered) or 2 (neither export nor pack)."""
    arguments = _parser().parse_args()
    language: Language = arguments.language
    report: Report | PackReport
    try:
        anchors = [read_anchor(path) for path in arguments.anchor]
        anchors += [typed_anchor(text) for text in arguments.checkpoint]
        key = read_key(arguments.key.read_text(encoding="utf-8")) if arguments.key else None
        if arguments.export.is_file():
            report = verify_pack(arguments.export, anchors, key)
            lines = pack_lines(report, vi=language == "vi")
        else:
            report = verify(arguments.export, anchors, key)
            lines = _lines(report, language)
    except (Unreadable, OSError) as error:
        sys.stderr.write(f"luytre-verify: {_shown(str(error))}\n")
        sys.exit(UNUSABLE)
    if arguments.json:
        found = asdict(report) | {
            "whole": report.whole,
            "findings": [asdict(f) | {"text": f.text(language)} for f in report.findings],
        }
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        for line in lines:
            sys.stdout.write(_shown(line) + "\n")
    sys.exit(WHOLE if report.whole else ALTERED)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="luytre-verify",
        description="Verify a history of Luytre, or the evidence of an incident, offline.",
    )
    parser.add_argument(
        "export",
        type=Path,
        help="the folder that `luytre audit export` made, or the file of `luytre incidents pack`",
    )
    parser.add_argument(
        "--anchor",
        type=Path,
        action="append",
        default=[],
        help="what you kept elsewhere: an anchor folder, or a saved page; may be repeated",
    )
    parser.add_argument(
        "--checkpoint",
        action="append",
        default=[],
        metavar="SIZE:ROOT",
        help="what a printed page says, typed: number of entries and root in hexadecimal",
    )
    parser.add_argument("--key", type=Path, help="a file with the verifier key that you trust")
    parser.add_argument("--language", choices=["en", "vi"], default="en", help="en or vi")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    return parser


def _lines(report: Report, language: Language) -> Iterator[str]:
    vi = language == "vi"
    yield from (finding.text(language) for finding in report.findings)
    if report.more:
        yield f"… (+{report.more})"
    span = f"{report.first_at} - {report.last_at}" if report.entries else "-"
    words = (
        f"{report.entries:,} bản ghi, {span}; {report.checkpoints:,} điểm kiểm; khóa {report.key}"
        if vi
        else f"{report.entries:,} entries, {span}; {report.checkpoints:,} checkpoints; "
        f"key {report.key}"
    )
    yield words
    for seq in report.clock_went_back[:10]:
        yield f"đồng hồ lùi lại ở bản ghi {seq}" if vi else f"the clock went back at entry {seq}"
    yield _window(report, vi=vi)
    if report.whole:
        yield "NGUYÊN VẸN" if vi else "WHOLE"
    else:
        yield "ĐÃ BỊ SỬA" if vi else "ALTERED"


def _window(report: Report, *, vi: bool) -> str:
    """Say what cannot be known: what came after the newest thing that was kept elsewhere."""
    if report.anchors and not report.anchored:
        return (
            "không điểm neo nào khớp với những gì có ở đây"
            if vi
            else "none of the anchors matches what is here"
        )
    if not report.anchored:
        return (
            "không có điểm neo bên ngoài: ai giữ cả cơ sở dữ liệu và khóa ký đều có thể viết lại"
            " toàn bộ"
            if vi
            else "no anchor from outside was given: whoever holds both the database and the"
            " signing key could have written all of this anew"
        )
    last = report.entries - 1
    if report.anchored > last:
        return (
            f"mọi bản ghi đều được neo bên ngoài ({report.anchored})"
            if vi
            else f"all {report.anchored:,} entries are anchored outside"
        )
    return (
        f"bản ghi {report.anchored} đến {last} mới hơn điểm neo cuối: ai giữ cơ sở dữ liệu có thể"
        " cắt đuôi, ai giữ cả khóa ký có thể sửa mà không bị phát hiện"
        if vi
        else f"entries {report.anchored} to {last} are newer than the last anchor: whoever holds"
        " the database could have cut off what followed them, and whoever also holds the signing"
        " key could have altered them"
    )


def _shown(text: str) -> str:
    """Return text that a terminal only shows."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


if __name__ == "__main__":
    main()
