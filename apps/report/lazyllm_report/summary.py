# SPDX-License-Identifier: Apache-2.0
"""What the report states about an arm over a task, a category or all tasks: paired with dense, with intervals."""

import math
from dataclasses import dataclass

import numpy

from .bootstrap import Estimate, Resampler, estimate
from .study import Arm, Pair, Suite

# Measured of each sample and resampled. decode_ms and decode_tokens leave the first token out.
MEASURES = ("score", "answer_loglik", "ttft_ms", "total_ms", "decode_ms", "decode_tokens")
PARTS = ("count", "arm", "dense", "difference")   # the columns of each measure


@dataclass
class Summary:
    """One row of the tables. Scores are in points (0 to 100), differences are arm minus dense."""
    arm: Arm
    scope: str
    tasks: list[str]
    records: int             # with a dense partner
    unpaired: int            # left out, because they have none
    score: Estimate
    difference: Estimate
    kept_score: Estimate     # score / dense score
    loglik: Estimate
    loglik_difference: Estimate
    ttft_speedup: Estimate   # sum of dense times / sum of the arm's
    ttft_median: float       # median over the records of dense time / time
    total_speedup: Estimate
    tpot_speedup: Estimate
    computed: float
    computed_end: float
    generated: float
    generated_dense: float
    same_answer: float       # share of the records with dense's very prediction
    dense_prefix: float      # tokens that the answer has in common with dense's
    ttft_ms: float


def measure(sample, name: str) -> float:
    if name == "decode_tokens":
        return sample.number("generated_tokens") - 1.0
    if name == "decode_ms":
        return sample.number("tpot_ms") * (sample.number("generated_tokens") - 1.0)
    return sample.number(name)


def columns(pairs: list[Pair], paired: bool) -> numpy.ndarray:
    """Records x (measure, part). A measure that one side lacks counts for none of the two."""
    out = numpy.zeros((len(pairs), len(MEASURES), len(PARTS)))
    for row, pair in enumerate(pairs):
        for column, name in enumerate(MEASURES):
            arm = measure(pair.sample, name)
            dense = measure(pair.dense, name) if paired else math.nan
            if not paired:
                dense = 0.0
            if math.isfinite(arm) and math.isfinite(dense):
                out[row, column] = 1.0, arm, dense, arm - dense
    if paired:  # the time per token needs both
        both = out[:, MEASURES.index("decode_ms"), 0] * out[:, MEASURES.index("decode_tokens"), 0]
        for name in ("decode_ms", "decode_tokens"):
            out[:, MEASURES.index(name)] *= both[:, None]
    return out.reshape(len(pairs), -1)


def plain_mean(values: list[float]) -> float:
    """Of those that are there."""
    found = [value for value in values if math.isfinite(value)]
    return sum(found) / len(found) if found else math.nan


class Sums:
    """Sums of the columns of several tasks over all resamples; row 0 is the data."""

    def __init__(self, tasks: list[numpy.ndarray]):
        self.tasks = [task.reshape(len(task), len(MEASURES), len(PARTS)) for task in tasks]

    def part(self, task: numpy.ndarray, name: str, part: str) -> numpy.ndarray:
        return task[:, MEASURES.index(name), PARTS.index(part)]

    def pooled(self, name: str, part: str) -> numpy.ndarray:
        return sum(self.part(task, name, part) for task in self.tasks)

    def count(self, name: str) -> int:
        return int(self.pooled(name, "count")[0])

    def mean_of_tasks(self, name: str, part: str) -> numpy.ndarray:
        """LongBench's rule: each task weighs the same."""
        means = [self.part(task, name, part) / self.part(task, name, "count") for task in self.tasks if self.part(task, name, "count")[0] > 0]
        return numpy.mean(means, axis=0) if means else numpy.full(len(self.tasks[0]), math.nan)

    def pooled_mean(self, name: str, part: str) -> numpy.ndarray:
        return self.pooled(name, part) / self.pooled(name, "count")

    def estimate(self, values: numpy.ndarray, name: str) -> Estimate:
        return estimate(values[0], values[1:], self.count(name))

    def speedup(self, name: str) -> Estimate:
        return self.estimate(1.0 / (1.0 + self.pooled(name, "difference") / self.pooled(name, "dense")), name)

    def tpot_speedup(self) -> Estimate:
        def per_token(part):
            return self.pooled("decode_ms", part) / self.pooled("decode_tokens", part)
        return self.estimate(per_token("dense") / per_token("arm"), "decode_ms")


class Summaries:
    """Summaries of a suite, computed arm by arm."""

    def __init__(self, suite: Suite, resampler: Resampler):
        self.suite = suite
        self.resampler = resampler

    def of_arm(self, arm: Arm, scopes: dict[str, list[str]]) -> dict[str, Summary]:
        """One summary for each scope (name -> tasks) in which the arm has samples."""
        paired = self.suite.dense is not None
        pairs, sums, unpaired = {}, {}, {}
        for task in self.suite.tasks:
            every = self.suite.pairs(arm, task)
            pairs[task] = [pair for pair in every if pair.dense or not paired]
            unpaired[task] = len(every) - len(pairs[task])
            if pairs[task]:
                sums[task] = self.resampler.sums(f"{self.suite.name}/{task}", columns(pairs[task], paired))
        found = {}
        for scope, tasks in scopes.items():
            present = [task for task in tasks if task in sums]
            if present:
                with numpy.errstate(divide="ignore", invalid="ignore"):
                    found[scope] = self.summary(arm, scope, present, [pair for task in present for pair in pairs[task]],
                                                sum(unpaired[task] for task in tasks), Sums([sums[task] for task in present]), paired)
        return found

    @staticmethod
    def summary(arm: Arm, scope: str, tasks: list[str], pairs: list[Pair], unpaired: int, sums: Sums, paired: bool) -> Summary:
        score, difference = sums.mean_of_tasks("score", "arm"), sums.mean_of_tasks("score", "difference")
        dense = sums.mean_of_tasks("score", "dense")
        nothing = Estimate(math.nan, 0)

        def mean(name: str) -> float:
            return plain_mean([pair.sample.number(name) for pair in pairs])
        ratios = [pair.dense.number("ttft_ms") / pair.sample.number("ttft_ms") for pair in pairs] if paired else []
        ratios = [ratio for ratio in ratios if math.isfinite(ratio)]
        answers = [pair.sample.prediction == pair.dense.prediction for pair in pairs
                   if paired and pair.sample.prediction is not None and pair.dense.prediction is not None]
        return Summary(
            arm, scope, tasks, len(pairs), unpaired,
            score=sums.estimate(100.0 * score, "score"),
            difference=sums.estimate(100.0 * difference, "score") if paired else nothing,
            kept_score=sums.estimate(1.0 + difference / dense, "score") if paired and dense[0] > 0 else nothing,
            loglik=sums.estimate(sums.pooled_mean("answer_loglik", "arm"), "answer_loglik"),
            loglik_difference=sums.estimate(sums.pooled_mean("answer_loglik", "difference"), "answer_loglik") if paired else nothing,
            ttft_speedup=sums.speedup("ttft_ms") if paired else nothing,
            ttft_median=float(numpy.median(ratios)) if ratios else math.nan,
            total_speedup=sums.speedup("total_ms") if paired else nothing,
            tpot_speedup=sums.tpot_speedup() if paired else nothing,
            computed=mean("computed_fraction"), computed_end=mean("computed_fraction_end"), generated=mean("generated_tokens"),
            generated_dense=plain_mean([pair.dense.number("generated_tokens") for pair in pairs]) if paired else math.nan,
            same_answer=float(numpy.mean(answers)) if answers else math.nan,
            dense_prefix=mean("dense_prefix"), ttft_ms=mean("ttft_ms"))
