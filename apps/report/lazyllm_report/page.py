# SPDX-License-Identifier: Apache-2.0
"""report.html: one file, nothing fetched, light and dark. It is well-formed XML too, so that a parser can check it."""

import math

from .picture import COLORS, Plot, escape
from .sections import Report, Section
from .style import SCRIPT, STYLE
from .table import Cell, Column, Table

NOTHING_FETCHED = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def render(report: Report, title: str) -> str:
    body = []
    for index, section in enumerate(report.sections):
        body.append(render_section(section, index))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="color-scheme" content="light dark"/>
<meta http-equiv="Content-Security-Policy" content="{NOTHING_FETCHED}"/>
<title>{escape(title)}</title>
<style>
:root {{ {variables(1)} }}
@media (prefers-color-scheme: dark) {{ :root {{ {variables(2)} }} }}
{STYLE}
</style>
</head>
<body>
<header><h1>{escape(title)}</h1></header>
<nav aria-label="Contents"><ul>{contents(report)}</ul></nav>
<main>
{"".join(body)}
</main>
<script>{SCRIPT}</script>
</body>
</html>
"""


def variables(theme: int) -> str:
    return " ".join(f"--{name}: {values[theme]};" for name, values in COLORS.items())


def contents(report: Report) -> str:
    items = []
    for index, section in enumerate(report.sections):
        items.append(f'<li class="level{section.level}"><a href="#s{index}">{escape(section.title)}</a></li>')
    return "".join(items)


def render_section(section: Section, index: int) -> str:
    out = [f'<section id="s{index}"><h{section.level}>{escape(section.title)}</h{section.level}>']
    out += [f'<p class="intro">{escape(paragraph)}</p>' for paragraph in section.intro]
    if section.warnings:
        out.append('<div class="warnings" role="note"><ul>' + "".join(f"<li>{escape(one)}</li>" for one in section.warnings) + "</ul></div>")
    for number, part in enumerate(section.parts):
        out.append(render_plot(part, f"p{index}-{number}") if isinstance(part, Plot) else render_table(part))
    out.append("</section>\n")
    return "".join(out)


def render_plot(plot: Plot, prefix: str) -> str:
    return (f'<figure><h4>{escape(plot.title)}</h4><div class="plot" style="max-width: {plot.width_rem:.1f}rem">{plot.inline(prefix)}</div>'
            f"<figcaption>{escape(plot.caption)}</figcaption></figure>")


def render_table(table: Table) -> str:
    head = "".join(heading(column) for column in table.columns)
    rows = []
    previous = None
    for row in table.rows:
        again = table.group_by_first and previous is not None and row[0].text == previous
        cells = "".join(cell(one, column, again and index == 0) for index, (one, column) in enumerate(zip(row, table.columns)))
        rows.append(f'<tr class="again">{cells}</tr>' if again else f"<tr>{cells}</tr>")
        previous = row[0].text
    note = f'<p class="note">{escape(table.note)}</p>' if table.note else ""
    body = f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>{note}'
    if table.folded:
        return f"<details><summary>{escape(table.title)}</summary>{body}</details>"
    return f'<div class="block"><h4>{escape(table.title)}</h4>{body}</div>'


def classes(column: Column, *more: str) -> str:
    found = [name for name in ("n" if column.numeric else "", "paper" if column.paper else "", *more) if name]
    return f' class="{" ".join(found)}"' if found else ""


def attribute(value: str) -> str:
    return escape(value).replace('"', "&quot;")


def heading(column: Column) -> str:
    hint = f' title="{attribute(column.hint)}"' if column.hint else ""
    tag = '<span class="tag">paper</span>' if column.paper else ""
    return f'<th scope="col"{classes(column)}{hint}><button type="button">{tag}{escape(column.name)}</button></th>'


def cell(one: Cell, column: Column, again: bool) -> str:
    hint = f' title="{attribute(one.hint)}"' if one.hint else ""
    sort = ""
    if isinstance(one.sort, str) or (one.sort is not None and math.isfinite(one.sort)):
        sort = f' data-v="{attribute(str(one.sort))}"'
    interval = f'<span class="interval">{escape(one.interval)}</span>' if one.interval else ""
    text = f"<span>{escape(one.text)}</span>" if again else escape(one.text)
    return f"<td{classes(column, one.tone, 'long' if not column.numeric and len(one.text) > 60 else '')}{hint}{sort}>{text}{interval}</td>"
