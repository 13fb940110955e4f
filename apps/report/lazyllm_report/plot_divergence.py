# SPDX-License-Identifier: Apache-2.0
"""Distribution of the divergence from dense over the positions of a text: how often it is larger than a value."""

import collections

import matplotlib.pyplot as pyplot
import numpy
from matplotlib.lines import Line2D

from .figure import LINE_STYLES, Tips, finish, legend_beside, plain, policy_color
from .picture import Plot
from .study import Arm, Suite
from .text_suite import divergences

SMALLEST = 1e-5   # nats; below, nothing is drawn
MOST_STEPS = 250


def divergence_plot(name: str, suite: Suite, labels: dict[Arm, str]) -> Plot | None:
    curves = {arm: numpy.sort(found)[::-1] for arm in suite.arms if not arm.is_dense and (found := divergences(suite, arm)) and max(found) > SMALLEST}
    if not curves:
        return None
    figure, axes = pyplot.subplots(figsize=(9.6, 3.2), layout="constrained")
    tips, handles = Tips(), []
    seen: collections.Counter = collections.Counter()
    for arm, values in curves.items():
        share = 100.0 * numpy.arange(1, len(values) + 1) / len(values)
        some = numpy.unique(numpy.geomspace(1, len(values), MOST_STEPS).astype(int)) - 1
        style = LINE_STYLES[seen[arm.policy] % len(LINE_STYLES)]
        seen[arm.policy] += 1
        line = axes.plot(numpy.maximum(values[some], SMALLEST), share[some], color=policy_color(arm.policy), linestyle=style, linewidth=1.5)[0]
        tips.add(line, f"{labels[arm]}: median {numpy.median(values):.4f}, largest {values[0]:.3f} nats, {len(values)} positions")
        handles.append(Line2D([], [], color=policy_color(arm.policy), linestyle=style, linewidth=1.5, label=plain(labels[arm])))
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(left=SMALLEST)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g} %")
    axes.set_xlabel("KL divergence from dense, nats")
    axes.set_ylabel("positions with more")
    legend_beside(figure, handles, 0.5 + 0.075 * max(len(labels[arm]) for arm in curves))
    return finish(figure, name, "How often the next-token distribution moves, and how far", "Share of the positions whose divergence from dense is larger than "
                  "the value below; further to the left is better. Both axes are logarithmic.", tips)
