# SPDX-License-Identifier: Apache-2.0
"""SVG by matplotlib whose colours are names: CSS variables in the page (light and dark), plain colours in a file."""

import io
import math
import re
from dataclasses import dataclass

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as pyplot

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
LINE_STYLES = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))   # of the arms of one policy
MARKERS = {"dense": "*", "lazy": "o", "tsp": "s", "gem": "D", "static": "^", "random": "X", "compress": "v"}

matplotlib.rcdefaults()   # a user's matplotlibrc does not change the report
pyplot.rcParams.update({
    "svg.fonttype": "none", "svg.hashsalt": "lazyllm", "font.size": 9, "font.family": "DejaVu Sans", "axes.titlesize": 9.5, "axes.titleweight": "bold",
    "axes.titlelocation": "left", "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.8, "axes.grid": True, "axes.axisbelow": True,
    "grid.linewidth": 0.7, "xtick.major.size": 0, "ytick.major.size": 0, "legend.frameon": False, "legend.handlelength": 1.8, "figure.facecolor": "none",
    "axes.facecolor": "none", "savefig.facecolor": "none", "text.color": COLORS["ink"][0], "axes.labelcolor": COLORS["muted"][0],
    "axes.edgecolor": COLORS["muted"][0], "xtick.color": COLORS["muted"][0], "ytick.color": COLORS["muted"][0], "grid.color": COLORS["grid"][0],
    "axes.titlecolor": COLORS["ink"][0]})


def color(name: str) -> str:
    return COLORS[name][0]


def policy_color(policy: str) -> str:
    return color(f"p-{policy}" if f"p-{policy}" in COLORS else "p-other")


def marker(policy: str) -> str:
    return MARKERS.get(policy, "P")


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
        return re.sub(r"<svg [^>]*(viewBox=\"[^\"]*\")[^>]*>", rf'<svg role="img" aria-label="{label}" \1>', svg, count=1)

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


def plain(value: str) -> str:
    """Text for matplotlib: no mathematics, nothing XML cannot hold."""
    return re.sub("[\x00-\x1f\ud800-\udfff\ufffe\uffff]", "\ufffd", value).replace("$", r"\$")


class Tips:
    """Texts shown when the pointer rests on a mark."""

    def __init__(self):
        self.texts: dict[str, str] = {}

    def add(self, artist, value: str) -> None:
        name = f"tip{len(self.texts)}"
        artist.set_gid(name)
        self.texts[name] = value


def finish(figure, name: str, title: str, caption: str, tips: Tips | None = None) -> Plot:
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Type": None, "Format": None})
    pyplot.close(figure)
    svg = out.getvalue()
    svg = svg[svg.index("<svg"):]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font: ([^;\"]*?)'DejaVu Sans'[^;\"]*", r"font: \1system-ui, 'DejaVu Sans', sans-serif", svg)
    for gid, value in (tips.texts if tips else {}).items():
        svg = svg.replace(f'<g id="{gid}">', f'<g id="{gid}"><title>{escape(value)}</title>', 1)
    return Plot(name, title, caption, svg.strip())


def grid(count: int, most_columns: int) -> tuple[int, int]:
    """Lines and columns for so many panels, filled evenly."""
    lines = math.ceil(count / most_columns)
    return lines, math.ceil(count / lines)


def legend(figure, handles, columns: int) -> None:
    """Above all panels."""
    height = figure.get_size_inches()[1]
    figure.get_layout_engine().set(rect=(0.0, 0.0, 1.0, 1.0 - 0.34 * math.ceil(len(handles) / columns) / height))
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(0.0, 1.0), ncol=columns, borderaxespad=0.1, columnspacing=1.6, handletextpad=0.5)


def legend_beside(figure, handles, width: float) -> None:
    """Right of all panels, `width` inches wide."""
    share = width / figure.get_size_inches()[0]
    figure.get_layout_engine().set(rect=(0.0, 0.0, 1.0 - share, 1.0))
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.0 - share, 0.98), borderaxespad=0.2)
