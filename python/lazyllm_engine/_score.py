# SPDX-License-Identifier: Apache-2.0
"""A score in Python: what a researcher tries before it is worth C++."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _core
from ._errors import InvalidInputError, UsageError

Score = Callable[[npt.NDArray[np.float32]], npt.ArrayLike]
Ranges = Sequence[tuple[int, int]]


def _ranges(mask: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The runs of True, as (begin, end)."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    return [(int(begin), int(end)) for begin, end in zip(edges[::2], edges[1::2])]


@dataclass(frozen=True)
class OwnScore:
    """One cut whose tokens a function of the user's chooses. The attention that it is given comes from a dense pass of its own, so the time to the first token
    is not what a score in C++ would have; the answer is."""

    score: Score
    layer: int
    keep: float
    protect_first: int
    protect_last: int
    min_prompt: int

    @classmethod
    def take(cls, pruning: dict[str, Any]) -> tuple[OwnScore, dict[str, Any]]:
        """Splits a session's options into the hook and what the engine is told."""
        told = {name: value for name, value in pruning.items() if name != "score" and value is not None}
        try:
            layer, keep = (part.strip() for part in str(told.get("prune", "")).split(":"))
            cut = int(layer), float(keep)
        except ValueError:
            raise UsageError("a score of your own needs prune='LAYER:KEEP', one cut such as '15:0.3'") from None
        if not 0.0 < cut[1] <= 1.0:
            raise UsageError(f"prune={told['prune']!r}: the share that stays is above 0 and at most 1")
        if told.get("policy", "lazy") != "lazy":
            raise UsageError("a score of your own works with policy lazy")
        if told.get("score_pool") or told.get("keep_mass"):
            raise UsageError("score_pool and keep_mass do not work with a score of your own; do it in the function")
        # The set that was chosen stays as it is: what would come back is not the function's choice.
        told = {"protect_first": 4, "protect_last": 32, "min_prompt": 256, "revive_budget": 0, **told}
        return cls(pruning["score"], *cut, told["protect_first"], told["protect_last"], told["min_prompt"]), told

    def choose(self, model: _core.Model, tokens: Sequence[int], ranges: Ranges) -> list[tuple[int, int]]:
        """What stays, as ranges that are protected: with as many protected as the cut keeps, nothing else does."""
        size = len(tokens)
        if size < max(self.min_prompt, 2):
            return list(ranges)
        layers, rows = model.attention(tokens)
        if self.layer not in layers:
            raise UsageError(f"layer {self.layer} cannot prune; these can: {', '.join(map(str, layers))}")
        scores = np.asarray(self.score(np.array(rows[layers.index(self.layer)])), dtype=np.float64)
        if scores.shape != (size,):
            raise InvalidInputError(f"the score gave {scores.shape}, wanted ({size},): one number a token")
        if np.isnan(scores).any():
            raise InvalidInputError("the score gave a number that is none (NaN)")
        stays = np.zeros(size, dtype=bool)
        stays[: self.protect_first] = True
        stays[size - min(max(self.protect_last, 1), size) :] = True
        for begin, end in ranges:
            stays[begin:end] = True
        free = np.flatnonzero(~stays)
        wanted = max(math.ceil(self.keep * size) - int(stays.sum()), 0)
        best = free[np.lexsort((-free, -scores[free]))[:wanted]]  # of equals the later one
        stays[best] = True
        return _ranges(stays)
