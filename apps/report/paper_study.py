# SPDX-License-Identifier: Apache-2.0
"""Started by `lazyllm paper`: the tables and figures of LazyLLM (arXiv 2407.14057) with one model on LongBench.

Tables 1 and 2 and Figure 7: the paper's schedule and its baselines. Figure 5: every method at several points. Figure 6: one cut at several layers. Figure 2: `lazyllm attention`.
Everything goes on where it was stopped. First one record is answered with all settings, which says how long all of it will take.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import time

BARE = "+score=last+score-pool=1+protect-first=0+protect-last=0+revive-budget=all+min-prompt=0"
NOTHING_ADDED = "+protect-first=0+protect-last=0+min-prompt=0"
SHARES = (0.8, 0.6, 0.4)
FIGURE_6_RECORDS = 5  # of each task


def table_arms(depth):
    """Tables 1 and 2, Figures 5 and 7."""
    third = max(1, round(0.3 * depth))
    earlier = [f"lazy@{round(0.3 * depth)}:{a},{round(0.6 * depth)}:{a},{round(0.9 * depth)}:{a}{BARE}" for a in (0.5, 0.3)] if depth >= 4 else []
    return ["lazy@paper", *earlier, *(f"random@0:{share}{NOTHING_ADDED}" for share in SHARES), *(f"static@{third}:{share}{NOTHING_ADDED}+score-pool=1" for share in SHARES),
            *(f"compress@0:{share}{NOTHING_ADDED}" for share in SHARES[:2])]


def figure_6_arms(depth):
    layers = sorted({max(1, round(share * depth)) for share in (0.2, 0.4, 0.6, 0.8)} - {depth})
    return [f"lazy@{layer}:{keep}{BARE}" for keep in (0.7, 0.5, 0.3, 0.1) for layer in layers]


def run(command, quiet=False):
    done = subprocess.run([*map(str, command)], stdout=subprocess.PIPE if quiet else None, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.returncode)
    return done.stdout


def records(data, tasks, limit):
    """Tasks and how many records of each are asked."""
    found = {}
    for file in sorted(data.glob("*.jsonl")):
        if not tasks or file.stem in tasks:
            lines = sum(1 for line in open(file, encoding="utf-8") if line.strip())
            found[file.stem] = min(lines, limit) if limit else lines
    missing = sorted(set(tasks) - set(found))
    if missing or not found:
        sys.exit(f"lazyllm: {data} holds no {', '.join(missing) or 'TASK'}.jsonl; tools/get-data makes such a folder")
    return found


class Study:
    def __init__(self, options):
        self.options = options
        info = run([options.program, "info", options.model], quiet=True)
        self.depth = next(int(line.split()[1]) for line in info.splitlines() if line.startswith("layers "))

    def evaluate(self, folder, arms, tasks, limit, quiet=False):
        options = self.options
        policies = [part for arm in arms for part in ("--policy", arm)]
        begin = time.monotonic()
        run([options.program, "eval", "-m", options.model, "--suite", "longbench", "--data", options.data, "--tasks", ",".join(tasks), "--limit", limit, "--max-length", options.max_length,
             "--profile", "none", "--out", options.out / folder, *(["-t", options.threads] if options.threads else []), *policies], quiet)
        return time.monotonic() - begin

    def estimate(self, counted):
        """Hours, from one record that is asked with all settings. The second call of a folder answers nothing anew, and says what loading takes."""
        first = [next(iter(counted))]
        hours = 0.0
        for folder, arms, each in (("table", table_arms(self.depth), None), ("figure-6", figure_6_arms(self.depth), FIGURE_6_RECORDS)):
            marker = self.options.out / f"{folder}.seconds"
            if not marker.exists():
                seconds = self.evaluate(folder, arms, first, 1, quiet=True) - self.evaluate(folder, arms, first, 1, quiet=True)
                marker.write_text(f"{max(seconds, 0.0):.3f}\n")
            hours += float(marker.read_text()) * sum(min(count, each or count) for count in counted.values()) / 3600
        return hours

    def figure_2(self, counted):
        texts = self.options.out / "figure-2.txt"
        with open(self.options.data / f"{next(iter(counted))}.jsonl", encoding="utf-8") as file:
            texts.write_text(json.loads(file.readline())["context"], encoding="utf-8")
        table = run([self.options.program, "attention", "-m", self.options.model, "-f", texts, "--tokens", self.options.max_length], quiet=True)
        (self.options.out / "figure-2.md").write_text(f"# How few tokens the last one looks at (Figure 2)\n\n{table}", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(prog="lazyllm paper")
    for name in ("program", "model", "tasks"):
        parser.add_argument(f"--{name}", default="")
    for name in ("data", "out"):
        parser.add_argument(f"--{name}", type=pathlib.Path)
    for name in ("limit", "max-length", "threads"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--estimate", action="store_true")
    options = parser.parse_args()
    counted = records(options.data, [name for name in options.tasks.split(",") if name], options.limit)
    study = Study(options)
    options.out.mkdir(parents=True, exist_ok=True)
    hours = study.estimate(counted)
    print(f"{sum(counted.values())} records of {len(counted)} tasks, {len(table_arms(study.depth)) + 1} settings, and {len(figure_6_arms(study.depth))} more for Figure 6: "
          f"about {hours:.1f} hours on this machine. (--limit N takes N records of each task; a stopped run goes on.)", flush=True)
    if options.estimate:
        return
    study.evaluate("table", table_arms(study.depth), counted, options.limit)
    study.evaluate("figure-6", figure_6_arms(study.depth), counted, min(options.limit or FIGURE_6_RECORDS, FIGURE_6_RECORDS))
    study.figure_2(counted)
    # One report each: dense is measured in both, and records of Figure 6 are a part of the others.
    run([options.program, "report", options.out / "table", "--out", options.out / "report", "--title", "Tables 1 and 2, Figures 5 and 7 of LazyLLM"])
    run([options.program, "report", options.out / "figure-6", "--out", options.out / "report-figure-6", "--title", "Figure 6 of LazyLLM"])
    print(options.out / "figure-2.md")


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:
        sys.exit(1)
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"lazyllm: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
