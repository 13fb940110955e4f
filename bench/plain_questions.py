#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""24 plain questions about three texts (tests/questions), with the settings that a user gets who says nothing: how many answers run in circles, and how
often the lazy answer is right where the dense one is.

    bench/plain_questions.py                                the program of build/release, each model that is here
    bench/plain_questions.py -m qwen2.5-coder-0.5b --json answers.json
    bench/plain_questions.py --lazy "--prune 14:0.5 --score peak:8@32" --lazy "--prune 12:0.5"      other settings, side by side
"""

import argparse
import json
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
QUESTIONS = ROOT / "tests" / "questions"
os.environ["LAZYLLM_LIBRARY"] = "none"  # each run begins from nothing


def is_right(text, answers):
    words = " ".join(text.lower().split())
    return any(answer.lower() in words for answer in answers)


def ask(program, model, texts, question, flags, most):
    with tempfile.TemporaryDirectory() as folder:
        figures = pathlib.Path(folder) / "figures.json"
        files = [part for text in texts for part in ("-f", QUESTIONS / text)]
        command = [program, "run", "-m", model, *files, "-p", question, "-n", str(most), "--stats-json", figures, *flags]
        result = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
        if result.returncode != 0:
            sys.exit(f"plain_questions.py: {result.stderr.strip()}")
        return {"text": result.stdout.strip(), "circles": "round in circles" in result.stderr, **{name: json.loads(figures.read_text())[name]
                for name in ("policy", "schedule", "prompt_tokens", "generated_tokens", "ttft_ms", "total_ms", "computed_fraction")}}


def measure(program, model, questions, most, together, arms):
    answers = []
    all_texts = sorted({item["text"] for item in json.loads((QUESTIONS / "questions.json").read_text())})
    for number, item in enumerate(questions):
        answer = {**item, **{arm: ask(program, model, all_texts if together else [item["text"]], item["question"], flags, most) for arm, flags in arms.items()}}
        for arm in arms:
            answer[arm]["right"] = is_right(answer[arm]["text"], item["answers"])
        answers.append(answer)
        print(f"\r{number + 1} of {len(questions)}", end="", file=sys.stderr, flush=True)
    print("\r", end="", file=sys.stderr)
    return answers


def summary(answers, arm):
    """Of one arm beside the dense one: its figures and how often it is right where the dense one is."""
    right = {name: sum(answer[name]["right"] for answer in answers) for name in ("dense", arm)}
    return {"questions": len(answers), "right_dense": right["dense"], "right_lazy": right[arm],
            "lazy_right_where_dense_is": sum(answer["dense"]["right"] and answer[arm]["right"] for answer in answers),
            "circles_dense": sum(answer["dense"]["circles"] for answer in answers), "circles_lazy": sum(answer[arm]["circles"] for answer in answers),
            "work_done": sum(answer[arm]["computed_fraction"] for answer in answers) / len(answers),
            "schedule": answers[0][arm]["schedule"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-m", "--model", action="append", help="file or name; may be given several times")
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build" / "release" / "lazyllm")
    parser.add_argument("--lazy", action="append", metavar="FLAGS", help="flags of a lazy arm instead of the default's; may be given several times")
    parser.add_argument("-n", "--predict", type=int, default=300, help="longest answer, in tokens")
    parser.add_argument("-t", "--threads", type=int, help="threads of the program")
    parser.add_argument("--together", action="store_true", help="all three texts before each question (some 2,300 tokens), where profiles do skip")
    parser.add_argument("--limit", type=int, help="only the first questions")
    parser.add_argument("--json", type=pathlib.Path, help="file for all answers")
    options = parser.parse_args()
    if options.threads:
        os.environ["LAZYLLM_THREADS"] = str(options.threads)
    models = options.model or sorted((ROOT / "models").glob("*.gguf"))
    if not models:
        sys.exit("plain_questions.py: there is no model in models/; name one: -m MODEL")
    questions = json.loads((QUESTIONS / "questions.json").read_text())[:options.limit]
    lazy = {f"lazy {flags}".strip(): shlex.split(flags) for flags in options.lazy or [""]}
    kept = {}
    for model in models:
        begin = time.monotonic()
        answers = kept[str(model)] = measure(options.program, model, questions, options.predict, options.together, {"dense": ["--prune", "off"], **lazy})
        for arm in lazy:
            s = summary(answers, arm)
            print(f"{pathlib.Path(str(model)).name}: right {s['right_dense']} dense, {s['right_lazy']} {arm} ({s['schedule']}, {100 * s['work_done']:.0f} % of the work) of {s['questions']}; "
                  f"lazy right where dense is: {s['lazy_right_where_dense_is']} of {s['right_dense']}; in circles: {s['circles_dense']} dense, {s['circles_lazy']} lazy; "
                  f"{time.monotonic() - begin:.0f} s")
    if options.json:
        options.json.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
