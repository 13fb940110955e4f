# SPDX-License-Identifier: Apache-2.0
"""Sorts samples into studies: what may be compared, and which dense sample each is paired with."""

import collections
import os
import re
from dataclasses import dataclass, field

from .load import Sample

POLICY_ORDER = ("dense", "lazy", "tsp", "gem", "static", "random", "compress")
CATEGORY_ORDER = ("single-doc QA", "multi-doc QA", "summarization", "few-shot", "synthetic", "code", "other")

# What must be equal for two samples to be compared. The version is not among them: it gives a warning.
SETTINGS = ("model", "model_bytes", "machine", "isa", "threads", "cache_type_k", "cache_type_v", "max_length")


@dataclass(frozen=True)
class Arm:
    """A policy at one operating point."""
    policy: str
    schedule: str
    options: str

    @property
    def is_dense(self) -> bool:
        return self.policy == "dense" and "attention=" not in self.options

    @property
    def name(self) -> str:
        return f"{self.policy} {self.schedule}".strip()


def natural(value: str) -> list:
    """Sorts 9 before 10."""
    return [(0, float(part), "") if re.fullmatch(r"\d+(\.\d+)?", part) else (1, 0.0, part) for part in re.split(r"(\d+(?:\.\d+)?)", value)]


def order_of(name: str, known: tuple[str, ...]) -> tuple[int, str]:
    return (known.index(name), "") if name in known else (len(known), name)


def arm_order(arm: Arm):
    return order_of(arm.policy, POLICY_ORDER), natural(arm.schedule), natural(arm.options)


@dataclass
class Pair:
    """A sample and the dense one of the same record; None where there is none."""
    sample: Sample
    dense: Sample | None


@dataclass
class Suite:
    name: str
    samples: dict[Arm, dict[str, dict[tuple, Sample]]]   # arm -> task -> (id, prompt) -> sample
    categories: dict[str, str]                           # task -> category
    dense_by_file: dict[tuple, Sample]                   # (file, task, id, prompt) -> dense sample

    @property
    def arms(self) -> list[Arm]:
        return sorted(self.samples, key=arm_order)

    @property
    def dense(self) -> Arm | None:
        return next((arm for arm in self.samples if arm.is_dense), None)

    @property
    def tasks(self) -> list[str]:
        """In the order of the categories."""
        names = {task for tasks in self.samples.values() for task in tasks}
        return sorted(names, key=lambda task: (order_of(self.categories[task], CATEGORY_ORDER), natural(task)))

    def tasks_of(self, category: str) -> list[str]:
        return [task for task in self.tasks if self.categories[task] == category]

    @property
    def category_names(self) -> list[str]:
        return list(dict.fromkeys(self.categories[task] for task in self.tasks))

    def pairs(self, arm: Arm, task: str) -> list[Pair]:
        """Each sample of the arm with its dense one: of the same file where there is one, since times compare best there."""
        dense = self.samples[self.dense].get(task, {}) if self.dense else {}
        found = []
        for record, sample in sorted(self.samples[arm].get(task, {}).items()):
            same_file = self.dense_by_file.get((sample.folder, task, *record))
            found.append(Pair(sample, sample if arm.is_dense else same_file or dense.get(record)))
        return found

    def labels(self) -> dict[Arm, str]:
        """Names of the arms; options are told where name alone would not tell two apart."""
        twins = collections.Counter(arm.name for arm in self.samples)
        return {arm: arm.name if twins[arm.name] == 1 or not arm.options else f"{arm.name} [{arm.options}]" for arm in self.arms}


@dataclass
class Study:
    """Samples of one model under one set of settings, over the files that agree about the prompts."""
    settings: dict[str, str]
    files: list[str] = field(default_factory=list)
    suites: dict[str, Suite] = field(default_factory=dict)
    versions: collections.Counter = field(default_factory=collections.Counter)
    prompts: dict[tuple, set[str]] = field(default_factory=dict)
    duplicates: int = 0
    several_prompts: int = 0

    @property
    def model(self) -> str:
        return os.path.basename(self.settings.get("model", "").rstrip("/")) or "unnamed model"


def arms_of(samples: list[Sample]) -> dict[int, Arm]:
    """Arm of each sample, by its identity. A short prompt runs dense and states no schedule: it takes that of its arm's others."""
    schedules: dict[tuple, collections.Counter] = collections.defaultdict(collections.Counter)
    for sample in samples:
        if sample.schedule:
            schedules[sample.policy, sample.asked][sample.schedule] += 1
    arms = {}
    for sample in samples:
        if sample.policy == "dense":
            arms[id(sample)] = Arm("dense", "", "")
            continue
        schedule = sample.schedule
        if not schedule and (seen := schedules.get((sample.policy, sample.asked))):
            schedule = seen.most_common(1)[0][0]
        arms[id(sample)] = Arm(sample.policy, schedule, sample.options)
    return arms


def category_of(sample: Sample) -> str:
    if sample.category:
        return sample.category
    return "niah" if sample.task.startswith("niah") else "other" if sample.suite == "longbench" else sample.task


def studies_of(samples: list[Sample]) -> list[Study]:
    """Files join the first study of the same settings in which no record has another prompt."""
    files: dict[tuple, list[Sample]] = collections.defaultdict(list)
    for sample in samples:
        files[tuple(sample.settings.get(name, "") for name in SETTINGS), sample.folder].append(sample)
    studies: list[Study] = []
    for (settings, _), group in files.items():
        prompts: dict[tuple, set[str]] = collections.defaultdict(set)
        for sample in group:
            prompts[sample.record].add(sample.prompt)
        named = {name: value for name, value in zip(SETTINGS, settings) if value}
        for study in studies:
            if study.settings == named and all(study.prompts.get(record, found) == found for record, found in prompts.items()):
                break
        else:
            study = Study(named)
            studies.append(study)
        study.prompts.update(prompts)
        study.several_prompts += sum(len(found) > 1 for found in prompts.values())
        add(study, group)
    return studies


def add(study: Study, group: list[Sample]) -> None:
    study.files.append(group[0].folder)
    arms = arms_of(group)
    for sample in group:
        suite = study.suites.setdefault(sample.suite, Suite(sample.suite, {}, {}, {}))
        arm, record = arms[id(sample)], (sample.id, sample.prompt)
        tasks = suite.samples.setdefault(arm, {}).setdefault(sample.task, {})
        study.duplicates += record in tasks
        tasks[record] = sample   # the later one counts
        suite.categories.setdefault(sample.task, category_of(sample))
        if arm.is_dense:
            suite.dense_by_file[sample.folder, sample.task, *record] = sample
        if "version" in sample.settings:
            study.versions[sample.settings["version"]] += 1
