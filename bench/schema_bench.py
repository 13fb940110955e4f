#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What JSON schemas cost and whether they are held, over a folder of them.

    python3 bench/schema_bench.py --driver build/release/constrained_samples --model model.gguf FOLDER

FOLDER holds *.json files: a schema each, or {"schema": S, "tests": [{"data": D, "valid": true}]} as in
MaskBench (https://github.com/guidance-ai/jsonschemabench); fetch them by hand. Printed are the schemas
that are refused with the most frequent reasons, documents that are wrongly accepted, and the time of
compiling and of one mask. The driver is built with the tests.
"""
import argparse
import collections
import json
import pathlib
import subprocess


def percentile(values: list[float], share: float) -> float:
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


def times(name: str, values: list[float]) -> str:
    figures = ", ".join(f"{label} {percentile(values, share):.0f}" for label, share in (("p50", .5), ("p99", .99), ("p99.9", .999), ("max", 1)))
    return f"{name} in us: {figures} ({len(values)} of them)"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--driver", type=pathlib.Path, required=True)
    parser.add_argument("--model", type=pathlib.Path, required=True, help="GGUF file whose vocabulary is used")
    parser.add_argument("--masks", type=int, default=50, help="masks computed for each schema")
    parser.add_argument("--limit", type=int, help="take so many schemas only")
    options = parser.parse_args()
    files = sorted(options.folder.rglob("*.json"))[:options.limit]
    if not files:
        parser.error(f"{options.folder} holds no *.json files")
    driver = subprocess.Popen([options.driver, options.model], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(**request):
        driver.stdin.write(json.dumps(request) + "\n")
        driver.stdin.flush()
        line = driver.stdout.readline()
        if not line:
            raise SystemExit(f"the driver ended on {request}")
        return json.loads(line)

    compile_times, mask_times, reasons, wrong, documents = [], [], collections.Counter(), [], 0
    for file in files:
        content = json.loads(file.read_text())
        listed = isinstance(content, dict) and "schema" in content and "tests" in content
        schema, tests = (content["schema"], content["tests"]) if listed else (content, [])
        answer = ask(schema=schema, time=options.masks, seed=1)
        if "error" in answer:
            reasons[answer["error"].split(": ", 1)[-1][:80]] += 1
            continue
        compile_times.append(answer["compile"])
        mask_times += answer["restrict"]
        texts = [json.dumps(test["data"], ensure_ascii=False) for test in tests if not test["valid"]]
        if texts:
            documents += len(texts)
            accepted = ask(schema=schema, documents=texts)["accepted"]
            wrong += [f"{file}: {text[:200]}" for text, at in zip(texts, accepted) if at == -1]
    refused = sum(reasons.values())
    print(f"{len(files)} schemas, refused {refused} ({100 * refused / len(files):.1f} %)")
    for reason, count in reasons.most_common(15):
        print(f"  {count:5} {reason}")
    print(f"{documents} invalid documents, wrongly accepted {len(wrong)}")
    for line in wrong[:20]:
        print(f"  {line}")
    print(times("compile", compile_times))
    print(times("mask", mask_times))


if __name__ == "__main__":
    main()
