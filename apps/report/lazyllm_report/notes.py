# SPDX-License-Identifier: Apache-2.0
"""What a reader must know before believing a figure: warnings about the data, and how it was measured."""

import collections
import math

from .bootstrap import SMALLEST_FOR_INTERVAL, Resampler
from .load import Loaded
from .study import Study, Suite

FEW_RECORDS = 30      # of a category: its interval says little
LINES_NAMED = 20


def listed(names, most: int = 8) -> str:
    names = list(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def of_files(loaded: Loaded) -> list[str]:
    """Skipped lines, by file."""
    problems = collections.defaultdict(list)
    for problem in loaded.problems:
        problems[problem.file].append(problem)
    notes = []
    for file, found in problems.items():
        which = "; ".join(f"line {problem.line}: {problem.what}" for problem in found[:LINES_NAMED])
        more = f"; and {len(found) - LINES_NAMED} more" if len(found) > LINES_NAMED else ""
        notes.append(f"{file}: {plural(len(found), 'line')} skipped ({which}{more}).")
    notes += [f"{file}: no samples." for file, count in loaded.files.items() if count == 0]
    return notes


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def of_study(study: Study) -> list[str]:
    notes = []
    if len(study.versions) > 1:
        notes.append("Samples of different program versions are compared: " +
                     listed(f"{version} ({count} samples)" for version, count in sorted(study.versions.items())) + ".")
    if study.duplicates:
        notes.append(f"{plural(study.duplicates, 'sample')} of a record that the same policy had answered before: the later one counts.")
    if study.several_prompts:
        notes.append(f"{plural(study.several_prompts, 'record')} with several prompts in one file (other data, template or --max-length): "
                     "each prompt counts as a record of its own.")
    for suite in study.suites.values():
        notes += [f"{suite.name}: {note}" for note in of_suite(suite)]
    return notes


def of_suite(suite: Suite) -> list[str]:
    notes = []
    labels = suite.labels()
    if suite.dense is None:
        notes.append("there are no dense samples, so nothing can be compared; run lazyllm eval again (dense is always run beside the policies).")
    else:
        reference = suite.samples[suite.dense]
        for arm in suite.arms:
            missing = [task for task in reference if task not in suite.samples[arm]]
            if missing:
                notes.append(f"{labels[arm]} has no samples of {listed(missing)}: its means are over its own tasks only.")
            fewer = sum(len(reference[task].keys() - found.keys()) for task, found in suite.samples[arm].items() if task in reference)
            if fewer:
                notes.append(f"{labels[arm]} lacks {plural(fewer, 'record')} that dense has: comparisons are over the common records.")
            alone = sum(pair.dense is None for task in suite.samples[arm] for pair in suite.pairs(arm, task))
            if alone:
                notes.append(f"{plural(alone, 'record')} of {labels[arm]} left out: dense has none to pair with.")
        zero = [task for task, found in reference.items()
                if all(sample.number("score") == 0.0 for sample in found.values())]
        if zero:
            notes.append(f"dense scores 0 on {listed(zero)}: a policy cannot lose score there, so look at the log-likelihood.")
    notes += few(suite)
    without = [name for name in ("score", "answer_loglik", "ttft_ms", "total_ms") if not has(suite, name)]
    if without and not has(suite, "nll"):
        notes.append(f"no sample has {listed(without)}.")
    return notes


def few(suite: Suite) -> list[str]:
    sizes = {task: max(len(tasks.get(task, {})) for tasks in suite.samples.values()) for task in suite.tasks}
    notes = []
    tiny = [f"{task} ({size})" for task, size in sizes.items() if size < SMALLEST_FOR_INTERVAL]
    if tiny:
        notes.append(f"fewer than {SMALLEST_FOR_INTERVAL} records of {listed(tiny)}: intervals that rest on them are too narrow.")
    small = []
    for category in suite.category_names:
        n = sum(sizes[task] for task in suite.tasks_of(category))
        if n < FEW_RECORDS:
            small.append(f"{category} ({n})")
    if small:
        notes.append(f"few records: fewer than {FEW_RECORDS} of {listed(small)}.")
    return notes


def has(suite: Suite, name: str) -> bool:
    return any(math.isfinite(sample.number(name)) for tasks in suite.samples.values() for found in tasks.values() for sample in found.values())


SETTING_WORDS = {"model_bytes": "file of {} bytes", "machine": "{}", "isa": "kernels {}", "threads": "{} threads", "cache_type_k": "K cache {}",
                 "cache_type_v": "V cache {}", "max_length": "prompts cut to {} tokens"}


def settings(study: Study) -> str:
    return ", ".join(SETTING_WORDS[name].format(value) for name, value in study.settings.items() if name in SETTING_WORDS)


def method(what: str, resampler: Resampler) -> list[str]:
    return [f"{what}. Every policy answers the same prompts greedily, and each answer is compared with the dense answer to the same record. The question is "
            "part of the prompt when it is pruned.",
            "A category's score is the mean of its tasks, as in LongBench. Times to the first token are compared as the sum of dense times over the sum of the "
            "policy's; what a policy computes in order to choose is part of its time. The log-likelihood is that of the gold answer given the prompt, in nats "
            "per token.",
            "Intervals are percentile bootstrap intervals over records, drawn within each task and paired with dense "
            f"({resampler.resamples} resamples, seed {resampler.seed}). They tell the spread over prompts, not over models, machines or repetitions."]
