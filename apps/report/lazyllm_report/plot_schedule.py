# SPDX-License-Identifier: Apache-2.0
"""Where to prune and how much (Fig. 6 of the paper), and how the computed share grows over an answer (Fig. 7)."""

import collections
import math
import re

import matplotlib.pyplot as pyplot
import numpy
from matplotlib.lines import Line2D

from .figure import LINE_STYLES, Tips, color, finish, legend, legend_beside, marker, plain, policy_color
from .picture import Plot
from .plot_trade import LOGLIK, SCORE
from .study import Arm, Pair
from .summary import Summary

KEEP_MARKERS = "ovs^DPX*"
LEAST_GROWTH = 0.005    # of a share that is drawn
MOST_DOTS = 80          # of an arm


def single_point(arm: Arm) -> tuple[int, float] | None:
    """Layer and keep ratio of a schedule with one pruning point; layer 0 is before the model."""
    found = re.fullmatch(r"(\d+):(\d*\.?\d+)", arm.schedule)
    return (int(found[1]), float(found[2])) if found and int(found[1]) > 0 else None


def ablations(rows: list[Summary]) -> list[list[Summary]]:
    """Sets of arms that differ in pruning layer and keep ratio only, with at least two layers of one ratio."""
    sets: dict[tuple, list[Summary]] = collections.defaultdict(list)
    for row in rows:
        if single_point(row.arm):
            sets[row.arm.policy, row.arm.options].append(row)

    def is_curve(found):
        return max(collections.Counter(single_point(row.arm)[1] for row in found).values()) >= 2
    return [found for found in sets.values() if is_curve(found)]


def layer_plot(name: str, rows: list[Summary], scope: str) -> Plot | None:
    """Score and log-likelihood over the pruning layer, one curve for each keep ratio."""
    axes_of = [axis for axis in (SCORE, LOGLIK) if any(math.isfinite(axis.value(row).point) for row in rows)]
    if not axes_of:
        return None
    figure, panels = pyplot.subplots(1, len(axes_of), figsize=(4.9 * len(axes_of), 2.9), squeeze=False, layout="constrained")
    keeps = sorted({single_point(row.arm)[1] for row in rows}, reverse=True)
    policy = rows[0].arm.policy
    tips = Tips()
    for axes, axis in zip(panels[0], axes_of):
        for index, keep in enumerate(keeps):
            points = sorted((single_point(row.arm)[0], row) for row in rows if single_point(row.arm)[1] == keep and math.isfinite(axis.value(row).point))
            values = [axis.scale * axis.value(row).point for _, row in points]
            layers = [layer for layer, _ in points]
            axes.plot(layers, values, color=policy_color(policy), alpha=strength(index, keeps), linewidth=1.6, zorder=3)
            for layer, value, (_, row) in zip(layers, values, points):
                dot = axes.plot([layer], [value], marker=KEEP_MARKERS[index % len(KEEP_MARKERS)], markersize=6, color=policy_color(policy),
                                alpha=strength(index, keeps), linestyle="none", zorder=4)[0]
                tips.add(dot, f"{row.arm.name}: {axis.format.format(value)}, {row.ttft_speedup.point:.2f}x to the first token, n {row.records}")
        axes.axhline(axis.dense, color=color("muted"), linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
        axes.set_title(axis.label)
        axes.set_xlabel("pruning after layer")
        axes.xaxis.set_major_locator(pyplot.MaxNLocator(8, integer=True))
    handles = [Line2D([], [], color=policy_color(policy), alpha=strength(i, keeps), marker=KEEP_MARKERS[i % len(KEEP_MARKERS)], label=f"keep {100 * keep:g} %")
               for i, keep in enumerate(keeps)]
    legend(figure, handles, 8)
    return finish(figure, name, f"One pruning point, {policy}: layer and keep ratio",
                  f"The form of the paper's Fig. 6, over {scope}; dashed: dense. A curve falls where fewer tokens or an earlier layer cost quality.", tips)


def strength(index: int, keeps: list[float]) -> float:
    return 1.0 - 0.65 * index / max(1, len(keeps) - 1)


def growth_plot(name: str, pairs: dict[Arm, list[Pair]], labels: dict[Arm, str]) -> Plot | None:
    """Share of the (token, layer) pairs of the prompt computed so far, over the tokens of the answer."""
    curves = {arm: curve for arm, found in pairs.items() if not arm.is_dense and (curve := growth(found))}
    still = [arm for arm, (_, y, _, _) in curves.items() if max(y) - y[0] < LEAST_GROWTH]
    for arm in still:
        del curves[arm]
    if not curves:
        return None
    figure, axes = pyplot.subplots(figsize=(9.6, 3.4), layout="constrained")
    tips = Tips()
    seen: collections.Counter = collections.Counter()
    handles = []
    stepwise, lowest = False, 100.0
    for arm, (x, y, spread, by_step) in curves.items():
        stepwise |= by_step
        style = LINE_STYLES[seen[arm.policy] % len(LINE_STYLES)]
        seen[arm.policy] += 1
        shade = policy_color(arm.policy)
        lowest = min(lowest, 100 * min(y))
        if spread is not None:
            axes.plot(*spread, marker=".", markersize=3, color=shade, alpha=0.25, linestyle="none", zorder=2)
        line = axes.plot(x, [100 * value for value in y], color=shade, linestyle=style, linewidth=1.6, marker=None if by_step else marker(arm.policy),
                         markersize=4, zorder=3)[0]
        tips.add(line, f"{labels[arm]}: {100 * y[0]:.1f} % at the first token, {100 * y[-1]:.1f} % after {x[-1]:.0f}")
        handles.append(Line2D([], [], color=shade, linestyle=style, linewidth=1.6, label=plain(labels[arm])))
    axes.axhline(100, color=color("muted"), linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    axes.set_ylim(10 * math.floor((lowest - 3) / 10), 103)
    axes.set_xlabel("tokens of the answer so far")
    axes.set_ylabel("% of the prompt's (token, layer) pairs")
    legend_beside(figure, handles, 0.5 + 0.075 * max(len(labels[arm]) for arm in curves))
    how = ("The mean over the records that are still writing at that step." if stepwise else
           "Dots are single records at the end of their answers; the line goes through the mean at the first token and the means of the records in groups "
           "of equal size by the length of their answers.")
    if still:
        how += f" Not drawn, because it does not grow: {', '.join(labels[arm] for arm in still)}."
    return finish(figure, name, "Growth of the computed share over the answer", f"The form of the paper's Fig. 7; dashed: dense. {how}", tips)


def growth(pairs: list[Pair]):
    """Curve over generated tokens, dots of single records or None, whether it was recorded step by step."""
    series = [values for pair in pairs if (values := by_step(pair.sample.raw.get("computed_by_step")))]
    if series:
        longest = sorted(len(values) for values in series)[len(series) // 2]   # beyond it less than half the records speak
        return list(range(longest)), [float(numpy.mean([values[i] for values in series if len(values) > i])) for i in range(longest)], None, True
    ends = []
    for pair in pairs:
        numbers = [pair.sample.number(name) for name in ("generated_tokens", "computed_fraction", "computed_fraction_end")]
        if all(math.isfinite(number) for number in numbers):
            ends.append(numbers)
    if not ends:
        return None
    ends = numpy.array(sorted(ends))
    groups = numpy.array_split(ends, min(6, max(1, len(ends) // 5)))
    x = [1.0] + [float(group[:, 0].mean()) for group in groups]
    y = [float(ends[:, 1].mean())] + [float(group[:, 2].mean()) for group in groups]
    some = ends[::math.ceil(len(ends) / MOST_DOTS)]
    return x, y, (some[:, 0], 100 * some[:, 2]), False


def by_step(value) -> list[float]:
    if not isinstance(value, list):
        return []
    return [float(share) for share in value] if all(isinstance(share, (int, float)) and math.isfinite(share) for share in value) else []
