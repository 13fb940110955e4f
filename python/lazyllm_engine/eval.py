# SPDX-License-Identifier: Apache-2.0
"""Your own questions, answered with several settings and scored.

The suites of papers (LongBench, RULER, needles) are in the program: ``lazyllm eval``.
"""

from __future__ import annotations

import collections
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Union

from ._model import Model

Metric = Union[str, Callable[[str, Sequence[str]], float]]
ARMS: Mapping[str, Mapping[str, Any]] = {"dense": {"prune": "off"}, "default": {}}


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def contains(text: str, answers: Sequence[str]) -> float:
    """1 if one of the answers stands in the text."""
    words = " ".join(_words(text))
    return float(any(re.search(rf"\b{re.escape(' '.join(_words(answer)))}\b", words) is not None for answer in answers))


def exact(text: str, answers: Sequence[str]) -> float:
    """1 if the text is one of the answers, but for case and marks."""
    return float(any(_words(text) == _words(answer) for answer in answers))


def f1(text: str, answers: Sequence[str]) -> float:
    """Harmonic mean of precision and recall of the words, for the best answer."""

    def one(answer: str) -> float:
        given, wanted = collections.Counter(_words(text)), collections.Counter(_words(answer))
        common = sum((given & wanted).values())
        return 2.0 * common / (sum(given.values()) + sum(wanted.values())) if common else 0.0

    return max(map(one, answers), default=0.0)


METRICS: Mapping[str, Callable[[str, Sequence[str]], float]] = {"contains": contains, "exact": exact, "f1": f1}


@dataclass(frozen=True)
class Question:
    """``metric``: ``"contains"``, ``"exact"``, ``"f1"``, or a function of the text and the answers that gives 0 to 1."""

    prompt: str
    answers: Sequence[str]
    metric: Metric = "contains"


@dataclass(frozen=True)
class Result:
    """``rows``: one a question and arm, with ``arm``, ``prompt``, ``text``, ``score``, ``computed_fraction``, ``ttft_ms``, ``total_ms``."""

    rows: list[dict[str, Any]] = field(repr=False)

    @property
    def scores(self) -> dict[str, float]:
        """Mean score of each arm."""
        by_arm: dict[str, list[float]] = {}
        for row in self.rows:
            by_arm.setdefault(row["arm"], []).append(row["score"])
        return {arm: sum(scores) / len(scores) for arm, scores in by_arm.items()}

    def __str__(self) -> str:
        lines = []
        for arm, score in self.scores.items():
            rows = [row for row in self.rows if row["arm"] == arm]
            work = sum(row["computed_fraction"] for row in rows) / len(rows)
            first = sum(row["ttft_ms"] for row in rows) / len(rows)
            lines.append(f"{arm}: score {score:.3f}, {100.0 * work:.0f} % of the work, first word after {first:.0f} ms, {len(rows)} questions")
        return "\n".join(lines)


def evaluate(model: Model, questions: Iterable[Question], arms: Mapping[str, Mapping[str, Any]] = ARMS, *, max_tokens: int = 64, **options: Any) -> Result:
    """Asks each question with each arm's settings, in a new session. Further options are those of :meth:`Model.chat`."""
    rows = []
    for question in questions:
        metric = METRICS[question.metric] if isinstance(question.metric, str) else question.metric
        for arm, settings in arms.items():
            answer = model.session(**settings).chat(question.prompt, max_tokens=max_tokens, **options)
            s = answer.statistics
            rows.append({"arm": arm, "prompt": question.prompt, "text": answer.text, "score": float(metric(answer.text, question.answers)),
                         "computed_fraction": s.computed_fraction, "ttft_ms": s.ttft_ms, "total_ms": s.total_ms})
    if not rows:
        raise ValueError("there are no questions, or no arms")
    return Result(rows)
