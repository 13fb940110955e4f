# SPDX-License-Identifier: Apache-2.0
"""The report as a list of sections, ready for Markdown and for the page."""

import dataclasses
import math
from dataclasses import dataclass, field

from . import notes, tables
from .bootstrap import Resampler
from .equal_time import Comparison, compare_all
from .load import Loaded
from .picture import Plot
from .study import Arm, Study, Suite
from .summary import Summaries, Summary
from .table import Cell, Column, Table, words
from .text_suite import is_text, text_table

ALL, ABLE = "all tasks", "able tasks"
LONGBENCH_E = (("0-4k", 0, 4000), ("4-8k", 4000, 8000), ("8k+", 8000, math.inf))   # words
ANSWER_LENGTHS = (("up to 32 tokens", 0, 33), ("33 to 128 tokens", 33, 129), ("over 128 tokens", 129, math.inf))


@dataclass
class Section:
    title: str
    level: int
    intro: list[str] = field(default_factory=list)   # paragraphs
    warnings: list[str] = field(default_factory=list)
    parts: list[Table | Plot] = field(default_factory=list)


@dataclass
class Report:
    sections: list[Section]
    figures: list[dict]   # every number, for report.json

    @property
    def plots(self) -> list[Plot]:
        return [part for section in self.sections for part in section.parts if isinstance(part, Plot)]


class Builder:
    def __init__(self, loaded: Loaded, studies: list[Study], able: list[str], resampler: Resampler, plots):
        """`plots`: Plots or NoPlots."""
        self.loaded = loaded
        self.plots = plots
        self.studies = studies
        self.able = able
        self.resampler = resampler
        self.sections: list[Section] = []
        self.figures: list[dict] = []

    def build(self) -> Report:
        self.sections.append(self.head())
        for number, study in enumerate(self.studies, 1):
            self.study(study, f"{number}")
        return Report(self.sections, self.figures)

    def head(self) -> Section:
        samples = sum(self.loaded.files.values())
        intro = notes.method(notes.plural(samples, "sample") + " of " + notes.plural(len(self.loaded.files), "file"), self.resampler)
        head = Section("What was measured", 2, [*intro, tables.marks_note()], notes.of_files(self.loaded))
        columns = [Column("model", numeric=False), Column("suites", numeric=False), Column("policies"), Column("samples"), Column("settings", numeric=False),
                   Column("version", numeric=False), Column("files", numeric=False)]
        rows = []
        for study in self.studies:
            count = sum(len(found) for suite in study.suites.values() for tasks in suite.samples.values() for found in tasks.values())
            arms = {arm for suite in study.suites.values() for arm in suite.samples}
            rows.append([words(study.model), words(", ".join(study.suites)), Cell(str(len(arms)), sort=len(arms)), Cell(str(count), sort=count),
                         words(notes.settings(study) or "not recorded"), words(", ".join(sorted(study.versions)) or "not recorded"),
                         words(", ".join(study.files))])
        head.parts.append(Table("Models and settings", columns, rows))
        return head

    def study(self, study: Study, number: str) -> None:
        settings = notes.settings(study)
        self.sections.append(Section(study.model, 2, [f"{settings[:1].upper()}{settings[1:]}."] if settings else [], notes.of_study(study)))
        for suite in study.suites.values():
            name = f"{number}-{slug(suite.name)}"
            if any(plot.name.startswith(f"{name}-") for section in self.sections for plot in section.parts if isinstance(plot, Plot)):
                name = f"{name}-{len(self.sections)}"   # two suites may look alike as file names
            if is_text(suite):
                plot = self.plots.divergence(name, suite, suite.labels())
                self.sections.append(Section(f"{suite.name}: perplexity and divergence", 3, [records_of(suite)],
                                             parts=[text_table(suite, suite.labels(), self.resampler), *filter(None, [plot])]))
            else:
                SuiteReport(self, study, suite, name).build()


class SuiteReport:
    """Tables and plots of one suite of one study."""

    def __init__(self, builder: Builder, study: Study, suite: Suite, name: str):
        self.builder = builder
        self.plots = builder.plots
        self.study = study
        self.suite = suite
        self.name = name
        self.labels = suite.labels()
        self.paper = suite.name == "longbench"
        self.scopes = {f"category {category}": suite.tasks_of(category) for category in suite.category_names}
        self.scopes |= {f"task {task}": [task] for task in suite.tasks} | {ALL: suite.tasks}
        able = [task for task in suite.tasks if task in builder.able]
        if able:
            self.scopes[ABLE] = able
        summaries = Summaries(suite, builder.resampler)
        self.by_arm = {arm: summaries.of_arm(arm, self.scopes) for arm in suite.arms}

    def rows(self, prefix: str) -> list[Summary]:
        """Scope by scope, all arms in each; the prefix is left out of the scope's name."""
        found = []
        for scope in self.scopes:
            if scope.startswith(prefix):
                found += [dataclasses.replace(rows[scope], scope=scope.removeprefix(prefix)) for rows in self.by_arm.values() if scope in rows]
        return found

    def build(self) -> None:
        self.add("", [tables.overview(self.rows(ALL), self.labels), self.able_table(),
                      self.plots.scores(self.name, self.panels(), self.labels)], [records_of(self.suite)])
        # Where each category is one task they tell the same; the paper speaks of categories.
        one_each = not self.paper and len(self.suite.category_names) == len(self.suite.tasks)
        rows = self.rows("task ") if one_each else self.rows("category ")
        kind = "task" if one_each else "category"
        form = " (the form of the paper's Table 1)" if self.paper else ""
        single = [] if one_each else [tables.table_1(self.rows("task "), self.labels, False, "Single tasks", folded=True, kind="task")]
        self.add("score and time to first token", [tables.table_1(rows, self.labels, self.paper, f"By {kind}{form}", kind=kind), *single, self.buckets()])
        form = " (the form of the paper's Table 2)" if self.paper else ""
        self.add("the whole answer", [tables.table_2(rows, self.labels, self.paper, f"By {kind}{form}", kind=kind), self.answer_lengths(), self.growth()])
        single = None if one_each else tables.likelihood_table(self.rows("task "), self.labels, "Single tasks", True, "task")
        self.add("log-likelihood of the gold answer", [tables.likelihood_table(rows, self.labels, f"By {kind}", False, kind),
                                                       self.plots.likelihoods(self.name, self.panels(), self.labels), single])
        comparisons = compare_all(self.suite, {ALL: self.suite.tasks} | ({ABLE: self.scopes[ABLE]} if ABLE in self.scopes else {}) |
                                  {category: self.suite.tasks_of(category) for category in self.suite.category_names if not one_each}, self.builder.resampler)
        self.add("pruning layer and keep ratio", self.plots.layers(self.name, self.rows(ALL), ALL))
        self.add("needle maps", self.plots.needles(self.name, self.suite, self.labels))
        every = [] if self.suite.dense is None else [tables.interval_table([row for prefix in (ALL, ABLE, "category ") for row in self.rows_named(prefix)],
                                                                           self.labels)]
        self.add("comparisons and intervals", [tables.equal_time_table(comparisons, self.labels), *every])
        self.keep_figures(comparisons)

    def rows_named(self, prefix: str) -> list[Summary]:
        return self.rows(prefix) if prefix == "category " else [dataclasses.replace(row, scope=prefix) for row in self.rows(prefix)]

    def add(self, title: str, parts: list, intro: list[str] | None = None) -> None:
        parts = [part for part in parts if part is not None and (isinstance(part, Plot) or part.rows)]
        if parts:
            self.builder.sections.append(Section(f"{self.suite.name}: {title}" if title else self.suite.name, 3, intro or [], parts=parts))

    def able_table(self) -> Table | None:
        if ABLE not in self.scopes:
            return None
        table = tables.overview(self.rows(ABLE), self.labels)
        table.title = f"Tasks named with --able: {', '.join(self.scopes[ABLE])}"
        return table

    def panels(self) -> dict[str, list[Summary]]:
        panels = {ALL: [rows[ALL] for rows in self.by_arm.values() if ALL in rows]}
        if len(self.suite.category_names) > 1:
            for category in self.suite.category_names:
                panels[category] = [rows[scope] for rows in self.by_arm.values() if (scope := f"category {category}") in rows]
        return panels

    def growth(self) -> Plot | None:
        pairs = {arm: [pair for task in self.suite.tasks for pair in self.suite.pairs(arm, task)] for arm in self.suite.arms}
        return self.plots.growth(self.name, pairs, self.labels)

    def buckets(self) -> Table | None:
        """LongBench-E: scores by the record's length in words."""
        if not self.paper:
            return None
        rows = []
        for name, low, high in LONGBENCH_E:
            def inside(sample, name=name, low=low, high=high):
                return sample.raw.get("bucket") == name or ("bucket" not in sample.raw and low <= sample.number("length") < high)
            rows += self.part_rows(f"{name} words", inside)
        note = "Mean over the tasks that have records in the bucket."
        return dataclasses.replace(tables.table_1(rows, self.labels, False, "By length of the record (LongBench-E's buckets)", True, "length"), note=note)

    def answer_lengths(self) -> Table | None:
        """Short and long answers apart: what pruning gains at the first token thins out over a long answer."""
        if self.suite.dense is None:
            return None
        dense = {(task, record): sample.number("generated_tokens") for task, found in self.suite.samples[self.suite.dense].items()
                 for record, sample in found.items()}
        rows = []
        for name, low, high in ANSWER_LENGTHS:
            def inside(sample, low=low, high=high):
                return low <= dense.get((sample.task, (sample.id, sample.prompt)), math.nan) < high
            rows += self.part_rows(name, inside)
        return tables.table_2(rows, self.labels, False, "By length of dense's answer", False, "dense answer")

    def part_rows(self, scope: str, inside) -> list[Summary]:
        """Summaries over the samples for which `inside` holds."""
        samples = {arm: {task: kept for task, found in tasks.items() if (kept := {record: one for record, one in found.items() if inside(one)})}
                   for arm, tasks in self.suite.samples.items()}
        suite = dataclasses.replace(self.suite, samples={arm: tasks for arm, tasks in samples.items() if tasks})
        summaries = Summaries(suite, self.builder.resampler)
        return [rows[scope] for arm in suite.arms if (rows := summaries.of_arm(arm, {scope: suite.tasks}))]

    def keep_figures(self, comparisons: list[Comparison]) -> None:
        where = {"model": self.study.model, "settings": self.study.settings, "suite": self.suite.name}
        for rows in self.by_arm.values():
            for scope, row in rows.items():
                self.builder.figures.append({**where, "kind": "summary", **plain(row), "scope": scope})
        self.builder.figures += [{**where, "kind": "equal_time", **plain(one)} for one in comparisons]


def records_of(suite: Suite) -> str:
    sizes = {task: max(len(tasks.get(task, {})) for tasks in suite.samples.values()) for task in suite.tasks}
    return f"{notes.plural(sum(sizes.values()), 'record')}: " + ", ".join(f"{task} {size}" for task, size in sizes.items()) + "."


def slug(name: str) -> str:
    return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name)[:40]


def plain(value):
    """For JSON: no NaN."""
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return [plain(one) for one in value] if isinstance(value, list) else value
