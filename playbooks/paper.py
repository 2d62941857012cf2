"""A playbook, or a run of it, on paper: A4 pages to work with while nothing else works.

What is filled in by hand is typed back later: the numbers are those of `luytre playbooks answer`
and `decide`. Everything from a log is escaped; there is no script, picture, or font from elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from playbooks.model import Action

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playbooks.load import Loaded
    from playbooks.rehearse import Rehearsal

PHASES = {
    "en": {"detect": "Detect", "protect": "Protect the scene, collect evidence",
           "contain": "Contain", "classify": "Classify", "recover": "Recover", "trace": "Trace",
           "": "Other steps"},
    "vi": {"detect": "Phát hiện", "protect": "Bảo vệ hiện trường, thu thập chứng cứ",
           "contain": "Ngăn chặn", "classify": "Phân loại", "recover": "Khôi phục",
           "trace": "Truy vết", "": "Bước khác"},
}  # fmt: skip
_WORDS = {
    "en": {"incident": "Incident", "organization": "Organisation", "from": "Began (date, time)",
           "lead": "Incident lead", "step": "Step", "by": "Who", "done": "Done (time, name)",
           "answer": "Result", "agree": "Agrees (name, signature)", "yes": "yes", "no": "no",
           "why": "If not done, why", "page": "Luytre playbook on paper",
           "back": "Type back: luytre playbooks answer RUN NUMBER; what the machine would have "
                   "done and you did by hand: decide RUN NUMBER skip --note ...",
           "signed": "Signed, incident lead", "if": "Only if"},
    "vi": {"incident": "Sự cố", "organization": "Đơn vị", "from": "Bắt đầu (ngày, giờ)",
           "lead": "Chỉ huy ứng cứu", "step": "Bước", "by": "Ai làm", "done": "Xong (giờ, tên)",
           "answer": "Kết quả", "agree": "Đồng ý (họ tên, chữ ký)", "yes": "có", "no": "không",
           "why": "Nếu không làm, vì sao", "page": "Kịch bản Luytre trên giấy",
           "back": "Nhập lại: luytre playbooks answer LƯỢT SỐ; việc máy lẽ ra làm mà bạn đã làm "
                   "tay: decide LƯỢT SỐ skip --note ...",
           "signed": "Chỉ huy ứng cứu ký", "if": "Chỉ khi"},
}  # fmt: skip
STYLE = """
@page { size: A4; margin: 15mm 12mm 15mm 20mm; }
body { font: 10pt/1.35 serif; color: #000; background: #fff; max-width: 178mm; margin: 0 auto; }
h1 { font-size: 15pt; margin: 0 0 2mm; } h2 { font-size: 11.5pt; margin: 5mm 0 1mm; }
table { border-collapse: collapse; width: 100%; } thead { display: table-header-group; }
th, td { border: 0.3mm solid #000; padding: 1.2mm 1.5mm; text-align: left; vertical-align: top; }
th { background: #eee; font-weight: bold; } tr { break-inside: avoid; }
h2 { break-after: avoid; } .n { width: 7mm; } .by { width: 24mm; } .done { width: 30mm; }
.res { width: 40mm; } .line { display: block; border-bottom: 0.2mm dotted #000; height: 6mm; }
.name { font-weight: bold; } .small { font-size: 8.5pt; } .box { font-size: 12pt; }
"""


@dataclass(frozen=True, slots=True)
class PaperStep:
    """One row of the form. What has been done already is printed, not left to be filled in."""

    phase: str
    name: str
    what: str
    by: str
    answers: tuple[str, ...] = ()
    approvals: int = 0
    done: str = ""
    result: str = ""


def rehearsed(outcome: Rehearsal) -> list[PaperStep]:
    """Return the rows of a form to start with: everything that a playbook may ask."""
    return [
        PaperStep(
            line.phase, line.name, line.what, line.by, asked(outcome.playbook, line.step),
            line.approvals,
        )
        for line in outcome.lines
    ]  # fmt: skip


def asked(loaded: Loaded, step: str) -> tuple[str, ...]:
    """Return the variables that a person's step asks for."""
    model = loaded.playbook.workflow.get(step)
    manual = isinstance(model, Action) and model.commands[0].type == "manual"
    return tuple(model.out_args) if manual and isinstance(model, Action) else ()


def form(
    title: str, steps: Sequence[PaperStep], language: str, facts: Sequence[tuple[str, str]] = ()
) -> str:
    """Return the page; ``facts`` are printed at its head, else lines to fill in."""
    words = _WORDS[language]
    head = facts or [(words[name], "") for name in ("incident", "organization", "from", "lead")]
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(value) or _LINE}</td></tr>" for name, value in head
    )
    sections = "".join(_sections(steps, language))
    signed = escape(words["signed"])
    return (
        f'<!doctype html>\n<html lang="{language}"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>"
        f"<h1>{escape(title)}</h1><p class=small>{escape(words['page'])}. {escape(words['back'])}"
        f"</p><table>{rows}</table>{sections}"
        f"<p>{signed}: ______________________________&emsp;____/____/______ ____:____</p>"
        "</body></html>\n"
    )


_LINE = "<span class=line></span>"


def _sections(steps: Sequence[PaperStep], language: str) -> list[str]:
    """Return the steps in their own order, with a heading wherever the phase changes."""
    words = _WORDS[language]
    found: list[str] = []
    before = None
    head = (
        f"<thead><tr><th class=n>#</th><th>{words['step']}</th><th class=by>{words['by']}</th>"
        f"<th class=done>{words['done']}</th><th class=res>{words['answer']}</th></tr></thead>"
    )
    for number, step in enumerate(steps, 1):
        if step.phase != before:
            close = "</table>" if found else ""
            found.append(f"{close}<h2>{PHASES[language][step.phase]}</h2><table>{head}")
            before = step.phase
        found.append(_row(number, step, words))
    return [*found, "</table>"] if found else []


def _row(number: int, step: PaperStep, words: dict[str, str]) -> str:
    done = escape(step.done) or f"<span class=box>&#9744;</span>{_LINE}"
    result = escape(step.result) or _blanks(step, words)
    agree = "".join(
        f"<br><span class=small>{words['agree']}: {_LINE}</span>"
        for _ in range(0 if step.done else step.approvals)
    )
    return (
        f"<tr><td class=n>{number}</td><td><span class=name>{escape(step.name)}</span><br>"
        f"{escape(step.what)}{agree}</td><td>{escape(step.by)}</td><td>{done}</td>"
        f"<td>{result}</td></tr>"
    )


def _blanks(step: PaperStep, words: dict[str, str]) -> str:
    if not step.answers:
        return f"<span class=small>{words['why']}:</span>{_LINE}"
    choice = f"&#9744; {words['yes']} &#9744; {words['no']}"
    return "".join(
        f"<span class=small>{escape(name.strip('_'))}:</span> {choice}{_LINE}"
        for name in step.answers
    )
