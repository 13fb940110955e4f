#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What saturates first when lazyllm runs on many machines: the table of docs/guides/scale.md, from measured rates of one machine.

    tools/scale_estimate.py
    tools/scale_estimate.py --read 1962 --lazy 1.47 --layers 30 --kv-width 192 --cut 19 --width 576      SmolLM2

Rates come from `lazyllm bench` on your machine (--read, --write, --lazy), sizes from `lazyllm info MODEL`. The defaults are the 1.1B model of docs/performance.md:
4,096 tokens read at 387 tokens/s, 1.32x by 14:0.3, 34 tokens/s written behind 4,096. Times are those of a machine that is always busy.
"""

import argparse
import math

MACHINES = (10, 100, 1000)
MOST = 100_000  # machines, up to which the one is sought that fills the store's network
ID_BYTES = 40  # of an entry in the store's list, which a replica asks for when something has changed, once a second at most
TOKEN_BYTES = 4  # of a token's number in an entry, which every replica reads once
EVENT_BYTES = 250  # of a written token in a stream


def estimate(args: argparse.Namespace, machines: int) -> dict[str, float]:
    """Figures of a fleet in which each document gets `questions` questions, all at the machine that read it."""
    first = args.tokens / (args.read * args.lazy)  # seconds until the first word about a new document
    # What lies up to the cut is there; what follows is computed for the tokens that stay: what the pruned way saves, it saves there.
    dense = args.tokens / args.read
    behind = max(first - dense * args.cut / args.layers, 0.0)
    writing = args.answer / args.write
    document = first + (args.questions - 1) * behind + args.questions * writing
    documents = machines / document
    rows = args.tokens * (args.cut * 2 * args.kv_width * args.cache_bytes + args.width * 4)  # K,V up to the cut, and the hidden rows there
    changes = min(documents, 1.0)  # a second
    return {"first": first, "second": behind, "questions": documents * args.questions, "documents": documents, "file": rows, "written": documents * rows,
            "listed": machines * (changes * args.kept * ID_BYTES + documents * args.tokens * TOKEN_BYTES), "events": documents * args.questions * args.answer,
            "streams": documents * args.questions * args.answer * EVENT_BYTES}


def table(args: argparse.Namespace) -> str:
    network = args.network * 1e9 / 8
    lines = ["| machines | questions/s | new documents/s | written to one store | lists read from it | of its network | words/s through the proxy | of its network |",
             "|---:|---:|---:|---:|---:|---:|---:|---:|"]
    for machines in MACHINES:
        found = estimate(args, machines)
        store = (found["written"] + found["listed"]) / network
        lines.append(f"| {machines:,} | {found['questions']:.1f} | {found['documents']:.2f} | {found['written'] / 1e6:,.0f} MB/s | {found['listed'] / 1e6:,.0f} MB/s | {100 * store:,.0f} % | "
                     f"{found['events']:,.0f} | {100 * found['streams'] / network:.1f} % |")
    one = estimate(args, 1)
    full = next((machines for machines in range(1, MOST) if (lambda f: f["written"] + f["listed"])(estimate(args, machines)) > network), None)
    lines += ["", f"First word about a new document after {one['first']:.1f} s, about a read one after {one['second']:.1f} s; a snapshot has {one['file'] / 1e6:.0f} MB; "
              f"the network of one store ({args.network:g} Gbit/s) " + (f"is full at {full:,} machines." if full else f"is not full with {MOST:,} machines.")]
    return "\n".join(lines)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for flag, usual, text in (("--tokens", 4096, "of a document"), ("--read", 387.0, "tokens/s, dense"), ("--lazy", 1.32, "how much sooner the first word comes"),
                              ("--write", 34.0, "tokens/s"), ("--questions", 10, "about each document"), ("--answer", 128, "tokens"), ("--layers", 22, ""), ("--cut", 14, "layer"),
                              ("--width", 2048, "of a hidden row"), ("--kv-width", 256, "of a token's keys in a layer"), ("--cache-bytes", 2, "of a key's number"),
                              ("--kept", 10000, "documents in the store"), ("--network", 10.0, "Gbit/s of the store and of the proxy")):
        parser.add_argument(flag, type=type(usual), default=usual, help=f"{text} ({usual})".strip())
    args = parser.parse_args(arguments)
    for name, value in vars(args).items():
        least = 0 if name in ("cut", "kept") else None
        if not (math.isfinite(value) and (value > 0 or value == least)):
            parser.error(f"--{name.replace('_', '-')} {value:g}: a number above 0{' or 0' if least == 0 else ''}")
    if args.cut > args.layers:
        parser.error(f"--cut {args.cut}: the model has {args.layers} layers")
    return args


if __name__ == "__main__":
    print(table(parse()))
