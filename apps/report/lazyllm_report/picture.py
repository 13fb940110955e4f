# SPDX-License-Identifier: Apache-2.0
"""A finished plot: SVG whose colours are names, CSS variables in the page (light and dark) and plain colours in a file."""

import re
from dataclasses import dataclass

# name -> (placeholder drawn with, light, dark)
COLORS = {
    "ink": ("#010101", "#1a1d21", "#e8eaed"),
    "muted": ("#010102", "#5c636b", "#9aa3ad"),
    "grid": ("#010103", "#e3e6e9", "#2c3238"),
    "surface": ("#010104", "#ffffff", "#15181b"),
    "p-dense": ("#010105", "#1a1d21", "#e8eaed"),
    "p-lazy": ("#010106", "#1f5fd0", "#7db1ff"),
    "p-tsp": ("#010107", "#12805a", "#4fce9b"),
    "p-gem": ("#010108", "#7d3fc4", "#c39bff"),
    "p-static": ("#010109", "#b85a06", "#ffa95c"),
    "p-random": ("#01010a", "#757c84", "#a3abb4"),
    "p-compress": ("#01010b", "#c02462", "#ff86ad"),
    "p-other": ("#01010c", "#0e7490", "#57c7dd"),
    "heat": ("#01010d", "#1f5fd0", "#4c8df0"),
}


@dataclass
class Plot:
    """A finished figure."""
    name: str                 # of its file
    title: str
    caption: str
    svg: str                  # with placeholders for colours

    @property
    def width_rem(self) -> float:
        """Shown so that the type in it has the size of the page's small type."""
        return float(re.search(r'viewBox="0 0 ([\d.]+)', self.svg)[1]) / 11.5

    def inline(self, prefix: str) -> str:
        """For the page: colours are CSS variables, ids are unique to it."""
        svg = self.svg
        for name, (placeholder, _, _) in COLORS.items():
            svg = svg.replace(placeholder, f"var(--{name})")
        svg = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', svg)
        svg = re.sub(r'href="#([^"]+)"', rf'href="#{prefix}-\1"', svg)
        svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", svg)
        svg = svg.replace("xlink:href", "href")
        svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg)
        label = escape(self.title).replace('"', "&quot;")
        box = re.search(r'viewBox="[^"]*"', svg)[0]
        return f'<svg role="img" aria-label="{label}" {box}>' + svg[svg.index(">") + 1:]

    def file(self) -> str:
        """A picture of its own, on white."""
        svg = self.svg
        for placeholder, light, _ in COLORS.values():
            svg = svg.replace(placeholder, light)
        return re.sub(r"(<svg [^>]*>)", r'\1<rect width="100%" height="100%" fill="#ffffff"/>', svg, count=1)


def escape(value: str) -> str:
    """Text of XML. Characters that XML cannot hold become U+FFFD."""
    value = re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]", "\ufffd", value)
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
