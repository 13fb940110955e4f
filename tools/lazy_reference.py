#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""LazyLLM as the paper's Figure 4(b) draws it, in plain NumPy: a K,V cache and an Aux Cache per layer.

This is the truth the engine's lazy step is tested against. It knows nothing of the engine's formulation (one depth and one
hidden row per token): it keeps, for every layer, the K,V of the tokens computed there and the output hidden states of the tokens that were
pruned after it and have no K,V in the next layer. Everything is written for clarity, token by token where that helps.

Architecture ``llama`` with full attention (grouped heads, Llama 3 rope scaling, biases), from a Hugging Face folder in F32.

Definitions where the paper is silent (all of them also in ``tests/golden/README.md``):

* k = ceil(keep * |S|), product in float64, at least 1. Must-keep tokens (the last one, the protected ones) come first and count
  in k; if there are more of them than k, all of them stay. The rest follows by descending score, ties to the later position.
* Score: softmax row of the last token over S in the layer just computed, mean over the query heads. ``window W``: mean over
  the last min(W, new tokens in flight) new tokens of the step; a key later than such a query has weight 0 for it. Revived tokens
  are not queries of the window. Pooling over an odd K: mean over the existing ones among the K neighbours in the order of S.
* Revival budget N: counts only in steps of one new token. A token leaves the Aux Cache when it is selected, has no K,V in
  the next layer and is not in flight. Going down the ranking, the first N such tokens of the step are revived; each further one
  inside the first k is refused and leaves S, and its place goes to the best token beyond the first k whose
  K,V stand in the next layer (a token in flight there does not qualify), if there is one.
* Scores beyond the paper, each per token and before pooling. ``heads``: the sum over the chosen heads of the pruning layer and all layers before it,
  each head's row times its weight. ``accumulate N``: mean over those of the last N layers (the pruning layer included) of their scores.
* ``ahead N``: in a step of a prompt, if no token of S has K,V behind the pruning layer: the last token alone passes the next N layers (or all that are
  left), the K,V of all others there made from their hidden states behind the pruning layer; the score is its attention in these layers, mean over heads
  and layers. In any other step: the pruning layer's own.
* ``peak N``: the highest probability over the heads of the last N layers (in steps of one token: of those among them that prune) and over the queries of
  the window. Its pool of K is no mean: a token takes the highest among itself, the K - 1 - K // 8 entries before it and the K // 8 after it in the
  order of S, the farthest counting a quarter less, those between in proportion to their distance.
* ``keep_mass`` M: k is at most the number of must-keep tokens plus the fewest others, by descending score, that together have the share M of the
  scores of all others.
* A revived token attends to the tokens of S at or before its own position.

    tools/lazy_reference.py --model DIR --ids 5,17,99,... --prune 2:0.5,4:0.3 --decode 20 [--score window:8] ...

prints one JSON object. ``make_lazy_golden.py`` makes the golden files with it.
"""

from __future__ import annotations

import argparse
import json
import math
import struct
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

Tensors = dict[str, np.ndarray]


@dataclass(frozen=True)
class Options:
    """How to prune."""

    schedule: dict[int, float]  # 1-based layer after which to prune -> share of the current set that stays
    window: int = 1  # 1 is the paper: the last token's row
    pool: int = 1
    protect_first: int = 0
    protect_last: int = 0  # the prompt's tail: last tokens of the most recent step of more than one token
    budget: int | None = None  # None is the paper: unlimited
    heads: tuple[tuple[int, int, float], ...] = ()  # (1-based layer, 1-based head, weight); empty: all heads alike
    layers: int = 1  # 1 is the paper: the pruning layer alone
    ahead: int = 0  # layers to look ahead; 0: off
    peak: bool = False  # the highest over heads, queries and layers instead of their mean; the pool spreads it
    value: bool = False  # a head's attention counts times the size of the token's value in it
    mass: float = 0.0  # 0: off


@dataclass
class Selection:
    """One pruning decision, after layer ``layer`` (0-based)."""

    layer: int
    k: int
    scores: list[float]  # over the tokens of S, in order
    kept: list[int]
    refused: list[int]  # inside the first k, but the budget was spent
    substitutes: list[int]  # took their places
    gap: float  # smallest relative distance of two scores whose exchange would change the kept set; inf if none would


@dataclass
class StepResult:
    """What one step did."""

    tokens: list[int]  # ids fed
    logits: np.ndarray  # [vocab] of the last token
    entering: list[list[int]]  # S entering each layer
    computed: list[list[int]]  # tokens computed in each layer
    revived: list[list[int]]  # taken out of the Aux Cache at the entrance of each layer
    selections: list[Selection]
    aux_tokens: list[list[int]]  # content of each layer's Aux Cache after the step
    kv_tokens: list[list[int]]  # content of each layer's K,V cache after the step


@dataclass
class LayerCache:
    """K,V per token: position -> [kv_heads, head_dim] each."""

    k: dict[int, np.ndarray] = field(default_factory=dict)
    v: dict[int, np.ndarray] = field(default_factory=dict)


def read_safetensors(path: Path) -> Tensors:
    """An F32 file."""
    data = path.read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    tensors: Tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        if entry["dtype"] != "F32":
            raise ValueError(f"{path}: {name} is {entry['dtype']}; only F32 is read here")
        first, last = (8 + length + offset for offset in entry["data_offsets"])
        tensors[name] = np.frombuffer(data[first:last], dtype="<f4").reshape(entry["shape"])
    return tensors


class Llama:
    """Weights and the layer's arithmetic; no state of a sequence."""

    def __init__(self, folder: Path, dtype: type[np.floating] = np.float32) -> None:
        self.config: dict = json.loads((folder / "config.json").read_text())
        if self.config["model_type"] != "llama":
            raise ValueError(f"{folder}: model_type {self.config['model_type']}; only llama is modelled here")
        self.dtype = dtype
        self.weights = {name: array.astype(dtype) for name, array in read_safetensors(folder / "model.safetensors").items()}
        self.layers: int = self.config["num_hidden_layers"]
        self.heads: int = self.config["num_attention_heads"]
        self.kv_heads: int = self.config["num_key_value_heads"]
        self.head_dim: int = self.config.get("head_dim") or self.config["hidden_size"] // self.heads
        self.frequencies = self._frequencies()

    def _frequencies(self) -> np.ndarray:
        """Rotation per position, float64 [head_dim / 2]."""
        freq = 1.0 / self.config["rope_theta"] ** (np.arange(0, self.head_dim, 2) / self.head_dim)
        scaling = self.config.get("rope_scaling")
        if not scaling:
            return freq
        if scaling["rope_type"] != "llama3":
            raise ValueError(f"rope scaling {scaling['rope_type']} is not modelled here")
        original, low, high = scaling["original_max_position_embeddings"], scaling["low_freq_factor"], scaling["high_freq_factor"]
        wavelength = 2 * math.pi / freq
        smooth = np.clip((original / wavelength - low) / (high - low), 0.0, 1.0)
        return freq * ((1 - smooth) / scaling["factor"] + smooth)

    def embed(self, ids: list[int]) -> np.ndarray:
        """[n, d]"""
        return self.weights["model.embed_tokens.weight"][ids]

    def norm(self, x: np.ndarray, name: str) -> np.ndarray:
        """Root mean square norm."""
        scale = np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + self.dtype(self.config["rms_norm_eps"]))
        return x / scale * self.weights[name]

    def linear(self, x: np.ndarray, name: str) -> np.ndarray:
        """x W^T + b"""
        y = x @ self.weights[f"{name}.weight"].T
        bias = self.weights.get(f"{name}.bias")
        return y if bias is None else y + bias

    def rotate(self, x: np.ndarray, positions: list[int]) -> np.ndarray:
        """Rotary embedding of [n, heads, head_dim] at original positions, halves as in the Hugging Face weights."""
        angle = np.outer(positions, self.frequencies)
        cos, sin = (f(angle).astype(self.dtype)[:, None, :] for f in (np.cos, np.sin))
        a, b = np.split(x, 2, axis=-1)
        return np.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)

    def qkv(self, layer: int, h: np.ndarray, positions: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rotated q [n, heads, hd], rotated k and v [n, kv_heads, hd] of the rows h."""
        at = f"model.layers.{layer}.self_attn."
        x = self.norm(h, f"model.layers.{layer}.input_layernorm.weight")
        q = self.linear(x, at + "q_proj").reshape(len(h), self.heads, self.head_dim)
        k = self.linear(x, at + "k_proj").reshape(len(h), self.kv_heads, self.head_dim)
        v = self.linear(x, at + "v_proj").reshape(len(h), self.kv_heads, self.head_dim)
        return self.rotate(q, positions), self.rotate(k, positions), v

    def probabilities(self, q: np.ndarray, k: np.ndarray, query_positions: list[int], key_positions: list[int]) -> np.ndarray:
        """Attention map [heads, queries, keys], causal by original position."""
        k = np.repeat(k, self.heads // self.kv_heads, axis=1)
        x = np.einsum("qhd,khd->hqk", q, k) / self.dtype(math.sqrt(self.head_dim))
        x = np.where(np.array(key_positions)[None, None, :] <= np.array(query_positions)[None, :, None], x, -np.inf)
        x = np.exp(x - x.max(axis=-1, keepdims=True))
        return x / x.sum(axis=-1, keepdims=True)

    def block_rest(self, layer: int, h: np.ndarray, probabilities: np.ndarray, v: np.ndarray) -> np.ndarray:
        """Everything of the block after the attention map."""
        at = f"model.layers.{layer}."
        v = np.repeat(v, self.heads // self.kv_heads, axis=1)
        mixed = np.einsum("hqk,khd->qhd", probabilities, v).reshape(len(h), -1)
        h = h + self.linear(mixed, at + "self_attn.o_proj")
        x = self.norm(h, at + "post_attention_layernorm.weight")
        gate = self.linear(x, at + "mlp.gate_proj")
        return h + self.linear(gate / (1 + np.exp(-gate)) * self.linear(x, at + "mlp.up_proj"), at + "mlp.down_proj")

    def logits(self, h: np.ndarray) -> np.ndarray:
        """[vocab] of one row."""
        head = "model.embed_tokens.weight" if self.config["tie_word_embeddings"] else "lm_head.weight"
        return self.norm(h, "model.norm.weight") @ self.weights[head].T


def layer_score(probabilities: np.ndarray, weights: dict[int, float] | None, peak: bool) -> np.ndarray:
    """Mean of the map [heads, queries, keys] over queries and heads, or the sum over heads by ``weights`` (1-based head -> weight), or the highest."""
    if peak:
        return probabilities.max(axis=(0, 1))
    rows = probabilities.mean(axis=1)
    if weights is None:
        return rows.mean(axis=0)
    return sum((rows[head - 1] * rows.dtype.type(weight) for head, weight in weights.items()), np.zeros_like(rows[0]))


def importance(by_layer: list[dict[int, float]], selected: list[int], options: Options) -> np.ndarray:
    """Scores of the tokens in ``selected`` from those of every layer so far (token -> score, the pruning layer's last), pooled."""
    if options.heads:
        rows = by_layer
    else:
        rows = by_layer[-options.layers :]
    table = np.array([[row[i] for i in selected] for row in rows])
    if options.heads:
        score = table.sum(axis=0)
    elif options.peak:
        return spread(table.max(axis=0), options.pool)
    else:
        score = table.mean(axis=0)
    pool = options.pool
    if pool <= 1:
        return score
    half = pool // 2
    return np.array([score[max(0, i - half) : i + half + 1].mean() for i in range(len(score))], dtype=score.dtype)


def spread(score: np.ndarray, pool: int) -> np.ndarray:
    """Each entry the highest of its neighbourhood, far ones reduced."""
    behind = pool // 8
    before = pool - 1 - behind
    result = score.copy()
    for i in range(len(score)):
        for d in range(1, before + 1):
            if i - d >= 0:
                result[i] = max(result[i], score[i - d] * (1 - 0.25 * d / before))
        for d in range(1, behind + 1):
            if i + d < len(score):
                result[i] = max(result[i], score[i + d] * (1 - 0.25 * d / behind))
    return result


def look_ahead(model: Llama, rows: np.ndarray, selected: list[int], first: int, layers: int) -> np.ndarray:
    """Attention of the last token of ``selected`` in the layers from ``first`` on, all others standing still at ``rows``; mean over heads and layers."""
    total, last = np.zeros(len(selected), dtype=rows.dtype), rows[-1:]
    end = min(model.layers, first + layers)
    for layer in range(first, end):
        q, k, v = model.qkv(layer, np.concatenate([rows[:-1], last]), selected)
        probabilities = model.probabilities(q[-1:], k, selected[-1:], selected)
        total += probabilities[:, 0].mean(axis=0)
        last = model.block_rest(layer, last, probabilities, v)
    return total / rows.dtype.type(end - first)


def choose(order: list[int], k: int, must: set[int], in_next_kv: set[int], in_flight: set[int],
           budget: int | None) -> tuple[list[int], list[int], list[int], int]:
    """Who stays, from a ranking (must-keep tokens in front): kept, refused, substitutes, revivals spent."""
    k = max(k, len(must))
    kept, refused, spent = [], [], 0
    for token in order[:k]:
        if token in in_next_kv or token in in_flight:
            kept.append(token)
        elif budget is None or spent < budget:
            kept.append(token)
            spent += 1
        else:
            refused.append(token)
    substitutes = [token for token in order[k:] if token in in_next_kv][: len(refused)]
    return kept + substitutes, refused, substitutes, spent


class LazySequence:
    """One sequence: the two caches of every layer, and the step."""

    def __init__(self, model: Llama, options: Options) -> None:
        self.model, self.options = model, options
        self.ids: list[int] = []
        self.kv = [LayerCache() for _ in range(model.layers)]
        self.aux: list[dict[int, np.ndarray]] = [{} for _ in range(model.layers)]  # output of the layer, token -> [d]
        self.tail: set[int] = set()
        self.pairs_computed: set[tuple[int, int]] = set()

    def step(self, new_ids: list[int]) -> StepResult:
        """Feeds tokens (a prompt, a further turn, or one generated token)."""
        model, options = self.model, self.options
        first_new = len(self.ids)
        self.ids += new_ids
        last = len(self.ids) - 1
        new = set(range(first_new, last + 1))
        if len(new_ids) > 1:
            self.tail = set(range(max(0, len(self.ids) - options.protect_last), len(self.ids))) if options.protect_last else set()
        must = {last} | self.tail | set(range(min(options.protect_first, len(self.ids))))
        budget = options.budget if len(new_ids) == 1 else None

        selected = list(range(len(self.ids)))  # S: starts full at every step
        flight: dict[int, np.ndarray] = dict(zip(range(first_new, last + 1), model.embed(new_ids)))
        result = StepResult(list(new_ids), np.empty(0), [], [], [], [], [], [])
        by_layer: list[dict[int, float]] = []  # scores of every layer, by token
        for layer in range(model.layers):
            cache = self.kv[layer]
            revived = [] if layer == 0 else [i for i in selected if i in self.aux[layer - 1] and i not in cache.k]
            for i in revived:
                flight[i] = self.aux[layer - 1].pop(i)
            computed = sorted(flight)
            assert set(selected) == {i for i in selected if i in cache.k} | set(computed), "a selected token has neither K,V nor a state"
            assert not any(i in cache.k for i in computed), "computed twice"
            self.pairs_computed |= {(i, layer) for i in computed}
            result.entering.append(list(selected))
            result.computed.append(computed)
            result.revived.append(revived)

            h = np.stack([flight[i] for i in computed])
            q, k, v = model.qkv(layer, h, computed)
            for row, i in enumerate(computed):
                cache.k[i], cache.v[i] = k[row], v[row]
            keys, values = np.stack([cache.k[i] for i in selected]), np.stack([cache.v[i] for i in selected])
            attention = model.probabilities(q, keys, computed, selected)
            h = model.block_rest(layer, h, attention, values)
            flight = dict(zip(computed, h))
            if layer == model.layers - 1:
                result.logits = model.logits(flight[last])
                break

            next_kv = set(self.kv[layer + 1].k)
            queries = [row for row, i in enumerate(computed) if i in new][-options.window :]
            weights = {head: weight for at, head, weight in options.heads if at == layer + 1} if options.heads else None
            seen = attention[:, queries, :]
            if options.value:
                seen = seen * np.repeat(np.abs(values).sum(axis=-1).T, model.heads // model.kv_heads, axis=0)[:, None, :]
            scores = layer_score(seen, weights, options.peak)
            if options.peak and len(new_ids) == 1 and layer + 1 not in options.schedule:
                scores = np.zeros_like(scores)
            by_layer.append(dict(zip(selected, scores)))
            if layer + 1 in options.schedule:
                if options.ahead and len(new_ids) > 1 and all(i in flight for i in selected):
                    by_layer[-1] = dict(zip(selected, look_ahead(model, np.stack([flight[i] for i in selected]), selected, layer + 1, options.ahead)))
                score = importance(by_layer, selected, options)
                kept = self._select(layer, selected, score, must, next_kv, set(flight), budget, result)
            else:
                kept = set(selected)
            # Who was carried here and is pruned now leaves its hidden state behind, unless that is not needed.
            for i in list(flight):
                if i not in kept:
                    if i not in next_kv and i not in self.aux[layer]:
                        self.aux[layer][i] = flight[i]
                    del flight[i]
            selected = [i for i in selected if i in kept]
            if budget is not None:
                budget -= sum(1 for i in selected if i not in next_kv and i not in flight)
                assert budget >= 0, "revived more than allowed"
        result.aux_tokens = [sorted(entries) for entries in self.aux]
        result.kv_tokens = [sorted(cache.k) for cache in self.kv]
        return result

    def _select(self, layer: int, selected: list[int], score: np.ndarray, must: set[int], next_kv: set[int], flight: set[int],
                budget: int | None, result: StepResult) -> set[int]:
        """Ranks S, chooses, and measures how far the choice is from being another one."""
        value = dict(zip(selected, score.tolist()))
        k = max(1, math.ceil(self.options.schedule[layer + 1] * len(selected)))
        if self.options.mass:
            others = sorted((value[i] for i in selected if i not in must), reverse=True)
            enough = np.nonzero(np.cumsum([0.0] + others) >= self.options.mass * sum(others) * (1 - 1e-9))[0]
            k = min(k, len(selected) - len(others) + int(enough[0]))
        front = [i for i in selected if i in must]
        ranked = sorted((i for i in selected if i not in must), key=lambda i: (value[i], i), reverse=True)
        in_must = set(front)
        kept, refused, substitutes, _ = choose(front + ranked, k, in_must, next_kv, flight, budget)
        gap = math.inf
        for a in range(len(ranked) - 1):
            swapped = list(ranked)
            swapped[a], swapped[a + 1] = swapped[a + 1], swapped[a]
            if set(choose(front + swapped, k, in_must, next_kv, flight, budget)[0]) != set(kept):
                high, low = value[ranked[a]], value[ranked[a + 1]]
                gap = min(gap, (high - low) / high if high > 0 else 0.0)
        result.selections.append(Selection(layer, k, score.tolist(), sorted(kept), sorted(refused), sorted(substitutes), gap))
        return set(kept)


def run(model: Llama, options: Options, prompt: list[int], decode: int, turn: list[int] | None = None,
        feed: list[int] | None = None) -> tuple[LazySequence, list[StepResult]]:
    """Prefill, ``decode`` greedy steps (or the given tokens), and, if ``turn`` is given, a further step of several tokens and as many
    greedy steps again."""
    sequence = LazySequence(model, options)
    results = []
    given = iter(feed) if feed is not None else None
    for start in [prompt] + ([turn] if turn else []):
        results.append(sequence.step(start))
        for _ in range(decode):
            results.append(sequence.step([next(given) if given is not None else int(np.argmax(results[-1].logits))]))
    return sequence, results


def parse_schedule(text: str) -> dict[int, float]:
    """``2:0.5,4:0.3``"""
    return {int(layer): float(keep) for layer, keep in (part.split(":") for part in text.split(",") if part)}


def parse_score(text: str) -> dict[str, object]:
    """``heads:3.1=0.5,4.2`` and the like as members of Options."""
    if text == "last":
        return {}
    name, _, rest = text.partition(":")
    if name in ("window", "value"):
        window = rest or "1"
    else:
        rest, _, window = rest.partition("@") if "@" in rest else (rest, "", "1")
    members: dict[str, object] = {"window": int(window)}
    if name == "heads":
        heads = []
        for part in rest.split(","):
            place, _, weight = part.partition("=")
            layer, head = place.split(".")
            heads.append((int(layer), int(head), float(weight or 1)))
        members["heads"] = tuple(heads)
    elif name == "ahead":
        members["ahead"] = int(rest or 10**6)
    elif name in ("accumulate", "peak"):
        members["layers"] = int(rest)
        members["peak"] = name == "peak"
    elif name == "value":
        members["value"] = True
    elif name != "window":
        raise ValueError(f"score {text}")
    return members


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="Hugging Face folder, llama, F32")
    parser.add_argument("--ids", required=True, help="prompt token ids, separated by commas")
    parser.add_argument("--prune", type=parse_schedule, default={}, metavar="LAYER:KEEP,...")
    parser.add_argument("--decode", type=int, default=20, help="greedy steps (default %(default)s)")
    parser.add_argument("--score", default="last", help="last, window:W, value[:W], heads:LAYER.HEAD=WEIGHT,..., accumulate:N, peak:N or ahead[:N]")
    parser.add_argument("--keep-mass", type=float, default=0.0)
    parser.add_argument("--score-pool", type=int, default=1)
    parser.add_argument("--protect-first", type=int, default=0)
    parser.add_argument("--protect-last", type=int, default=0)
    parser.add_argument("--revive-budget", default="all", help="N, all or none")
    parser.add_argument("--float64", action="store_true")
    args = parser.parse_args()
    budget = {"all": None, "none": 0}[args.revive_budget] if args.revive_budget in ("all", "none") else int(args.revive_budget)
    options = Options(args.prune, pool=args.score_pool, protect_first=args.protect_first, protect_last=args.protect_last, budget=budget,
                      mass=args.keep_mass, **parse_score(args.score))
    model = Llama(args.model, np.float64 if args.float64 else np.float32)
    sequence, results = run(model, options, [int(i) for i in args.ids.split(",")], args.decode)
    prompt, layers = len(results[0].tokens), model.layers
    print(f"computed share after prefill {sum(map(len, results[0].computed)) / (prompt * layers):.4f}, at the end "
          f"{sum(1 for i, _ in sequence.pairs_computed if i < prompt) / (prompt * layers):.4f}, "
          f"revived {sum(len(r) for result in results for r in result.revived)}", file=sys.stderr)
    json.dump([{**asdict(r), "logits": r.logits.tolist()} for r in results], sys.stdout)


if __name__ == "__main__":
    main()
