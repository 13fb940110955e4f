#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Needles in a book: does the program still find one sentence in a long prompt?

For each length, depth and trial a stretch of a book is taken, the sentence "One of the special magic numbers for KEY is: NUMBER." is put
into it at a sentence's end, and ``lazyllm run`` is asked for the number in the model's chat template. A trial
counts when the number stands in the answer.

    tools/needle.py --model models/SmolLM2-135M-Instruct.Q4_1.gguf --text book.txt --policy dense
    tools/needle.py --model ... --text book.txt --prune 19:0.1 --args "--protect-first 4 --protect-last 32"

A table goes to stdout (one row per length, one column per depth), progress to stderr, everything to ``--json``. The exit code is
1 if fewer than ``--at-least`` trials succeed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["LAZYLLM_LIBRARY"] = "none"  # each run begins from nothing

INTRODUCTION = ("Some special magic numbers are hidden within the following text. Make sure to memorize it. "
                "I will quiz you about the numbers afterwards.\n\n")
NEEDLE = "One of the special magic numbers for {key} is: {number}."
QUESTION = "What is the special magic number for {key} mentioned in the provided text? The special magic number for {key} mentioned in the provided text is"
KEYS = ["harbor", "lantern", "orchard", "violin", "glacier", "compass", "meadow", "copper", "falcon", "anchor", "velvet", "canyon"]
TEMPLATE_TOKENS = 90  # introduction, question, chat template: about


def log(message: str) -> None:
    """Progress goes to stderr."""
    print(message, file=sys.stderr, flush=True)


def sentence_ends(text: str) -> list[int]:
    """Offsets just after a sentence."""
    return [match.end() for match in re.finditer(r"[.!?][\"'\u201d\u2019]?(?=\s)", text)]


def make_document(book: str, characters: int, depth: float, key: str, number: int, rng: random.Random) -> str:
    """A stretch of the book of about that many characters with the needle at ``depth`` (0 to 1)."""
    starts = [end for end in sentence_ends(book) if end + characters < len(book)]
    if not starts:
        raise SystemExit(f"the text has only {len(book)} characters; {characters} are needed")
    start = rng.choice(starts)
    text = book[start : start + characters].strip()
    text = text[: max(sentence_ends(text) or [len(text)])]
    at = min(sentence_ends(text), key=lambda end: abs(end - depth * len(text)))
    return f"{text[:at]} {NEEDLE.format(key=key, number=number)}{text[at:]}"


def characters_per_token(program: Path, model: Path, book: str) -> float:
    """Measured with the program's own tokenizer on a stretch from the middle."""
    sample = book[len(book) // 2 :][:20000]
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.write(sample)
        file.flush()
        out = subprocess.run([str(program), "tokenize", "-m", str(model), "-f", file.name, "--ids", "--no-bos"],
                             check=True, capture_output=True, text=True).stdout
    return len(sample) / len(out.split())


def ask(program: Path, model: Path, document: str, question: str, more: list[str], tokens: int) -> tuple[str, dict[str, object]]:
    """The answer and the program's statistics."""
    with tempfile.TemporaryDirectory() as folder:
        document_file, stats = Path(folder, "document.txt"), Path(folder, "stats.json")
        document_file.write_text(document, encoding="utf-8")
        command = [str(program), "run", "-m", str(model), "-f", str(document_file), "-p", question, "-n", str(tokens), "--temp", "0",
                   "--stats-json", str(stats), *more]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"{shlex.join(command)}\nended with {done.returncode}: {done.stderr.strip()[-2000:]}")
        return done.stdout, json.loads(stats.read_text())


def numbers(text: str) -> list[int]:
    """``1000,3000`` as a list."""
    return [int(part) for part in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=Path(__file__).resolve().parent.parent / "build/release/lazyllm")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--text", type=Path, required=True, help="a book, UTF-8")
    parser.add_argument("--lengths", type=numbers, default=[1000, 3000, 6000], help="prompt tokens, about (default 1000,3000,6000)")
    parser.add_argument("--depths", type=numbers, default=[10, 50, 90], help="percent (default 10,50,90)")
    parser.add_argument("--trials", type=int, default=1, help="per length and depth (default %(default)s)")
    parser.add_argument("--tokens", type=int, default=32, help="tokens generated (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--policy", help="passed on")
    parser.add_argument("--prune", help="passed on")
    parser.add_argument("--args", default="", help="more arguments for the program, as one string")
    parser.add_argument("--question", default=QUESTION, help="with {key} in it")
    parser.add_argument("--at-least", type=int, default=0, help="exit code 1 below so many found")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()

    more = shlex.split(args.args)
    more += ["--policy", args.policy] if args.policy else []
    more += ["--prune", args.prune] if args.prune else []
    book = args.text.read_text(encoding="utf-8")
    ratio = characters_per_token(args.program, args.model, book)
    rows: list[dict[str, object]] = []
    for length in args.lengths:
        for depth in args.depths:
            for trial in range(args.trials):
                rng = random.Random(f"{args.seed} {length} {depth} {trial}")  # the same prompts for every policy
                key, number = rng.choice(KEYS), rng.randrange(1_000_000, 10_000_000)
                document = INTRODUCTION + make_document(book, int((length - TEMPLATE_TOKENS) * ratio), depth / 100, key, number, rng)
                answer, stats = ask(args.program, args.model, document, args.question.format(key=key), more, args.tokens)
                found = str(number) in answer
                rows.append({"length": length, "depth": depth, "trial": trial, "key": key, "number": number, "found": found, "answer": answer, "stats": stats})
                log(f"{length} tokens, {depth} %: {'found' if found else 'MISSED'} {number} in {answer.strip()!r} "
                    f"({stats.get('prompt_tokens')} tokens, {float(stats.get('ttft_ms', 0)):.0f} ms, "  # type: ignore[arg-type]
                    f"computed {stats.get('computed_fraction')} / {stats.get('computed_fraction_end')})")

    def mean(key: str) -> float:
        return sum(float(row["stats"].get(key, 0)) for row in rows) / len(rows)  # type: ignore[attr-defined]

    print("tokens " + "".join(f"{depth:>6} %" for depth in args.depths))
    for length in args.lengths:
        cells = [[row["found"] for row in rows if row["length"] == length and row["depth"] == depth] for depth in args.depths]
        print(f"{length:6} " + "".join(f"{f'{sum(map(bool, cell))}/{len(cell)}':>8}" for cell in cells))
    found = sum(bool(row["found"]) for row in rows)
    print(f"found {found}/{len(rows)}, computed {mean('computed_fraction'):.3f} after prefill and {mean('computed_fraction_end'):.3f} at the end, "
          f"mean time to first token {mean('ttft_ms'):.0f} ms")
    if args.json is not None:
        summary = {"model": args.model.name, "text": args.text.name, "arguments": more, "found": found, "trials": len(rows), "rows": rows}
        args.json.write_text(json.dumps(summary, indent=1) + "\n")
    if found < args.at_least:
        sys.exit(1)


if __name__ == "__main__":
    main()
