# SPDX-License-Identifier: Apache-2.0
"""The tables of a suite: overview, the paper's Table 1 and 2, log-likelihood, single tasks, intervals, equal time."""

import math

from . import paper
from .bootstrap import SMALLEST_FOR_INTERVAL, SMALLEST_FOR_MARK
from .equal_time import Comparison
from .study import Arm
from .summary import Summary
from .table import NONE, Cell, Column, Table, estimated, number, words

POINTS, TIMES, PERCENT, NATS = "{:.1f}", "{:.2f}×", "{:.1f} %", "{:+.3f}"
SIGNED = "{:+.1f}"

SCORE_COLUMNS = [
    Column("n", "records, each paired with its dense one"),
    Column("score", "mean score, 0 to 100 [95 %]"),
    Column("to dense", "paired difference in points [95 %]"),
    Column("% of dense", "ratio of the scores [90 %]"),
    Column("TTFT ×", "speed-up to the first token: sum of dense times over sum of times [95 %]"),
    Column("median", "median over the records of dense time over time"),
]


def score_cells(row: Summary) -> list[Cell]:
    return [number(row.records, "{:.0f}"), estimated(row.score, POINTS), *relative(row, [
        estimated(row.difference, SIGNED, neutral=0.0), estimated(row.kept_score, PERCENT, level=90, scale=100.0),
        estimated(row.ttft_speedup, TIMES), number(row.ttft_median, TIMES)])]


def relative(row: Summary, cells: list[Cell]) -> list[Cell]:
    """Against itself dense has nothing to say."""
    return [Cell(NONE) for _ in cells] if row.arm.is_dense else cells


def arm_cell(row: Summary, labels: dict[Arm, str]) -> Cell:
    return words(labels[row.arm])


def overview(rows: list[Summary], labels: dict[Arm, str]) -> Table:
    columns = [Column("policy", numeric=False), *SCORE_COLUMNS,
               Column("total ×", "speed-up of the whole answer [95 %]"),
               Column("computed", "share of the prompt's (token, layer) pairs at the first token"),
               Column("at the end", "the same after the last token of the answer"),
               Column("log-likelihood", "of the gold answer against dense, nats per token [95 %]")]
    body = [[arm_cell(row, labels), *score_cells(row), *relative(row, [estimated(row.total_speedup, TIMES)]),
             number(100 * row.computed, PERCENT), number(100 * row.computed_end, PERCENT),
             *relative(row, [estimated(row.loglik_difference, NATS, neutral=0.0)])] for row in rows]
    return Table("All tasks", columns, body, "Scores: mean over the tasks, each task weighing the same. Times and log-likelihood: over all records.")


def table_1(rows: list[Summary], labels: dict[Arm, str], with_paper: bool, title: str, folded: bool = False, kind: str = "category") -> Table:
    columns = [Column(kind, numeric=False), Column("policy", numeric=False), *SCORE_COLUMNS]
    if with_paper:
        columns += [Column("Llama 2 score", paper=True), Column("TTFT ×", paper=True), Column("XGen score", paper=True), Column("TTFT ×", paper=True)]
    body = []
    told = set()   # the paper has one figure for a policy: it stands at the policy's first operating point
    for row in rows:
        cells = [words(row.scope), arm_cell(row, labels), *score_cells(row)]
        if with_paper:
            published = None if (row.scope, row.arm.policy) in told else paper.TABLE_1.get(row.scope, {}).get(row.arm.policy)
            told.add((row.scope, row.arm.policy))
            cells += [number(value, form) for value, form in zip(published, ("{:.2f}", TIMES) * 2)] if published else [Cell("")] * 4
        body.append(cells)
    note = ("Columns of the paper: its own published figures for the policy (Table 1), with other models on other hardware; they stand once for each policy, "
            "since the paper gives one figure and not the schedule behind it."
            if with_paper else "")
    return Table(title, columns, body, note, folded)


def table_2(rows: list[Summary], labels: dict[Arm, str], with_paper: bool, title: str, folded: bool = False, kind: str = "category") -> Table:
    columns = [Column(kind, numeric=False), Column("policy", numeric=False), Column("n"),
               Column("total ×", "speed-up of the whole answer: sum of dense times over sum of times [95 %]"),
               Column("TPOT ×", "speed-up of each further token [95 %]; below 1: slower than dense"),
               Column("computed", "share of the prompt's (token, layer) pairs at the first token"), Column("at the end", "the same after the last token"),
               Column("answer", "mean tokens of the answer"), Column("dense answer", "mean tokens of dense's answer to the same prompts")]
    if with_paper:
        columns += [Column("Llama 2 total ×", paper=True), Column("at the end", paper=True), Column("XGen total ×", paper=True), Column("at the end", paper=True)]
    body = []
    told = set()
    for row in rows:
        if row.arm.is_dense:
            continue
        cells = [words(row.scope), arm_cell(row, labels), number(row.records, "{:.0f}"), estimated(row.total_speedup, TIMES),
                 estimated(row.tpot_speedup, TIMES, neutral=1.0), number(100 * row.computed, PERCENT), number(100 * row.computed_end, PERCENT),
                 number(row.generated, "{:.1f}"), number(row.generated_dense, "{:.1f}")]
        if with_paper:
            published = paper.TABLE_2.get(row.scope) if row.arm.policy == "lazy" and row.scope not in told else None
            told.add(row.scope)
            if published:
                end_llama, end_xgen, total_llama, total_xgen = published
                cells += [number(total_llama, TIMES), number(end_llama, "{:.2f} %"), number(total_xgen, TIMES), number(end_xgen, "{:.2f} %")]
            else:
                cells += [Cell("")] * 4
        body.append(cells)
    note = "A shorter or longer answer than dense's moves the total; the TPOT column does not depend on it."
    if with_paper:
        note += " The paper counts prompt tokens computed by the end, we count (token, layer) pairs."
    return Table(title, columns, body, note, folded)


def likelihood_table(rows: list[Summary], labels: dict[Arm, str], title: str, folded: bool, kind: str = "category") -> Table | None:
    if not any(math.isfinite(row.loglik.point) for row in rows):
        return None
    with_prefix = any(math.isfinite(row.dense_prefix) and not row.arm.is_dense for row in rows)
    columns = [Column(kind, numeric=False), Column("policy", numeric=False), Column("n", "records with a gold answer"),
               Column("log-likelihood", "mean of the gold answer, nats per token [95 %]"), Column("to dense", "paired difference [95 %]"),
               Column("90 %", "the difference's 90 % interval"), Column("same answer", "share of the records whose answer is dense's, letter by letter")]
    if with_prefix:
        columns.append(Column("dense prefix", "tokens that the answer has in common with dense's from its beginning"))
        columns.append(Column("dense answer", "mean tokens of dense's answer"))
    body = []
    for row in rows:
        difference = estimated(row.loglik_difference, NATS, neutral=0.0)
        narrow = estimated(row.loglik_difference, NATS, level=90).interval or NONE
        cells = [words(row.scope), arm_cell(row, labels), number(row.loglik.n, "{:.0f}"), estimated(row.loglik, "{:.3f}"),
                 *relative(row, [difference, Cell(narrow, sort=row.loglik_difference.low90), number(100 * row.same_answer, "{:.0f} %")])]
        if with_prefix:
            cells += relative(row, [number(row.dense_prefix, "{:.1f}"), number(row.generated_dense, "{:.1f}")])
        body.append(cells)
    return Table(title, columns, body, "Mean over all records of the scope, natural logarithm, per token of the gold answer.", folded)


def interval_table(rows: list[Summary], labels: dict[Arm, str]) -> Table:
    """90 % and 95 % of every paired figure."""
    figures = [("score to dense, points", lambda row: row.difference, SIGNED, 1.0), ("score, % of dense", lambda row: row.kept_score, PERCENT, 100.0),
               ("log-likelihood to dense, nats per token", lambda row: row.loglik_difference, NATS, 1.0),
               ("TTFT ×", lambda row: row.ttft_speedup, TIMES, 1.0), ("total ×", lambda row: row.total_speedup, TIMES, 1.0),
               ("TPOT ×", lambda row: row.tpot_speedup, TIMES, 1.0)]
    columns = [Column("scope", numeric=False), Column("policy", numeric=False), Column("figure", numeric=False), Column("n"), Column("estimate"),
               Column("90 % interval"), Column("95 % interval")]
    body = []
    for row in rows:
        for name, value, form, scale in figures:
            one = value(row)
            if row.arm.is_dense or not math.isfinite(one.point):
                continue
            wide, narrow = estimated(one, form, scale=scale), estimated(one, form, scale=scale, level=90)
            body.append([words(row.scope), arm_cell(row, labels), words(name), number(one.n, "{:.0f}"), Cell(wide.text, sort=wide.sort),
                         Cell(narrow.interval or NONE, sort=scale * one.low90), Cell(wide.interval or NONE, sort=scale * one.low95)])
    return Table("Every interval", columns, body, folded=True)


def equal_time_table(comparisons: list[Comparison], labels: dict[Arm, str]) -> Table | None:
    if not comparisons:
        return None
    columns = [Column("scope", numeric=False), Column("arm", numeric=False), Column("TTFT ×"), Column("against", numeric=False),
               Column("mixed of", numeric=False), Column("n"), Column("score", "of the arm minus the mixture's, points [95 %]"),
               Column("log-likelihood", "of the arm minus the mixture's, nats per token [95 %]")]
    body = []
    for one in comparisons:
        if one.faster is None:
            mixed = words("no point as fast")
        else:
            mixed = words(f"{100 * (1 - one.share):.0f} % {labels[one.slower]}, {100 * one.share:.0f} % {labels[one.faster]}")
        body.append([words(one.scope), words(labels[one.arm]), number(one.speedup, TIMES), words(one.policy), mixed,
                     number(one.difference.n or one.loglik_difference.n, "{:.0f}") if one.faster else Cell(NONE),
                     estimated(one.difference, SIGNED, neutral=0.0), estimated(one.loglik_difference, NATS, neutral=0.0)])
    return Table("At equal time to first token", columns, body,
                 "Each other policy is mixed from its two neighbouring operating points (dense is one of them) so that the mean time equals the arm's; "
                 "▲: the arm is better, ▼: worse.")


def marks_note() -> str:
    return (f"▲ and ▼ stand where the 95 % interval excludes no difference and n is at least {SMALLEST_FOR_MARK}; each comparison is taken by itself, "
            f"without a correction for their number. Below n {SMALLEST_FOR_INTERVAL} no interval is given.")
