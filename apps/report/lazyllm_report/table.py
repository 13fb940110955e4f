# SPDX-License-Identifier: Apache-2.0
"""A table as data, for Markdown and for the page."""

import math
from dataclasses import dataclass, field

from .bootstrap import Estimate

NONE = "–"
BETTER, WORSE = "▲", "▼"


@dataclass
class Cell:
    text: str
    interval: str = ""                # in small type behind or under the text
    sort: float | str | None = None   # None: last, in any order
    hint: str = ""
    tone: str = ""                    # "better", "worse"


@dataclass
class Column:
    name: str
    hint: str = ""
    numeric: bool = True
    paper: bool = False               # the paper's figure, other models: set apart


@dataclass
class Table:
    title: str
    columns: list[Column]
    rows: list[list[Cell]]
    note: str = ""
    folded: bool = False              # behind a click in the page
    group_by_first: bool = field(default=True)   # a line between rows whose first cell differs


def words(value: str) -> Cell:
    return Cell(value, sort=value)


def shown(value: float, form: str) -> str:
    """With a real minus sign, and no sign at what rounds to zero."""
    text = form.format(value)
    if not any(digit in text for digit in "123456789"):
        text = text.lstrip("+-")
    return text.replace("-", "−")


def number(value: float, form: str) -> Cell:
    return Cell(shown(value, form), sort=value) if math.isfinite(value) else Cell(NONE)


def bare(form: str) -> str:
    """The form without its unit, for intervals."""
    return form[:form.index("}") + 1]


def estimated(estimate: Estimate, form: str, neutral: float | None = None, level: int = 95, scale: float = 1.0) -> Cell:
    """Point and interval; a mark where the 95 % interval excludes `neutral` (above it is better)."""
    if not math.isfinite(estimate.point):
        return Cell(NONE)
    low, high = (estimate.low95, estimate.high95) if level == 95 else (estimate.low90, estimate.high90)
    interval = f"[{shown(scale * low, bare(form))}, {shown(scale * high, bare(form))}]" if math.isfinite(low) and math.isfinite(high) else ""
    mark, tone = "", ""
    if neutral is not None and estimate.excludes(neutral):
        mark, tone = (BETTER, "better") if estimate.point > neutral else (WORSE, "worse")
    return Cell(f"{shown(scale * estimate.point, form)} {mark}".strip(), interval, scale * estimate.point, hint_of(estimate, form, scale), tone)


def hint_of(estimate: Estimate, form: str, scale: float) -> str:
    if not math.isfinite(estimate.low95):
        return f"n {estimate.n}: no interval"
    bounds = [shown(scale * bound, bare(form)) for bound in (estimate.low90, estimate.high90, estimate.low95, estimate.high95)]
    return f"n {estimate.n}; 90 %: {bounds[0]} to {bounds[1]}; 95 %: {bounds[2]} to {bounds[3]}"
