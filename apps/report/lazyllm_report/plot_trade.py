# SPDX-License-Identifier: Apache-2.0
"""What is lost against what is gained: the form of the paper's Fig. 5, for scores and for log-likelihood."""

import math
from dataclasses import dataclass
from typing import Callable

import matplotlib.pyplot as pyplot
from matplotlib.lines import Line2D

from .bootstrap import Estimate
from .figure import Tips, color, finish, grid, legend, marker, plain, policy_color
from .picture import Plot
from .study import Arm, order_of, POLICY_ORDER
from .summary import Summary

PANEL_COLUMNS = 4
MOST_PANELS = 12


@dataclass
class Axis:
    """What stands on the vertical axis."""
    label: str
    value: Callable[[Summary], Estimate]
    scale: float
    dense: float                 # where dense lies
    limits: tuple[float, float]  # always in sight
    clip: tuple[float, float]    # never beyond
    format: str


SCORE = Axis("% of the dense score", lambda row: row.kept_score, 100.0, 100.0, (95.0, 103.0), (0.0, 160.0), "{:.1f} % of dense")
LOGLIK = Axis("nats per token against dense", lambda row: row.loglik_difference, 1.0, 0.0, (-0.06, 0.02), (-5.0, 2.0), "{:+.3f} nats per token")


def trade_plot(name: str, title: str, caption: str, rows: dict[str, list[Summary]], labels: dict[Arm, str], axis: Axis) -> Plot | None:
    """`rows`: panel -> summaries of all arms. None where no panel has a point."""
    panels = [(scope, [row for row in found if not row.arm.is_dense and has_point(row, axis)]) for scope, found in rows.items()]
    panels = [(scope, found) for scope, found in panels if found][:MOST_PANELS]
    if not panels:
        return None
    lines, columns = grid(len(panels), PANEL_COLUMNS)
    width = 10.6 / max(columns, 3) if columns > 1 else 5.4
    figure, axes = pyplot.subplots(lines, columns, figsize=(width * columns, 2.65 * lines), squeeze=False, layout="constrained")
    tips = Tips()
    for axes_, (scope, found) in zip(axes.flat, panels):
        draw_panel(axes_, scope, found, labels, axis, tips)
    for axes_ in axes.flat[len(panels):]:
        axes_.set_visible(False)
    for row in axes:
        row[0].set_ylabel(axis.label)
    for axes_ in list(axes.flat)[max(0, len(panels) - columns):len(panels)]:
        axes_.set_xlabel("TTFT: speed-up against dense")
    policies = sorted({row.arm.policy for _, found in panels for row in found}, key=lambda policy: order_of(policy, POLICY_ORDER))
    handles = [Line2D([], [], color=policy_color(policy), marker=marker(policy), markersize=5.5, linewidth=1.4, label=plain(policy)) for policy in policies]
    handles.append(Line2D([], [], color=color("ink"), marker="*", markersize=8, linestyle="none", label="dense"))
    legend(figure, handles, len(handles))
    return finish(figure, name, title, caption, tips)


def has_point(row: Summary, axis: Axis) -> bool:
    return math.isfinite(axis.value(row).point) and math.isfinite(row.ttft_speedup.point)


def draw_panel(axes, scope: str, rows: list[Summary], labels: dict[Arm, str], axis: Axis, tips: Tips) -> None:
    curves: dict[str, list[Summary]] = {}
    for row in rows:
        curves.setdefault(row.arm.policy, []).append(row)
    for policy, points in curves.items():
        points.sort(key=lambda row: row.ttft_speedup.point)
        shade = policy_color(policy)
        values = [axis.value(row) for row in points]
        x = [row.ttft_speedup.point for row in points]
        axes.plot(x, [axis.scale * value.point for value in values], color=shade, linewidth=1.3, alpha=0.75, zorder=3)
        for row, value in zip(points, values):
            at = row.ttft_speedup.point
            if math.isfinite(value.low90) and math.isfinite(value.high90):
                axes.plot([at, at], [axis.scale * value.low90, axis.scale * value.high90], color=shade, linewidth=1.0, alpha=0.35, zorder=2)
            dot = axes.plot([at], [axis.scale * value.point], marker=marker(policy), markersize=5.5, color=shade, markeredgecolor=color("surface"),
                            markeredgewidth=0.6, linestyle="none", zorder=4)[0]
            tips.add(dot, f"{labels[row.arm]}: {at:.2f}x, {axis.format.format(axis.scale * value.point)}, n {value.n}")
    axes.plot([1.0], [axis.dense], marker="*", markersize=9, color=color("ink"), markeredgewidth=0, linestyle="none", zorder=4)
    axes.axhline(axis.dense, color=color("muted"), linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    points = [axis.scale * axis.value(row).point for row in rows]
    low, high = min([axis.limits[0], *points]), max([axis.limits[1], *points])
    margin = 0.08 * (high - low)
    axes.set_ylim(max(axis.clip[0], low - margin), min(axis.clip[1], high + margin))
    fastest = max([1.0, *(row.ttft_speedup.point for row in rows)])
    slowest = min([1.0, *(row.ttft_speedup.point for row in rows)])
    span = max(fastest - slowest, 0.3)
    axes.set_xlim(slowest - 0.08 * span, fastest + 0.08 * span)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}×")
    axes.xaxis.set_major_locator(pyplot.MaxNLocator(5))
    axes.yaxis.set_major_locator(pyplot.MaxNLocator(6))
    axes.set_title(f"{plain(scope)} (n {max(row.records for row in rows)})")
