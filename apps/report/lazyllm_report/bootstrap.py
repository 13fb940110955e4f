# SPDX-License-Identifier: Apache-2.0
"""Percentile bootstrap over records, drawn within each task (stratified), the same draws for all policies of a task."""

import math
import zlib
from dataclasses import dataclass

import numpy

SMALLEST_FOR_INTERVAL = 5    # records; below, no interval is given
SMALLEST_FOR_MARK = 10       # records; below, an interval that excludes zero is not marked: it is too narrow at such n
CACHED_DRAWS = 40_000_000    # of one task, kept for the next policy
DRAWS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Estimate:
    point: float
    n: int
    low90: float = math.nan
    high90: float = math.nan
    low95: float = math.nan
    high95: float = math.nan

    def excludes(self, value: float) -> bool:
        """Whether the 95 % interval lies on one side of it, and there are records enough to say so."""
        return self.n >= SMALLEST_FOR_MARK and (self.low95 > value or self.high95 < value)


def estimate(point: float, resampled: numpy.ndarray, n: int) -> Estimate:
    """The interval of `point` from its values over the resamples; none if there are too few records or it is not finite."""
    if n < SMALLEST_FOR_INTERVAL or not math.isfinite(point):
        return Estimate(float(point), n)
    values = numpy.sort(resampled[~numpy.isnan(resampled)])
    if len(values) == 0:
        return Estimate(float(point), n)
    bounds = [float(values[round(q * (len(values) - 1))]) for q in (0.05, 0.95, 0.025, 0.975)]
    return Estimate(float(point), n, *(bound if math.isfinite(bound) else math.nan for bound in bounds))


class Resampler:
    """Draws are a function of seed, task name and number of records only."""

    def __init__(self, resamples: int, seed: int):
        self.resamples = resamples
        self.seed = seed
        self.cache: dict[tuple[str, int], list[numpy.ndarray]] = {}

    def sums(self, label: str, columns: numpy.ndarray) -> numpy.ndarray:
        """Sums of the columns (records x k) over each resample: (1 + resamples) x k, the first row being the records themselves."""
        n = len(columns)
        parts = [columns.sum(axis=0, keepdims=True)]
        for counts in self.counts(label, n):
            parts.append(counts.astype(numpy.float64) @ columns)
        return numpy.concatenate(parts)

    def counts(self, label: str, n: int):
        """How often each record is drawn, in chunks of (resamples x n)."""
        if (label, n) in self.cache:
            yield from self.cache[label, n]
            return
        random = numpy.random.default_rng([self.seed, zlib.crc32(label.encode()), n])
        keep = n * self.resamples <= CACHED_DRAWS
        chunks = []
        step = max(1, DRAWS_AT_ONCE // n)
        for start in range(0, self.resamples, step):
            rows = min(step, self.resamples - start)
            draws = random.integers(0, n, size=(rows, n)) + numpy.arange(rows)[:, None] * n
            counts = numpy.bincount(draws.ravel(), minlength=rows * n).reshape(rows, n).astype(numpy.uint16)
            if keep:
                chunks.append(counts)
            yield counts
        if keep:
            self.cache[label, n] = chunks
