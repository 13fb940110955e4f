# SPDX-License-Identifier: Apache-2.0
"""All plots of a suite. Imports matplotlib."""

from . import plot_divergence, plot_needle, plot_schedule, plot_trade
from .picture import Plot
from .study import Arm, Pair, Suite
from .summary import Summary


class Plots:
    """`name` is the beginning of the file's name."""

    def scores(self, name: str, panels: dict[str, list[Summary]], labels: dict[Arm, str]) -> Plot | None:
        return plot_trade.trade_plot(f"{name}-score", "Score kept against speed-up to the first token",
                                     "The form of the paper's Fig. 5: the star is dense, up and to the right is better. The operating points of a policy are "
                                     "joined; bars: 90 % intervals, cut off at the edge of the panel.", panels, labels, plot_trade.SCORE)

    def likelihoods(self, name: str, panels: dict[str, list[Summary]], labels: dict[Arm, str]) -> Plot | None:
        return plot_trade.trade_plot(f"{name}-loglik", "Log-likelihood of the gold answer against speed-up to the first token",
                                     "Difference from dense in nats per token; below 0 the gold answer has become less likely. Bars: 90 % intervals.",
                                     panels, labels, plot_trade.LOGLIK)

    def layers(self, name: str, rows: list[Summary], scope: str) -> list[Plot | None]:
        return [plot_schedule.layer_plot(f"{name}-layers-{i}", found, scope) for i, found in enumerate(plot_schedule.ablations(rows), 1)]

    def growth(self, name: str, pairs: dict[Arm, list[Pair]], labels: dict[Arm, str]) -> Plot | None:
        return plot_schedule.growth_plot(f"{name}-growth", pairs, labels)

    def needles(self, name: str, suite: Suite, labels: dict[Arm, str]) -> list[Plot]:
        return plot_needle.needle_plots(suite, labels, f"{name}-needle")

    def divergence(self, name: str, suite: Suite, labels: dict[Arm, str]) -> Plot | None:
        return plot_divergence.divergence_plot(f"{name}-divergence", suite, labels)
