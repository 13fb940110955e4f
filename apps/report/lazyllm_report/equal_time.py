# SPDX-License-Identifier: Apache-2.0
"""Policies at equal time to first token.

Operating points rarely have the same time. Between two points a and b of a policy lies the one that answers a share w of
the prompts with b and the others with a: its expected time and score are (1-w) a + w b. For an arm of `lazy`, each other
policy is mixed so (dense being one of its points) to the very time of that arm, and the scores are compared record by record.
"""

import math
from dataclasses import dataclass

import numpy

from .bootstrap import Estimate, Resampler, estimate
from .study import Arm, Suite

REFERENCE_POLICY = "lazy"
MEASURES = ("score", "answer_loglik")


@dataclass
class Comparison:
    arm: Arm
    policy: str
    scope: str
    slower: Arm | None     # the mixed points; None: the policy has no point as fast
    faster: Arm | None
    share: float           # of `faster`
    speedup: float         # of both, against dense
    difference: Estimate   # score of the arm minus score of the mixture, in points
    loglik_difference: Estimate


def compare_all(suite: Suite, scopes: dict[str, list[str]], resampler: Resampler) -> list[Comparison]:
    if suite.dense is None:
        return []
    references = [arm for arm in suite.arms if arm.policy == REFERENCE_POLICY]
    others: dict[str, list[Arm]] = {}
    for arm in suite.arms:
        if not arm.is_dense and arm.policy != REFERENCE_POLICY:
            others.setdefault(arm.policy, []).append(arm)
    found = []
    for scope, tasks in scopes.items():
        for arm in references:
            for policy, points in others.items():
                comparison = compare(suite, scope, tasks, arm, policy, [suite.dense, *points], resampler)
                if comparison:
                    found.append(comparison)
    return found


def compare(suite: Suite, scope: str, tasks: list[str], arm: Arm, policy: str, points: list[Arm], resampler: Resampler) -> Comparison | None:
    """None without common records, or where the arm is no faster than dense."""
    records = common_records(suite, tasks, [arm, *points])
    times = {point: total(suite, records, point) for point in (arm, *points)}
    if not any(records.values()) or not all(math.isfinite(time) for time in times.values()):
        return None
    dense = times[suite.dense]
    if times[arm] >= dense:
        return None
    nothing = Estimate(math.nan, 0)
    ordered = sorted(points, key=lambda point: -times[point])
    after = next((i for i, point in enumerate(ordered) if times[point] <= times[arm]), None)
    if after is None:
        return Comparison(arm, policy, scope, None, None, math.nan, dense / times[arm], nothing, nothing)
    slower, faster = ordered[after - 1], ordered[after]   # dense is slower than the arm, so `after` is not 0
    share = (times[slower] - times[arm]) / (times[slower] - times[faster])
    differences = [difference(suite, records, arm, slower, faster, share, name, resampler) for name in MEASURES]
    return Comparison(arm, policy, scope, slower, faster, share, dense / times[arm], *differences)


def common_records(suite: Suite, tasks: list[str], arms: list[Arm]) -> dict[str, list[tuple]]:
    return {task: sorted(set.intersection(*(set(suite.samples[arm].get(task, {})) for arm in arms))) for task in tasks}


def total(suite: Suite, records: dict[str, list[tuple]], arm: Arm) -> float:
    return sum(suite.samples[arm][task][record].number("ttft_ms") for task, found in records.items() for record in found)


def difference(suite: Suite, records: dict, arm: Arm, slower: Arm, faster: Arm, share: float, name: str, resampler: Resampler) -> Estimate:
    """Scores: mean over the tasks' means, in points. Log-likelihood: mean over the records."""
    sums = []
    for task, found in records.items():
        rows = []
        for record in found:
            own, a, b = (suite.samples[one][task][record].number(name) for one in (arm, slower, faster))
            value = own - ((1.0 - share) * a + share * b)
            rows.append((1.0, value) if math.isfinite(value) else (0.0, 0.0))
        if any(counted for counted, _ in rows):
            sums.append(resampler.sums(f"{suite.name}/{task}", numpy.array(rows)))
    if not sums:
        return Estimate(math.nan, 0)
    count = int(sum(task[0, 0] for task in sums))
    with numpy.errstate(divide="ignore", invalid="ignore"):
        if name == "score":
            values = 100.0 * numpy.mean([task[:, 1] / task[:, 0] for task in sums], axis=0)
        else:
            values = sum(task[:, 1] for task in sums) / sum(task[:, 0] for task in sums)
    return estimate(values[0], values[1:], count)
