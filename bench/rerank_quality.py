#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What /v1/rerank is worth: questions of HotpotQA and MuSiQue, each with its 10 or 20 paragraphs, against BM25.

    ninja -C build/release rerank_masses
    bench/rerank_quality.py MODEL [--data ../shared/data/longbench] [--records 30] [--threads 2] [--heads 16] [--keep masses.jsonl]

A paragraph counts as relevant if it holds an answer. Heads are chosen on the records with even numbers: those whose attention from the question, less that
from a question without content, lies most on relevant paragraphs (QRHead, arXiv 2506.09944). Everything is measured on the odd ones. Prints
recall at 1, 2 and 5, the mean reciprocal rank, and the heads as --rerank-heads takes them. --keep holds what the model computed, for another run.
"""

import argparse
import collections
import json
import math
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[1]
SETS = ["hotpotqa_distractor", "musique_distractor"]


def read(folder: pathlib.Path, name: str, most: int) -> list[dict]:
    records = []
    for line in (folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        documents = [part.strip() for part in re.split(r"(?:^|\n\n)Passage \d+:\n", record["context"])[1:]]
        answers = [answer.lower() for answer in record["answers"] if len(answer) > 2 and answer.lower() != "yes"]
        relevant = [i for i, text in enumerate(documents) if any(answer in text.lower() for answer in answers)]
        if 0 < len(relevant) < len(documents):
            records.append({"set": name, "query": record["input"], "documents": documents, "relevant": relevant})
    return records[:most]


def bm25(query: str, documents: list[str], k: float = 1.2, b: float = 0.75) -> list[float]:
    words = [re.findall(r"\w+", text.lower()) for text in documents]
    mean = sum(map(len, words)) / len(words)
    seen = collections.Counter(word for one in words for word in set(one))
    scores = []
    for one in words:
        counts, score = collections.Counter(one), 0.0
        for word in re.findall(r"\w+", query.lower()):
            rarity = math.log(1 + (len(words) - seen[word] + 0.5) / (seen[word] + 0.5))
            score += rarity * counts[word] * (k + 1) / (counts[word] + k * (1 - b + b * len(one) / mean))
        scores.append(score)
    return scores


def masses(model: str, records: list[dict], threads: int, keep: pathlib.Path | None) -> list[dict]:
    if keep is None or not keep.exists():
        lines = "".join(json.dumps({"query": r["query"], "documents": r["documents"]}) + "\n" for r in records)
        done = subprocess.run([ROOT / "build/release/rerank_masses", model, str(threads)], input=lines, capture_output=True, text=True, check=True)
        if keep is None:
            return [json.loads(line) for line in done.stdout.splitlines()]
        keep.write_text(done.stdout)
    return [json.loads(line) for line in keep.read_text().splitlines()]


def by_heads(mass: dict, heads: list[int], calibrated: bool) -> list[float]:
    count = len(mass["asked"][0])
    return [sum(mass["asked"][h][i] - (mass["empty"][h][i] if calibrated else 0.0) for h in heads) / len(heads) for i in range(count)]


def choose_heads(found: list[tuple[dict, dict]], count: int) -> list[int]:
    totals = [0.0] * len(found[0][1]["heads"])
    for record, mass in found:
        for h, _ in enumerate(totals):
            totals[h] += sum(mass["asked"][h][i] - mass["empty"][h][i] for i in record["relevant"])
    return sorted(sorted(range(len(totals)), key=lambda h: -totals[h])[:count])


def figures(ranked: list[tuple[list[int], list[float]]]) -> dict[str, float]:
    sums = collections.Counter()
    for relevant, scores in ranked:
        order = sorted(range(len(scores)), key=lambda i: -scores[i])
        for k in (1, 2, 5):
            sums[f"recall@{k}"] += len(set(order[:k]) & set(relevant)) / min(k, len(relevant))
        sums["MRR"] += 1 / (1 + min(order.index(i) for i in relevant))
    return {name: total / len(ranked) for name, total in sums.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--data", type=pathlib.Path, default=ROOT.parent / "shared" / "data" / "longbench")
    parser.add_argument("--records", type=int, default=30, help="of each set")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--heads", type=int, default=16)
    parser.add_argument("--keep", type=pathlib.Path)
    options = parser.parse_args()
    records = [record for name in SETS for record in read(options.data, name, options.records)]
    found = list(zip(records, masses(options.model, records, options.threads, options.keep), strict=True))
    tuned, held_out = found[::2], found[1::2]
    heads = choose_heads(tuned, options.heads)
    every = list(range(len(found[0][1]["heads"])))
    ways = {"BM25": lambda r, _: bm25(r["query"], r["documents"]),
            "all heads": lambda _, m: by_heads(m, every, calibrated=False),
            "all heads, less an empty query": lambda _, m: by_heads(m, every, calibrated=True),
            f"{len(heads)} heads": lambda _, m: by_heads(m, heads, calibrated=False),
            f"{len(heads)} heads, less an empty query": lambda _, m: by_heads(m, heads, calibrated=True)}
    for name in [*SETS, "both"]:
        chosen = [(r, m) for r, m in held_out if name in (r["set"], "both")]
        print(f"{name}: {len(chosen)} questions")
        for way, score in ways.items():
            print(f"  {way:32} " + "  ".join(f"{key} {value:.3f}" for key, value in figures([(r["relevant"], score(r, m)) for r, m in chosen]).items()))
    print("--rerank-heads " + ",".join(".".join(map(str, found[0][1]["heads"][h])) for h in heads))


if __name__ == "__main__":
    main()
