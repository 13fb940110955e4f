#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The plot of docs/evidence.md from a table of docs/lab/evidence.md: what a policy keeps of the whole model's score, against how much sooner its first token comes.

    tools/evidence_plot.py             writes docs/pictures/evidence.svg
    tools/evidence_plot.py --check     says whether the picture is the table's
"""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs" / "lab" / "evidence.md"
PICTURE = ROOT / "docs" / "pictures" / "evidence.svg"
HEADING = "### Every policy at several points"
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 420, 62, 20, 22, 52
SOONER, KEPT = (1.0, 2.4), (0.0, 115.0)  # what the axes show
COLOURS = {"lazy": "#00796b", "tsp": "#c05621", "static": "#6b46c1", "gem": "#2b6cb0", "random": "#718096"}
NAMES = {"lazy": "lazyllm", "tsp": "tsp (FastKV)", "static": "static", "gem": "gem (GemFilter)", "random": "random"}


@dataclass(frozen=True)
class Point:
    """One row: a policy at one setting."""

    name: str
    sooner: float  # TTFT, dense over the policy's
    kept: float  # score, % of dense
    low: float  # its 90 % interval
    high: float

    @property
    def policy(self) -> str:
        return self.name.replace("*", "").split()[0].strip(",")


def read_points(text: str) -> list[Point]:
    """All rows of the table behind HEADING that are sooner than dense. Errors: ValueError where a row is not as it should be."""
    section = text.split(HEADING, 1)[1].split("\n## ", 1)[0].split("\n### ", 1)[0]
    rows = [line for line in section.splitlines() if line.startswith("|")][2:]
    points = []
    for row in rows:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        sooner = re.match(r"([\d.]+)x", cells[1])
        kept = re.match(r"([\d.]+) %(?: \[([\d.]+), ([\d.]+)\])?", cells[5])
        if sooner is None or kept is None:
            raise ValueError(f"not a row of the table: {row}")
        value = float(kept[1])
        point = Point(cells[0], float(sooner[1]), value, float(kept[2] or value), float(kept[3] or value))
        if point.sooner > 1 and point.policy in COLOURS:
            points.append(point)
    return points


def x_of(sooner: float) -> float:
    return LEFT + (sooner - SOONER[0]) / (SOONER[1] - SOONER[0]) * (WIDTH - LEFT - RIGHT)


def y_of(kept: float) -> float:
    return HEIGHT - BOTTOM - (min(kept, KEPT[1]) - KEPT[0]) / (KEPT[1] - KEPT[0]) * (HEIGHT - TOP - BOTTOM)


def text_at(x: float, y: float, text: str, *, anchor: str = "middle", colour: str = "#4a5568", more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}"{more}>{text}</text>'


def axes() -> list[str]:
    parts = []
    for kept in range(0, 101, 25):
        y = y_of(kept)
        stroke = "#a0aec0" if kept in (0, 100) else "#e2e8f0"
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{stroke}"/>')
        parts.append(text_at(LEFT - 8, y + 4, f"{kept} %", anchor="end"))
    for tenth in range(10, 25, 2):
        parts.append(text_at(x_of(tenth / 10), HEIGHT - BOTTOM + 20, f"{tenth / 10:.1f}x"))
    parts.append(text_at((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, "first token so many times as soon as without skipping"))
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(text_at(14, middle, "facts found, of what the whole model finds", more=f' transform="rotate(-90 14 {middle:.1f})"'))
    return parts


def draw(points: list[Point]) -> str:
    parts = axes()
    for point in points:
        x, colour = x_of(point.sooner), COLOURS[point.policy]
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y_of(point.low):.1f}" y2="{y_of(point.high):.1f}" stroke="{colour}" stroke-opacity="0.35" stroke-width="2"/>')
        title = f"<title>{point.name.replace('*', '')}: {point.sooner}x, {point.kept} %</title>"
        parts.append(f'<circle cx="{x:.1f}" cy="{y_of(point.kept):.1f}" r="5" fill="{colour}">{title}</circle>')
    shown = [policy for policy in COLOURS if any(point.policy == policy for point in points)]
    for index, policy in enumerate(shown):
        y = HEIGHT - BOTTOM - 18 * (len(shown) - index) + 4
        parts.append(f'<circle cx="{LEFT + 14}" cy="{y - 4}" r="5" fill="{COLOURS[policy]}"/>')
        parts.append(text_at(LEFT + 26, y, NAMES[policy], anchor="start", colour="#1a202c"))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12" role="img">'
    label = "<title>Facts found against time to the first token, by policy</title>"
    return "\n".join([head, label, f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>', *parts, "</svg>", ""])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if the picture is another")
    args = parser.parse_args()
    picture = draw(read_points(TABLE.read_text()))
    if args.check:
        same = PICTURE.exists() and PICTURE.read_text() == picture
        print("as the table" if same else "another picture: run tools/evidence_plot.py", file=sys.stderr)
        return 0 if same else 1
    PICTURE.write_text(picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
