#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What documents in free order cost and save: loss on question answering with shuffled paragraphs, and time to the first token.

    bench/document_order.py --program build/release/lazyllm -m MODEL --data FOLDER [--records 20] [--recompute 0,16,32] [--samples FILE]

Loss: records of LongBench (musique_distractor, hotpotqa_distractor, 2wikimqa), each paragraph a document, in an order of chance. Every way
answers greedily (F1 of words) and is asked what it thinks of the right answer (nats a token). A way is held against dense from nothing on the
same record; intervals are of 95 %, bootstrap over records.

Time: five documents of 1,500 tokens, read before, in orders that nobody asked for before, against dense from nothing, by turns.
"""

import argparse
import json
import pathlib
import random
import re
import statistics
import string
import sys

from document_reuse import Server

TASKS = ("hotpotqa_distractor", "musique_distractor", "2wikimqa")
ASK = "Answer the question based on the given passages. Only give me the answer and do not output any other words.\n\nQuestion: {}\nAnswer:"


def paragraphs(context: str) -> list[str]:
    return [part.strip() for part in re.split(r"(?:^|\n)Passage \d+:\n", context) if part.strip()]


def words(text: str) -> list[str]:
    text = "".join(" " if c in string.punctuation else c for c in text.lower())
    return [word for word in text.split() if word not in ("a", "an", "the")]


def f1(answer: str, gold: str) -> float:
    got, wanted = words(answer), words(gold)
    common = sum(min(got.count(word), wanted.count(word)) for word in set(got))
    return 2 * common / (len(got) + len(wanted)) if common else 0.0


def records(options, server) -> list[dict]:
    found = []
    for task in TASKS:
        count = 0
        for line in (options.data / f"{task}.jsonl").read_text().splitlines():
            record = json.loads(line)
            parts = paragraphs(record["context"])
            if len(parts) < 4 or count == options.records:
                continue
            tokens = len(json.loads(server.request("POST", "/tokenize", {"content": record["context"]})[1])["tokens"])
            if not 800 <= tokens <= options.most_tokens:
                continue
            random.Random(f"{task} {count}").shuffle(parts)
            found.append({"task": task, "tokens": tokens, "parts": parts, "question": record["input"], "answers": record["answers"]})
            count += 1
    return found


def post(server, path: str, body: dict) -> dict:
    status, answer = server.request("POST", path, body)
    if status != 200:
        sys.exit(f"{path}: {answer}")
    return json.loads(answer)


def ask(server, record: dict, ids: list[str], fields: dict) -> dict:
    """Greedy answer and what the model thinks of the right one."""
    body = {"messages": [{"role": "user", "content": ASK.format(record["question"])}], "documents": ids, "temperature": 0, **fields}
    answer = post(server, "/v1/chat/completions", {**body, "max_tokens": 24})
    gold = record["answers"][0]
    # Held to the right answer; the probabilities are those before it is held.
    held = post(server, "/v1/chat/completions", {**body, "max_tokens": 64, "logprobs": True, "grammar": "root ::= " + json.dumps(gold, ensure_ascii=False)})
    tokens = [token["logprob"] for token in held["choices"][0]["logprobs"]["content"]]
    text = answer["choices"][0]["message"]["content"] or ""
    return {"f1": max(f1(text, gold) for gold in record["answers"]), "nats": sum(tokens) / len(tokens), "answer": text, "lazy": answer["lazy"]}


def ways(options) -> dict[str, dict]:
    """Free order first: what the ordinary ways leave is the stored order."""
    result = {}
    for policy in options.policies.split(","):
        lazy = {"policy": "dense"} if policy == "dense" else {"policy": "lazy", **({"prune": options.prune} if options.prune else {})}
        for recompute in options.recompute.split(","):
            result[f"{policy}, free, {recompute} recomputed"] = {"order": "free", "lazy": {**lazy, "min_prompt": 0, "recompute": int(recompute)}}
    for policy in options.policies.split(","):
        lazy = {"policy": "dense"} if policy == "dense" else {"policy": "lazy", **({"prune": options.prune} if options.prune else {})}
        result[f"{policy}, given order"] = {"lazy": {**lazy, "min_prompt": 0}}
    return result


def interval(values: list[float]) -> tuple[float, float]:
    draw = random.Random(1)
    means = sorted(statistics.fmean(draw.choices(values, k=len(values))) for _ in range(2000))
    return means[50], means[1949]


def loss(options, server):
    found = records(options, server)
    samples = []
    for number, record in enumerate(found):
        ids = [post(server, "/v1/documents", {"text": part, "read_ahead": False})["id"] for part in record["parts"]]
        sample = {"task": record["task"], "tokens": record["tokens"], "ways": {name: ask(server, record, ids, fields) for name, fields in ways(options).items()}}
        samples.append(sample)
        if options.samples:
            with options.samples.open("a") as file:
                file.write(json.dumps(sample) + "\n")
        print(f"{number + 1}/{len(found)} {record['task']} " + " ".join(f"{way['f1']:.2f}/{way['nats']:.2f}" for way in sample["ways"].values()), file=sys.stderr)
    report(options, samples)


def report(options, samples: list[dict]):
    base = "dense, given order"
    print(f"\n{options.model.name}, {len(samples)} records of {', '.join(TASKS)}, {statistics.fmean(s['tokens'] for s in samples):.0f} tokens on average\n")
    print("| way | F1 | against dense | nats a token | against dense | same answer | computed |\n|---|---:|---:|---:|---:|---:|---:|")
    for name in samples[0]["ways"]:
        own = [s["ways"][name] for s in samples]
        dense = [s["ways"][base] for s in samples]
        score = [a["f1"] - b["f1"] for a, b in zip(own, dense)]
        nats = [a["nats"] - b["nats"] for a, b in zip(own, dense)]
        low, high = interval(score)
        worse, better = interval(nats)
        same = sum(a["answer"] == b["answer"] for a, b in zip(own, dense))
        print(f"| {name} | {statistics.fmean(a['f1'] for a in own):.3f} | {statistics.fmean(score):+.3f} ({low:+.3f} to {high:+.3f}) | "
              f"{statistics.fmean(a['nats'] for a in own):.3f} | {statistics.fmean(nats):+.3f} ({worse:+.3f} to {better:+.3f}) | {same}/{len(own)} | "
              f"{statistics.fmean(a['lazy']['computed_fraction'] for a in own):.3f} |")


def time_of_first(server, ids: list[str], number: int, fields: dict) -> tuple[float, dict]:
    body = {"messages": [{"role": "user", "content": f"Question {number}: what is this about?"}], "documents": ids, "temperature": 0, "max_tokens": 1, **fields}
    lazy = post(server, "/v1/chat/completions", body)["lazy"]
    return lazy["ttft_ms"], lazy


def times(options, server):
    text = (pathlib.Path(__file__).parents[1] / "docs" / "handbook.md").read_text()
    while True:
        ids = json.loads(server.request("POST", "/tokenize", {"content": text})[1])["tokens"]
        if len(ids) >= 5 * options.document_tokens:
            break
        text += "".join(chr((ord(c) - 96) % 26 + 97) if c.islower() else c for c in text)  # other words of the same form
    parts = [post(server, "/detokenize", {"tokens": ids[i * options.document_tokens:(i + 1) * options.document_tokens]})["content"] for i in range(5)]
    for part in parts:
        server.read_ahead(part)
    documents = [post(server, "/v1/documents", {"text": part, "read_ahead": False})["id"] for part in parts]
    orders = random.Random(3)
    dense, free, recomputed = [], [], 0
    for number in range(options.orders):
        order = orders.sample(documents, 5)
        dense.append(time_of_first(server, order, number, {"cache_prompt": False, "lazy": {"policy": "dense"}})[0])
        milliseconds, lazy = time_of_first(server, order, number, {"order": "free"})
        assert lazy["documents"]["read_now"] == 0 and not lazy["documents"]["stored_order"], lazy
        free.append(milliseconds)
        recomputed = lazy["documents"]["recomputed_tokens"]
        print(f"{dense[-1]:.0f} ms dense, {free[-1]:.0f} ms free ({lazy['policy']})", file=sys.stderr)
    ratios = [a / b for a, b in zip(dense, free)]
    low, high = interval(ratios)
    print(f"\n{options.model.name}, 5 documents of {options.document_tokens} tokens, {len(ratios)} new orders: dense from nothing {statistics.median(dense):.0f} ms, "
          f"free order {statistics.median(free):.0f} ms ({recomputed} tokens of documents recomputed): {statistics.fmean(ratios):.1f} times sooner ({low:.1f} to {high:.1f})")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=pathlib.Path, required=True)
    parser.add_argument("-m", "--model", type=pathlib.Path, required=True)
    parser.add_argument("--data", type=pathlib.Path, help="folder with LongBench's records; without it only times are taken")
    parser.add_argument("--records", type=int, default=20, help="of each task")
    parser.add_argument("--most-tokens", type=int, default=3000)
    parser.add_argument("--policies", default="lazy,dense")
    parser.add_argument("--prune", default="", help="schedule of the lazy ways; default: the program's")
    parser.add_argument("--recompute", default="0,16,32", help="first tokens of each document that are computed in place")
    parser.add_argument("--samples", type=pathlib.Path, help="file for every sample, a line each")
    parser.add_argument("--document-tokens", type=int, default=1500)
    parser.add_argument("--orders", type=int, default=5, help="new orders that are timed; 0: none")
    parser.add_argument("--report", action="store_true", help="only print the table of what lies in --samples")
    options = parser.parse_args()
    if options.report:
        return report(options, [json.loads(line) for line in options.samples.read_text().splitlines()])
    context = max(options.most_tokens + 512, 5 * options.document_tokens + 512 if options.orders else 0)
    with Server([options.program, "serve", "-m", options.model, "-c", context, "--parallel", "2", "--cache-ram", "4096"]) as server:
        if options.data:
            loss(options, server)
        if options.orders:
            times(options, server)


if __name__ == "__main__":
    main()
