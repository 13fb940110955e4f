# SPDX-License-Identifier: Apache-2.0
"""Needle maps: prompt length x depth of the needle, one map for each policy."""

import collections
import math

import matplotlib.pyplot as pyplot
from matplotlib.patches import Rectangle

from .figure import Tips, color, finish, grid, plain
from .load import Sample
from .picture import Plot
from .study import Arm, Suite

MAP_COLUMNS = 4


def needle_plots(suite: Suite, labels: dict[Arm, str], prefix: str) -> list[Plot]:
    """One figure for each kind of needle."""
    kinds: dict[str, dict[Arm, list[Sample]]] = collections.defaultdict(dict)
    for arm in suite.arms:
        for tasks in suite.samples[arm].values():
            for sample in tasks.values():
                if all(math.isfinite(sample.number(name)) for name in ("length", "depth", "score")):
                    kinds[kind_of(sample)].setdefault(arm, []).append(sample)
    return [needle_plot(f"{prefix}-{index}", kind, arms, labels) for index, (kind, arms) in enumerate(sorted(kinds.items()), 1)]


def kind_of(sample: Sample) -> str:
    kind = sample.raw.get("kind")
    return kind if isinstance(kind, str) and kind else sample.task


def needle_plot(name: str, kind: str, arms: dict[Arm, list[Sample]], labels: dict[Arm, str]) -> Plot:
    lengths = sorted({sample.number("length") for found in arms.values() for sample in found})
    depths = sorted({sample.number("depth") for found in arms.values() for sample in found})
    lines, columns = grid(len(arms), MAP_COLUMNS)
    width = max(1.9, min(3.2, 0.42 * len(lengths) + 0.6)) if columns > 1 else max(2.4, 0.5 * len(lengths) + 0.8)
    figure, axes = pyplot.subplots(lines, columns, figsize=(width * columns, (0.27 * len(depths) + 0.95) * lines), squeeze=False, layout="constrained",
                                   sharex=True, sharey=True)
    tips = Tips()
    for axes_, (arm, samples) in zip(axes.flat, arms.items()):
        draw_map(axes_, samples, lengths, depths, labels[arm], tips)
    for axes_ in axes.flat[len(arms):]:
        axes_.set_visible(False)
    for row in axes:
        row[0].set_yticks(range(len(depths)), [f"{depth:.0f} %" for depth in depths])
        row[0].set_ylabel("depth")
    for axes_ in list(axes.flat)[max(0, len(arms) - columns):len(arms)]:
        axes_.tick_params(labelbottom=True)
        axes_.set_xticks(range(len(lengths)), [short(length) for length in lengths])
        axes_.set_xlabel("prompt tokens")
    count = {len(samples) for samples in arms.values()}
    n = f"{min(count)}" if len(count) == 1 else f"{min(count)} to {max(count)}"
    return finish(figure, name, f"Needles found: {kind}",
                  f"Mean score in per cent by length of the prompt and depth of the needle; n {n} for each policy.", tips)


def short(length: float) -> str:
    return f"{length / 1000:.3g}k" if length >= 1000 else f"{length:.0f}"


def draw_map(axes, samples: list[Sample], lengths: list[float], depths: list[float], label: str, tips: Tips) -> None:
    cells: dict[tuple[float, float], list[float]] = collections.defaultdict(list)
    for sample in samples:
        cells[sample.number("length"), sample.number("depth")].append(sample.number("score"))
    for (length, depth), scores in cells.items():
        x, y = lengths.index(length), depths.index(depth)
        mean = min(1.0, max(0.0, sum(scores) / len(scores)))
        cell = Rectangle((x - 0.46, y - 0.45), 0.92, 0.9, facecolor=color("heat"), alpha=0.07 + 0.68 * mean, linewidth=0)
        axes.add_patch(cell)
        tips.add(cell, f"{label}: {length:.0f} tokens, depth {depth:g}: {100 * mean:.0f} %, n {len(scores)}")
        axes.text(x, y, f"{100 * mean:.0f}", ha="center", va="center", fontsize=7, color=color("ink"))
    axes.set_xlim(-0.55, len(lengths) - 0.45)
    axes.set_ylim(len(depths) - 0.5, -0.5)
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    scores = [sample.number("score") for sample in samples]
    axes.set_title(f"{plain(label)}\nmean {100 * sum(scores) / len(scores):.0f} %", fontsize=8.5, linespacing=1.25)
