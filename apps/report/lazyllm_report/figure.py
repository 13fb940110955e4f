# SPDX-License-Identifier: Apache-2.0
"""Drawing with matplotlib: the look that all plots share, and a figure made into a Plot."""

import io
import math
import re

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as pyplot

from .picture import COLORS, Plot, escape

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
