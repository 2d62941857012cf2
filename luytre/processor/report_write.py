"""A report as HTML to print, as CSV, or as DOCX to go on writing in."""

from __future__ import annotations

import csv
import io
import re
from html import escape
from typing import TYPE_CHECKING

import docx
from docx.shared import Pt

from playbooks.paper import STYLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from docx.document import Document

    from luytre.processor.report_form import Report, Section

NONE = {"vi": "Không có.", "en": "None."}
_FORMULA = re.compile(r"^\s*[=+\-@\t\r]")
# XML 1.0 has no place for these; log content does.
_NO_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


def html(report: Report) -> bytes:
    """Return a page that prints on A4; every text is escaped."""
    sections = "".join(_html_section(section, report.language) for section in report.sections)
    page = (
        f'<!doctype html>\n<html lang="{report.language}"><head><meta charset="utf-8">'
        f"<title>{escape(report.title)}</title><style>{STYLE}</style></head><body>"
        f"<h1>{escape(report.title)}</h1><p class=small>{escape(report.basis)}</p>{sections}"
        "</body></html>\n"
    )
    return page.encode("utf-8", "backslashreplace")


def _html_section(section: Section, language: str) -> str:
    head = f"<h2>{escape(section.heading)}</h2>"
    if section.blanks:
        lines = "<span class=line></span>" * 3
        return head + "".join(f"<p>{escape(blank)}:{lines}</p>" for blank in section.blanks)
    if section.table is None or not section.table.rows:
        return f"{head}<p>{NONE[language]}</p>"
    columns = "".join(f"<th>{escape(column)}</th>" for column in section.table.columns)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
        for row in section.table.rows
    )
    return f"{head}<table><thead><tr>{columns}</tr></thead>{rows}</table>"


def as_csv(report: Report) -> bytes:
    """Return one CSV file, section after section, that no spreadsheet takes for formulas."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([report.title, report.basis])
    for section in report.sections:
        writer.writerow([])
        writer.writerow([section.heading])
        if section.table is not None:
            writer.writerow(section.table.columns)
            writer.writerows([[_plain(cell) for cell in row] for row in section.table.rows])
        writer.writerows([[blank, ""] for blank in section.blanks])
    # The mark at the beginning is what makes Excel read UTF-8.
    return out.getvalue().encode("utf-8-sig", "backslashreplace")


def _plain(cell: str) -> str:
    return f"'{cell}" if _FORMULA.match(cell) else cell


def as_docx(report: Report) -> bytes:
    """Return a Word document."""
    document = docx.Document()
    document.styles["Normal"].font.name = "Times New Roman"
    document.styles["Normal"].font.size = Pt(12)
    document.add_heading(_xml(report.title), 0)
    document.add_paragraph(_xml(report.basis))
    for section in report.sections:
        _docx_section(document, section, report.language)
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def _docx_section(document: Document, section: Section, language: str) -> None:
    document.add_heading(_xml(section.heading), 2)
    for blank in section.blanks:
        document.add_paragraph(f"{_xml(blank)}: {'.' * 120}")
    table = section.table
    if table is None or not table.rows:
        if not section.blanks:
            document.add_paragraph(NONE[language])
        return
    grid = document.add_table(rows=0, cols=len(table.columns), style="Table Grid")
    for row in [table.columns, *table.rows]:
        for cell, value in zip(grid.add_row().cells, row, strict=True):
            cell.text = _xml(value)


def _xml(value: str) -> str:
    return _NO_XML.sub(lambda found: f"\\x{ord(found[0]):02x}", value)


WRITERS: dict[str, Callable[[Report], bytes]] = {"html": html, "csv": as_csv, "docx": as_docx}
"""Every format, by the ending of the file."""
