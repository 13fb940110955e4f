# SPDX-License-Identifier: Apache-2.0
"""report.md; its plots are the SVG files beside it."""

import re

from .picture import Plot
from .sections import Report
from .table import Cell, Table


def render(report: Report, title: str) -> str:
    out = [f"# {escape(title)}\n"]
    for section in report.sections:
        out.append(f"{'#' * section.level} {escape(section.title)}\n")
        out += [escape(paragraph) + "\n" for paragraph in section.intro]
        if section.warnings:
            out.append("\n".join(f"- Note: {escape(warning)}" for warning in section.warnings) + "\n")
        out += [plot(part) if isinstance(part, Plot) else table(part) for part in section.parts]
    out += ["## Columns\n", columns(report)]
    return "\n".join(out)


def plot(part: Plot) -> str:
    return f"![{escape(part.title)}](plots/{part.name}.svg)\n\n{escape(part.title)}. {escape(part.caption)}\n"


def table(part: Table) -> str:
    lines = [f"**{escape(part.title)}**\n",
             "| " + " | ".join(escape(f"{column.name} (paper)" if column.paper else column.name) for column in part.columns) + " |",
             "|" + "|".join("---:" if column.numeric else "---" for column in part.columns) + "|"]
    lines += ["| " + " | ".join(cell_text(cell) for cell in row) + " |" for row in part.rows]
    if part.note:
        lines.append("\n" + escape(part.note))
    return "\n".join(lines) + "\n"


def columns(report: Report) -> str:
    """What the headings mean, each once."""
    hints = {}
    for section in report.sections:
        for part in section.parts:
            if isinstance(part, Table):
                hints |= {f"{column.name}: {column.hint}": None for column in part.columns if column.hint}
    return "\n".join(f"- {escape(hint)}" for hint in hints) + "\n"


def cell_text(cell: Cell) -> str:
    return escape(f"{cell.text} {cell.interval}".strip())


def escape(value: str) -> str:
    """Text that Markdown and its HTML leave as it is."""
    value = re.sub(r"[\x00-\x1f\x7f\u2028\u2029]+", " ", value)
    value = re.sub(r"([\\`*_{}|\[\]])", r"\\\1", value)
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
