#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The study behind docs/lab/evidence.md: every policy at several operating points on LongBench, RULER, needles and text.

    tools/study.py --model models/SmolLM2-135M-Instruct.Q4_1.gguf --data DATA --out results --quick     within 30 minutes on 2 cores
    tools/study.py --model models/SmolLM2-135M-Instruct.Q4_1.gguf --data DATA --out results             within 10 hours
    tools/study.py --model gemma-3-270m.gguf --base --lengths 3500,16000 --data DATA --out results-gemma

DATA holds ``longbench/`` (TASK.jsonl and the dataset2*.json), ``ruler/templates.json`` and ``text/*.txt``. Profiles are tuned on the records with
even line numbers (from 1) of LongBench; the study asks the odd ones only, copied to OUT/held-out. Everything goes on where it stopped when it is started again.
``--base``: a model without chat training; it gets the completion-style tasks without a template.
The last step is ``lazyllm report`` over all of it, into OUT/report.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "build" / "release" / "lazyllm"

# Operating points of every policy, so that curves can be compared at equal time. {q}: a quarter of the depth, {t}: three tenths, {a}: half, {b}: about two thirds.
CURVES = {
    "lazy": ["{b}:0.3", "{b}:0.1", "{a}:0.5", "{a}:0.3"],
    "tsp": ["{b}:0.3", "{b}:0.1", "{a}:0.5", "{a}:0.3"],
    "gem": ["{a}:0.5", "{a}:0.3", "{a}:0.1"],
    "static": ["{a}:0.5", "{a}:0.3", "{q}:0.5"],
    "random": ["0:0.8", "0:0.6", "0:0.4"],
    "compress": ["0:0.7", "0:0.5"],
}
PEAK = "+score=peak:8@32+score-pool=41+protect-last=64"
PEAKS = [f"lazy@{{t}}:{keep}{PEAK}" for keep in (0.5, 0.4, 0.3, 0.15)] + [f"lazy@{{a}}:0.3{PEAK}"]
PRESETS = ["lazy", "lazy@paper", "lazy@careful", "lazy@balanced", "lazy@fast"]
QUICK_POLICIES = ["lazy", "lazy@paper", "lazy@careful", PEAKS[0], "tsp@{a}:0.3", "gem@{a}:0.3", "static@{a}:0.3", "random@0:0.6"]
QUICK_TASKS = ["qasper", "multifieldqa_en", "hotpotqa", "2wikimqa", "hotpotqa_distractor", "trec", "triviaqa", "passage_retrieval_en", "lcc", "repobench-p"]
COMPLETION_TASKS = ["trec", "triviaqa", "samsum", "lcc", "repobench-p"]
NIAH = ["niah_single_1", "niah_single_2", "niah_single_3", "niah_multikey_1", "niah_multikey_2", "niah_multivalue", "niah_multiquery"]


def layers(model: Path) -> int:
    """From ``lazyllm info``."""
    info = subprocess.run([PROGRAM, "info", model], stdout=subprocess.PIPE, text=True)
    if info.returncode != 0:
        sys.exit(info.returncode)
    for line in info.stdout.splitlines():
        if line.startswith("layers"):
            return int(line.split()[1])
    sys.exit(f"{model}: lazyllm info names no layers")


def policies(model: Path, quick: bool, base: bool) -> list[str]:
    """All of them, with layers put in. Gemma's pruning layers are its full-attention ones."""
    depth = layers(model)
    points = ({"q": 6, "t": 6, "a": 6, "b": 12} if base and depth == 18
              else {"q": depth // 4, "t": (3 * depth) // 10, "a": depth // 2, "b": (2 * depth) // 3})
    named = QUICK_POLICIES if quick else PRESETS + PEAKS + [f"{policy}@{point}" for policy, all_points in CURVES.items() for point in all_points]
    return [policy.format(**points) for policy in named]


def held_out(data: Path, out: Path) -> Path:
    """The records with odd line numbers (the first is 1, as for ``lazyllm tune --records``), and the settings."""
    folder = out / "held-out"
    folder.mkdir(parents=True, exist_ok=True)
    for file in sorted(data.glob("*.json*")):
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".jsonl":
            text = "\n".join(text.rstrip("\n").split("\n")[0::2]) + "\n"  # splitlines would also cut at U+2028 in a text
        target = folder / file.name
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            target.write_text(text, encoding="utf-8")
    return folder


def evaluate(args: argparse.Namespace, name: str, *flags: object) -> Path:
    """One run of eval; goes on where it stopped."""
    folder = args.out / name
    start = [PROGRAM] if args.ray is None else [sys.executable, "-m", "lazyllm_engine.ray"]
    command = [*start, "eval", *([] if args.ray is None else ["--ray", args.ray]), "-m", args.model, "--out", folder, "--profile", args.profile, *flags]
    for policy in args.policies:
        command += ["--policy", policy]
    if args.base:
        command.append("--no-chat")
    print(f"\n## {name}\n", flush=True)
    begin = time.monotonic()
    subprocess.run([str(part) for part in command], check=True)
    print(f"\n{name}: {(time.monotonic() - begin) / 60:.1f} minutes", file=sys.stderr)
    return folder


def run(args: argparse.Namespace) -> list[Path]:
    """All suites; returns their folders."""
    records = held_out(args.data / "longbench", args.out)
    tasks = ["--tasks", ",".join(COMPLETION_TASKS)] if args.base else ["--tasks", ",".join(QUICK_TASKS)] if args.quick else []
    folders = []
    for length in args.lengths:
        limit = ["--limit", args.limit or (1 if args.quick else 100)]
        folders.append(evaluate(args, f"longbench-{length}", "--suite", "longbench", "--data", records, "--max-length", length, *tasks, *limit))
        needles = (["--depths", "25,75"] if args.quick else ["--depths", "5,25,50,75,95", "--limit", 4])
        folders.append(evaluate(args, f"needle-{length}", "--suite", "needle", "--data", args.data / "text", "--lengths", length, *needles))
        if not args.base:
            books = args.data / "text" / "frankenstein.txt"
            niah = ["--tasks", ",".join(NIAH)] if not args.quick else ["--tasks", "niah_single_2,niah_multikey_1"]
            folders.append(evaluate(args, f"ruler-{length}", "--suite", "ruler", "--data", args.data / "ruler" / "templates.json", "--haystack", books,
                                    "--max-length", length, *niah, "--limit", 2 if args.quick else 10))
        folders.append(evaluate(args, f"text-{length}", "--suite", "text", "--data", args.data / "text", "--max-length", length,
                                "--limit", 1 if args.quick else 4, "--continuation", 32 if args.quick else 128))
    return folders


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--lengths", type=lambda text: [int(part) for part in text.split(",")], default=None, help="most tokens of a prompt (3500,7500)")
    parser.add_argument("--base", action="store_true", help="a model without chat training")
    parser.add_argument("--profile", default="auto", help="of policy lazy: a file, auto (looked for) or none")
    parser.add_argument("--limit", type=int, default=0, help="records of each LongBench task")
    parser.add_argument("--ray", metavar="ADDRESS", help="spread the questions over a cluster of Ray (python -m lazyllm_engine.ray eval); all nodes have model, data and OUT under the same paths")
    parser.add_argument("--quick", action="store_true", help="few samples, few policies")
    args = parser.parse_args()
    args.lengths = args.lengths or ([3500] if args.quick else [3500, 7500])
    args.out.mkdir(parents=True, exist_ok=True)
    args.policies = policies(args.model, args.quick, args.base)
    folders = run(args)
    subprocess.run([PROGRAM, "report", *folders, "--out", args.out / "report"], check=True)


if __name__ == "__main__":
    main()
