# SPDX-License-Identifier: Apache-2.0
"""The suite `text`: perplexity, and the divergence of the next-token distribution from dense's."""

import math
import re

import numpy

from .bootstrap import Estimate, Resampler, estimate
from .load import finite
from .study import Arm, Suite
from .table import NONE, Cell, Column, Table, estimated, number, words


def is_text(suite: Suite) -> bool:
    return any(math.isfinite(sample.number("nll")) or math.isfinite(sample.number("kl_mean"))
               for tasks in suite.samples.values() for found in tasks.values() for sample in found.values())


def percentiles(suite: Suite) -> list[str]:
    """Names such as kl_p50, in rising order; kl_max last."""
    names = {name for tasks in suite.samples.values() for found in tasks.values() for sample in found.values() for name in sample.values}
    found = sorted((name for name in names if re.fullmatch(r"kl_p\d+(_\d+)?", name)), key=share_of)
    return found + (["kl_max"] if "kl_max" in names else [])


def share_of(name: str) -> float:
    return float(name.removeprefix("kl_p").replace("_", "."))


def mean(suite: Suite, arm: Arm, name: str, resampler: Resampler, against_dense: bool = False) -> Estimate:
    """Mean over the records (texts) of all tasks, drawn within each task."""
    sums = []
    for task in suite.tasks:
        rows = []
        for pair in suite.pairs(arm, task):
            value = pair.sample.number(name)
            if against_dense:
                value -= pair.dense.number(name) if pair.dense else math.nan
            rows.append((1.0, value) if math.isfinite(value) else (0.0, 0.0))
        if any(counted for counted, _ in rows):
            sums.append(resampler.sums(f"{suite.name}/{task}", numpy.array(rows)))
    if not sums:
        return Estimate(math.nan, 0)
    with numpy.errstate(divide="ignore", invalid="ignore"):
        values = sum(task[:, 1] for task in sums) / sum(task[:, 0] for task in sums)
    return estimate(values[0], values[1:], int(sum(task[0, 0] for task in sums)))


def exponential(one: Estimate) -> Estimate:
    return Estimate(*(value if name == "n" else math.exp(min(value, 700.0)) for name, value in vars(one).items()))


def text_table(suite: Suite, labels: dict[Arm, str], resampler: Resampler) -> Table:
    names = percentiles(suite)
    columns = [Column("policy", numeric=False), Column("n", "stretches of text"), Column("perplexity", "exp of the mean negative log-likelihood [95 %]"),
               Column("to dense ×", "ratio of the perplexities, paired [95 %]"), Column("mean KL", "divergence from dense, nats [95 %]"),
               *(Column(header(name), "percentile of the divergence over the positions; a mean over the texts where single positions are not recorded") for name in names),
               Column("same top token", "share of the positions [95 %]"), Column("TTFT ×")]
    body = []
    for arm in suite.arms:
        nll, kl = mean(suite, arm, "nll", resampler), mean(suite, arm, "kl_mean", resampler)
        cells = [words(labels[arm]), number(max(nll.n, kl.n), "{:.0f}"), estimated(exponential(nll), "{:.3f}") if nll.n else Cell(NONE)]
        if arm.is_dense:
            body.append(cells + [Cell(NONE)] * (len(columns) - len(cells)))
            continue
        # A lower perplexity is better, so the difference's sign tells the mark the other way round.
        ratio = estimated(exponential(mean(suite, arm, "nll", resampler, against_dense=True)), "{:.4f}", neutral=1.0)
        ratio.text = ratio.text.translate(str.maketrans("▲▼", "▼▲"))
        ratio.tone = {"better": "worse", "worse": "better"}.get(ratio.tone, "")
        cells += [ratio, estimated(kl, "{:.4f}"), *(number(percentile(suite, arm, name, resampler), "{:.4f}") for name in names),
                  estimated(mean(suite, arm, "same_top", resampler), "{:.1f} %", scale=100.0), number(speedup(suite, arm), "{:.2f}×")]
        body.append(cells)
    return Table("Perplexity and divergence from dense", columns, body,
                 "At the positions behind a long prompt; stretches of text weigh the same. ▲ and ▼ at the ratio: lower is better.")


def header(name: str) -> str:
    return "max KL" if name == "kl_max" else f"{share_of(name):g} %"


def divergences(suite: Suite, arm: Arm) -> list[float] | None:
    """Of every position, if each of the arm's samples lists them."""
    found = []
    for tasks in suite.samples[arm].values():
        for sample in tasks.values():
            values = sample.raw.get("kl")
            if not isinstance(values, list) or any(finite(value) is None for value in values):
                return None
            found += [float(value) for value in values]
    return found or None


def percentile(suite: Suite, arm: Arm, name: str, resampler: Resampler) -> float:
    """Over all positions where they are listed, otherwise the mean of the texts' percentiles (the largest for the maximum)."""
    positions = divergences(suite, arm)
    if positions:
        return float(numpy.percentile(positions, 100.0 if name == "kl_max" else share_of(name)))
    if name == "kl_max":
        return max((sample.number(name) for tasks in suite.samples[arm].values() for sample in tasks.values()), default=math.nan)
    return mean(suite, arm, name, resampler).point


def speedup(suite: Suite, arm: Arm) -> float:
    times = [(pair.sample.number("ttft_ms"), pair.dense.number("ttft_ms")) for task in suite.tasks for pair in suite.pairs(arm, task) if pair.dense]
    times = [both for both in times if all(math.isfinite(time) for time in both)]
    return sum(dense for _, dense in times) / sum(own for own, _ in times) if times else math.nan
