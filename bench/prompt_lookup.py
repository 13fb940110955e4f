#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What prompt lookup gains where an answer quotes, and loses where it does not. Standard library only.

    bench/prompt_lookup.py --program build/release/lazyllm -m model.gguf --text report.txt

Each task is run by turns without and with --prompt-lookup; the time of a further token (tpot_ms) is compared pair by pair, and the two answers must be
the same text. Tasks: `quote` (copy out of a text), `summary` (of the text, in its words), `code` (a program with one name changed), `prose` and `essay` (drawn, about
nothing that stands in the prompt, which is short or long: what there is to find misleads). Printed: medians, and the least and the greatest ratio. Exit code 1: two answers differ.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

CODE = pathlib.Path(__file__).parent.parent / "src" / "engine" / "stop_strings.cpp"
GREEDY, DRAWN = ["--temp", "0", "--allow-loops"], ["--temp", "1.3", "--seed", "1", "--repeat-penalty", "1.1"]


def tasks(text: str, code: str) -> dict[str, tuple[str, str, list[str]]]:
    return {
        "quote": (text, "Copy the first paragraphs of the text above word by word.", GREEDY),
        "summary": (text, "List the most important sentences of the text above, in its own words.", GREEDY),
        "code": (code, "Rewrite this C++ file with the variable waiting renamed to pending. Answer with the whole file and nothing else.", GREEDY),
        "prose": (text[:200], "Write a long story about a lighthouse keeper who finds a map on another planet.", DRAWN),
        "essay": (text, "Now write a poem about the sea that has nothing to do with this text.", DRAWN),
    }


def answer(options: argparse.Namespace, document: pathlib.Path, question: str, sampling: list[str], lookup: int) -> tuple[str, dict]:
    with tempfile.TemporaryDirectory() as folder:
        stats = pathlib.Path(folder, "stats.json")
        command = [options.program, "run", "-m", options.model, "-f", str(document), "-p", question, "-n", str(options.answer), *sampling,
                   "--library", "none", "--prompt-lookup", str(lookup), "--stats-json", str(stats), *options.flags.split()]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return text, json.loads(stats.read_text())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="build/release/lazyllm")
    parser.add_argument("-m", "--model", required=True)
    parser.add_argument("--text", required=True, type=pathlib.Path, help="a text in the model's language")
    parser.add_argument("--characters", type=int, default=6000, help="of the text and of the program that are given")
    parser.add_argument("--lookup", type=int, default=8)
    parser.add_argument("-n", "--answer", type=int, default=256, help="most tokens of an answer")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tasks", default="quote,summary,code,prose,essay")
    parser.add_argument("--flags", default="--prune off", help="of lazyllm run, such as '--prune careful'")
    options = parser.parse_args()

    known = tasks(options.text.read_text()[:options.characters], CODE.read_text()[:options.characters])
    same = True
    print(f"{'task':8} {'tokens':>6} {'without':>9} {'with':>9}  tokens/s  {'ratio':>5} (least to most)  guessed, right", flush=True)
    for name in options.tasks.split(","):
        document, question, sampling = known[name]
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "document.txt")
            file.write_text(document)
            pairs = []
            for _ in range(options.rounds):
                plain, before = answer(options, file, question, sampling, 0)
                drafted, after = answer(options, file, question, sampling, options.lookup)
                if plain != drafted:
                    same = False
                    print(f"{name}: the answers differ:\n--- without\n{plain}\n--- with\n{drafted}", file=sys.stderr)
                pairs.append((before, after))
        ratios = [before["tpot_ms"] / after["tpot_ms"] for before, after in pairs]
        without, with_lookup = (statistics.median(1000 / pair[i]["tpot_ms"] for pair in pairs) for i in (0, 1))
        last = pairs[-1][1]
        print(f"{name:8} {last['generated_tokens']:6} {without:9.1f} {with_lookup:9.1f}            {statistics.median(ratios):5.2f} "
              f"({min(ratios):.2f} to {max(ratios):.2f})      {last['draft_n']}, {last['draft_n_accepted']}", flush=True)
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
