#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden runs of the lazy step, ``tests/golden/lazy_<scenario>.json``, from ``lazy_reference.py``. Needs only NumPy.

    tools/make_lazy_golden.py --out tests/golden

Each file is a prefill and 20 decode steps (and, in one scenario, a further turn) of a model of ``make_tiny_models.py``, computed in float64; a
float32 run is made along with it and must choose the same sets. Of the random prompts the first one is taken in which no
choice hangs on a difference of scores below 1e-4, so that any faithful float32 implementation must agree. The format
is described in ``tests/golden/README.md``.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lazy_reference import LazySequence, Llama, Options, StepResult, run
from make_tiny_models import write_all
from tiny_models import uniform

AMBIGUOUS = 1e-6
WANTED_GAP = 1e-4


@dataclass(frozen=True)
class Scenario:
    """A model, a prompt length and how to prune."""

    name: str
    model: str
    prompt: int
    options: Options
    decode: int = 20
    turn: int = 0


SCENARIOS = [
    Scenario("paper", "llama-gqa", 64, Options({1: 0.5, 3: 0.3})),
    Scenario("keep1", "llama-gqa", 48, Options({2: 1.0, 4: 1.0}), decode=4),
    Scenario("last_layer", "llama-gqa", 56, Options({5: 0.4}, protect_first=4)),
    Scenario("pooled", "llama-odd", 72, Options({2: 0.6, 3: 0.5}, pool=7, protect_first=4, protect_last=8)),
    Scenario("window", "llama-odd", 64, Options({1: 0.7, 3: 0.4}, window=8, pool=3, protect_first=2, protect_last=8, budget=4)),
    Scenario("value", "llama-gqa", 64, Options({2: 0.6, 4: 0.4}, window=4, pool=3, protect_first=2, protect_last=4, budget=4, value=True), decode=12, turn=9),
    Scenario("frozen", "llama-rope3", 60, Options({1: 0.6, 2: 0.6, 3: 0.6}, budget=0)),
    Scenario("budget", "llama-rope3", 96, Options({1: 0.5, 2: 0.5, 3: 0.5}, budget=4)),
    Scenario("turn", "llama-bias", 48, Options({1: 0.6, 2: 0.4}, window=4, pool=3, protect_first=1, protect_last=4, budget=2), decode=10, turn=9),
    Scenario("heads", "llama-gqa", 72, Options({2: 0.6, 4: 0.4}, pool=3, protect_first=2, protect_last=4, budget=4,
                                                heads=((1, 2, 0.5), (2, 1, 1.0), (2, 3, 0.25), (4, 4, 2.0)))),
    Scenario("heads_window", "llama-odd", 64, Options({2: 0.5, 3: 0.7}, window=4, protect_last=6, budget=2, heads=((1, 1, 1.0), (2, 2, 0.5)))),
    Scenario("accumulate", "llama-rope3", 64, Options({2: 0.6, 3: 0.5}, pool=3, protect_last=4, layers=3, budget=4)),
    Scenario("peak", "llama-gqa", 72, Options({2: 0.4, 4: 0.5}, window=4, pool=9, protect_first=2, protect_last=4, budget=4, layers=2, peak=True),
             decode=12, turn=9),
    Scenario("ahead", "llama-gqa", 64, Options({2: 0.5, 4: 0.5}, pool=3, protect_first=2, protect_last=4, ahead=10**6, budget=4), decode=12, turn=9),
    Scenario("ahead_two", "llama-odd", 64, Options({1: 0.7, 2: 0.5}, protect_last=4, ahead=2, mass=0.8), decode=8),
    Scenario("mass", "llama-gqa", 64, Options({2: 0.9, 4: 0.8}, pool=3, protect_first=2, protect_last=4, mass=0.5, budget=4)),
    Scenario("few", "llama-mha", 48, Options({2: 0.3, 3: 0.1}, protect_first=4, protect_last=4, budget=1)),
]


def log(message: str) -> None:
    """Progress goes to stderr."""
    print(message, file=sys.stderr, flush=True)


def random_ids(seed: int, count: int, vocab: int) -> list[int]:
    """Ids above the special ones."""
    return [3 + int((float(x) + 1) / 2 * (vocab - 3)) for x in uniform(5000 + seed, (count,))]


def smallest_gap(results: list[StepResult]) -> float:
    """Over all selections of a run."""
    return min((selection.gap for result in results for selection in result.selections), default=math.inf)


def rounded(values: list[float], digits: int) -> list[float]:
    """To significant digits, for small files."""
    return [float(f"{value:.{digits}g}") for value in values]


def step_json(result: StepResult, layers: int) -> dict[str, object]:
    """One step of the file."""
    tokens = sorted(set().union(*result.kv_tokens))
    return {
        "tokens": result.tokens,
        "entering": result.entering,
        "computed": result.computed,
        "revived": sum(len(tokens) for tokens in result.revived),
        "selections": [
            {
                "after_layer": s.layer + 1, "k": s.k, "kept": s.kept, "refused": s.refused, "substitutes": s.substitutes,
                "scores": rounded(s.scores, 7),
                "gap": None if math.isinf(s.gap) else float(f"{s.gap:.3g}"), "ambiguous": s.gap < AMBIGUOUS,
            }
            for s in result.selections
        ],
        "layers_done": [sum(1 for layer in range(layers) if i in set(result.kv_tokens[layer])) for i in tokens],
        "aux": {str(layer + 1): entries for layer, entries in enumerate(result.aux_tokens) if entries},
        "logits": rounded(result.logits.tolist(), 9),
    }


def check(sequence: LazySequence, results: list[StepResult]) -> None:
    """The paper's invariants, on the state after every step."""
    for result in results:
        for layer, (kv, aux) in enumerate(zip(result.kv_tokens, result.aux_tokens)):
            if layer + 1 < sequence.model.layers:
                following = set(result.kv_tokens[layer + 1])
                assert all(i in following or i in aux for i in kv), "a token is lost"
                assert not following & set(aux), "an Aux Cache entry that is not needed"
        entries = [i for aux in result.aux_tokens for i in aux]
        assert len(entries) == len(set(entries)), "two Aux Cache entries of one token"
    assert sum(len(tokens) for result in results for tokens in result.computed) == len(sequence.pairs_computed), "computed twice"


def beyond_the_paper(o: Options) -> dict[str, object]:
    """What a scenario has of the scores that the paper does not know."""
    every = {
        "score_heads": [{"layer": at, "head": head, "weight": weight} for at, head, weight in o.heads],
        "score_layers": o.layers if o.layers > 1 else 0, "score_ahead": o.ahead, "score_peak": o.peak, "score_value": o.value, "keep_mass": o.mass,
    }
    return {key: value for key, value in every.items() if value}


def make(scenario: Scenario, models: Path) -> dict[str, object]:
    """One golden file."""
    exact, single = (Llama(models / scenario.model, dtype) for dtype in (np.float64, np.float32))
    for seed in range(1000):
        ids = random_ids(seed, scenario.prompt + scenario.turn, exact.config["vocab_size"])
        prompt, turn = ids[: scenario.prompt], ids[scenario.prompt :]
        sequence, results = run(exact, scenario.options, prompt, scenario.decode, turn)
        if smallest_gap(results) > WANTED_GAP:
            break
    check(sequence, results)
    feed = [result.tokens[0] for result in results if len(result.tokens) == 1]
    _, again = run(single, scenario.options, prompt, scenario.decode, turn, feed)
    assert [r.entering for r in again] == [r.entering for r in results], "float32 chose other sets"
    difference = max(float(np.abs(a.logits - b.logits).max()) for a, b in zip(again, results))
    o = scenario.options
    pairs = scenario.prompt * exact.layers
    log(f"{scenario.name}: seed {seed}, smallest gap {smallest_gap(results):.2g}, revived {sum(len(t) for r in results for t in r.revived)}, "
        f"refused {sum(len(s.refused) for r in results for s in r.selections)}, substitutes {sum(len(s.substitutes) for r in results for s in r.selections)}, "
        f"float32 logits off by {difference:.2g}, different tokens {len(set(feed))}")
    return {
        "format": 1, "scenario": scenario.name, "model": scenario.model,
        "schedule": [{"after_layer": layer, "keep": keep} for layer, keep in sorted(o.schedule.items())],
        "score_window": o.window, "score_pool": o.pool, **beyond_the_paper(o), "protect_first": o.protect_first, "protect_last": o.protect_last,
        "revive_budget": "all" if o.budget is None else o.budget,
        "layers": exact.layers, "vocab": exact.config["vocab_size"],
        "computed_fraction": sum(len(tokens) for tokens in results[0].computed) / pairs,
        "computed_fraction_end": sum(1 for i, _ in sequence.pairs_computed if i < scenario.prompt) / pairs,
        "revived_tokens": sum(len(tokens) for result in results for tokens in result.revived),
        "float32_logit_difference": float(f"{difference:.3g}"),
        "steps": [step_json(result, exact.layers) for result in results],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--only", nargs="*", help="names of scenarios")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        write_all(Path(folder), sorted({scenario.model for scenario in SCENARIOS}))
        for scenario in SCENARIOS:
            if not args.only or scenario.name in args.only:
                path = args.out / f"lazy_{scenario.name}.json"
                golden = make(scenario, Path(folder))
                steps = golden.pop("steps")
                head = json.dumps(golden)[:-1]
                lines = ",\n".join(json.dumps(step, separators=(",", ":")) for step in steps)  # type: ignore[attr-defined]
                path.write_text(f'{head}, "steps": [\n{lines}\n]}}\n')
                log(f"  {path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
