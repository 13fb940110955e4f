# SPDX-License-Identifier: Apache-2.0
"""lazyllm report: figures against samples with known answers, intervals against every possible resample, bad data, the page itself."""

import itertools
import json
import math
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import xml.etree.ElementTree as tree

import numpy
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "apps" / "report"))

from lazyllm_report.bootstrap import Resampler, estimate  # noqa: E402
from lazyllm_report.load import beside_the_schedule, load, parse_line  # noqa: E402
from lazyllm_report.main import main  # noqa: E402
from lazyllm_report.study import studies_of  # noqa: E402
from lazyllm_report.summary import Summaries  # noqa: E402
from lazyllm_report.table import estimated  # noqa: E402


def has_matplotlib(python):
    found = subprocess.run([python, "-c", "import numpy, matplotlib"], capture_output=True, check=False)
    return found.returncode == 0


@pytest.fixture(scope="session")
def plotting():
    if not any(shutil.which(python) and has_matplotlib(python) for python in ("python3", "/usr/bin/python3")):
        pytest.skip("python3-matplotlib is not installed; ./test installs it")


def sample(task, number, policy, schedule="", **more):
    line = {"suite": "longbench", "task": task, "category": {"hotpotqa": "multi-doc QA", "musique": "multi-doc QA", "lcc": "code"}.get(task, "other"),
            "metric": "qa_f1", "id": f"{task}-{number}", "length": 3000, "policy": policy, "schedule": schedule, "prediction": "yes", "score": 0.5,
            "ttft_ms": 100.0, "tpot_ms": 10.0, "total_ms": 200.0, "prompt_tokens": 1000, "generated_tokens": 11, "computed_fraction": 1.0,
            "computed_fraction_end": 1.0, "answer_loglik": -1.0}
    key = f"0.1.0|models/small.gguf|1000|avx2|2|f16|f16|{policy}|{schedule},,0,-1,-1,,-1|{task}|{line['id']}|{number:016x}"
    return {**line, "key": key, **more}


def write(folder, samples):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "samples.jsonl").write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in samples))
    return folder


@pytest.fixture
def report(tmp_path):
    """The script itself, tables only: fast, and without matplotlib."""
    def run(samples, *more):
        folder = write(tmp_path / "in", samples)
        assert main([str(word) for word in (folder, "--out", tmp_path / "out", "--resamples", 500, "--no-plots", *more)]) == 0
        return Result(tmp_path / "out")
    return run


@pytest.fixture
def drawn(program, plotting, tmp_path):
    """The program, with plots."""
    def run(samples, *more):
        folder = write(tmp_path / "in", samples)
        program.ok("report", folder, "--out", tmp_path / "out", "--resamples", 200, *more)
        return Result(tmp_path / "out")
    return run


class Result:
    def __init__(self, folder):
        self.page = (folder / "report.html").read_text()
        self.markdown = (folder / "report.md").read_text()
        self.plots = sorted(path.name for path in (folder / "plots").glob("*"))
        self.figures = json.loads((folder / "report.json").read_text())["figures"]

    def summary(self, policy, scope="all tasks"):
        found, = [row for row in self.figures if row["kind"] == "summary" and row["scope"] == scope and row["arm"]["policy"] == policy]
        return found

    def point(self, policy, name, scope="all tasks"):
        return self.summary(policy, scope)[name]["point"]


def three_tasks():
    lines = []
    for task, scores in (("hotpotqa", (1.0, 0.5, 0.0)), ("musique", (0.2, 0.4)), ("lcc", (0.8, 0.6, 0.4, 0.2))):
        for i, score in enumerate(scores):
            lines.append(sample(task, i, "dense", score=score, ttft_ms=100.0 + 50 * i, total_ms=300.0, answer_loglik=-1.0 - 0.1 * i))
            lines.append(sample(task, i, "lazy", "15:0.3", score=score / 2 if task == "hotpotqa" else score, ttft_ms=50.0 + 10 * i, total_ms=200.0,
                                tpot_ms=12.5, answer_loglik=-1.2 - 0.1 * i if task == "lcc" else -1.0 - 0.1 * i, prediction="no" if i == 0 else "yes",
                                computed_fraction=0.6, computed_fraction_end=0.7, dense_prefix=i))
    return lines


def test_known_answers(report):
    result = report(three_tasks())
    assert result.point("dense", "score") == pytest.approx(100 * (0.5 + 0.3 + 0.5) / 3), "a mean of the tasks' means"
    assert result.point("lazy", "score") == pytest.approx(100 * (0.25 + 0.3 + 0.5) / 3)
    assert result.point("lazy", "difference") == pytest.approx(-100 * 0.25 / 3)
    assert result.point("lazy", "kept_score", "category multi-doc QA") == pytest.approx(0.275 / 0.4)
    assert result.point("lazy", "difference", "task hotpotqa") == pytest.approx(-25)
    assert result.point("lazy", "loglik_difference") == pytest.approx(-0.2 * 4 / 9), "over all records"
    dense, lazy = [100, 150, 200, 100, 150, 100, 150, 200, 250], [50, 60, 70, 50, 60, 50, 60, 70, 80]
    row = result.summary("lazy")
    assert row["ttft_speedup"]["point"] == pytest.approx(sum(dense) / sum(lazy))
    assert row["ttft_median"] == pytest.approx(numpy.median(numpy.divide(dense, lazy)))
    assert row["total_speedup"]["point"] == pytest.approx(1.5) and row["tpot_speedup"]["point"] == pytest.approx(0.8)
    assert row["computed"] == pytest.approx(0.6) and row["computed_end"] == pytest.approx(0.7) and row["records"] == 9
    assert row["same_answer"] == pytest.approx(6 / 9) and row["dense_prefix"] == pytest.approx(10 / 9)
    assert "| multi-doc QA | lazy 15:0.3 | 5 |" in result.markdown and "22.31" in result.markdown, "the paper's figure stands beside ours"
    assert "few records" in result.markdown and "fewer than 5 records of hotpotqa (3), musique (2), lcc (4)" in result.markdown


def test_the_paper_stands_beside_a_category_of_one_task(report):
    result = report([line for line in three_tasks() if line["task"] != "musique"])
    assert "22.31" in result.markdown and "53.30" in result.markdown and result.markdown.count("22.31") == 1


def exact_interval_check(values, resampled):
    """`values`: the statistic over every possible resample, `resampled`: over random ones. Same distribution?"""
    values, resampled = numpy.sort(values), numpy.sort(resampled)
    points = numpy.unique(values.round(9))
    exact = numpy.searchsorted(values, points + 1e-7, side="right") / len(values)
    drawn = numpy.searchsorted(resampled, points + 1e-7, side="right") / len(resampled)
    assert numpy.abs(exact - drawn).max() < 0.008   # Kolmogorov's bound at 100 000 draws is about 0.005
    bounds = estimate(values.mean(), resampled, 10)
    for bound, q in ((bounds.low90, 0.05), (bounds.high90, 0.95), (bounds.low95, 0.025), (bounds.high95, 0.975)):
        below = numpy.searchsorted(values, bound - 1e-7) / len(values)
        up_to = numpy.searchsorted(values, bound + 1e-7, side="right") / len(values)
        assert below - 0.008 <= q <= up_to + 0.008


def test_bootstrap_against_all_resamples():
    data = numpy.array([0.0, 0.1, 0.35, 0.7, 1.0])
    every = [data[list(pick)].mean() for pick in itertools.product(range(5), repeat=5)]
    sums = Resampler(100_000, 1).sums("task", numpy.column_stack([numpy.ones(5), data]))
    assert sums[0].tolist() == [5, data.sum()]
    exact_interval_check(numpy.array(every), sums[1:, 1] / sums[1:, 0])


def suite_of(lines):
    samples = [parse_line("file", number, json.dumps(line).encode()) for number, line in enumerate(lines, 1)]
    study, = studies_of(samples)
    return study.suites["longbench"]


def test_paired_ratio_over_two_tasks_against_all_resamples():
    """Stratified by task, mean of the tasks' means, paired: the very statistic of the report's category rows."""
    dense, lazy = {"hotpotqa": [0.9, 0.5, 0.3], "musique": [0.2, 0.6, 0.4, 0.8]}, {"hotpotqa": [0.7, 0.5, 0.4], "musique": [0.1, 0.6, 0.2, 0.8]}
    lines = [sample(task, i, policy, schedule, score=score) for policy, schedule, scores in (("dense", "", dense), ("lazy", "15:0.3", lazy))
             for task in scores for i, score in enumerate(scores[task])]
    suite = suite_of(lines)
    caught = {}

    class Catching(Resampler):
        def sums(self, label, columns):
            caught[label] = super().sums(label, columns)
            return caught[label]

    arm = suite.arms[1]
    row = Summaries(suite, Catching(100_000, 3)).of_arm(arm, {"both": ["hotpotqa", "musique"]})["both"]
    ratios, differences = [], []
    for a in itertools.product(range(3), repeat=3):
        for b in itertools.product(range(4), repeat=4):
            means = [numpy.mean([scores["hotpotqa"][i] for i in a]) + numpy.mean([scores["musique"][i] for i in b]) for scores in (lazy, dense)]
            ratios.append(means[0] / means[1])
            differences.append((means[0] - means[1]) / 2)
    for name, every in (("kept_score", ratios), ("difference", numpy.multiply(100, differences))):
        one = getattr(row, name)
        every = numpy.sort(every)
        for bound, q in ((one.low90, 0.05), (one.high90, 0.95), (one.low95, 0.025), (one.high95, 0.975)):
            assert numpy.searchsorted(every, bound - 1e-7) / len(every) - 0.008 <= q <= numpy.searchsorted(every, bound + 1e-7, side="right") / len(every) + 0.008
    assert set(caught) == {"longbench/hotpotqa", "longbench/musique"}


def test_bootstrap_against_the_normal_law():
    data = numpy.random.default_rng(5).normal(0.3, 2.0, 900)
    sums = Resampler(20_000, 0).sums("x", numpy.column_stack([numpy.ones(900), data]))
    one = estimate(data.mean(), sums[1:, 1] / sums[1:, 0], 900)
    half = data.std(ddof=1) / 30
    assert [one.low90, one.high90, one.low95, one.high95] == pytest.approx(
        [data.mean() + z * half for z in (-1.645, 1.645, -1.96, 1.96)], abs=0.06 * half)
    assert one.excludes(0.0) == (one.low95 > 0.0)


def test_draws_depend_on_seed_task_and_size_only():
    columns = numpy.arange(20.0).reshape(10, 2)
    first = Resampler(300, 0)
    assert (first.sums("a", columns) == first.sums("a", columns)).all() and (first.sums("a", columns) == Resampler(300, 0).sums("a", columns)).all()
    assert (first.sums("a", columns) != Resampler(300, 1).sums("a", columns)).any() and (first.sums("a", columns) != first.sums("b", columns)).any()
    big = numpy.ones((50_000, 1))
    assert (Resampler(1000, 0).sums("big", big) == 50_000).all(), "drawn in chunks, none lost"


def test_no_interval_and_no_mark_from_few_records():
    values = numpy.full(100, -0.3)
    assert math.isnan(estimate(-0.3, values, 4).low95)
    assert not estimate(-0.3, values, 9).excludes(0.0) and estimate(-0.3, values, 10).excludes(0.0)
    assert "▼" in estimated(estimate(-0.3, values, 10), "{:+.1f}", neutral=0.0).text
    assert "▼" not in estimated(estimate(-0.3, values, 9), "{:+.1f}", neutral=0.0).text
    assert "▲" not in estimated(estimate(0.0, numpy.linspace(0.0, 1.0, 100), 50), "{:+.1f}", neutral=0.0).text, "0 belongs to the interval"
    assert estimated(estimate(-0.001, values, 10), "{:+.1f}").text == "0.0", "no minus zero"


def test_identical_policies_differ_by_exactly_zero(report):
    random = numpy.random.default_rng(2)
    lines = []
    for task in ("hotpotqa", "musique", "lcc"):
        for i in range(17):
            values = {"score": float(random.random()), "ttft_ms": float(random.uniform(50, 70)), "total_ms": float(random.uniform(200, 300)),
                      "answer_loglik": float(-random.random())}
            lines += [sample(task, i, policy, schedule, **values) for policy, schedule in (("dense", ""), ("lazy", "15:1"), ("tsp", "15:1"))]
    result = report(lines)
    for policy in ("lazy", "tsp"):
        for scope in ("all tasks", "category multi-doc QA", "task lcc"):
            row = result.summary(policy, scope)
            for name, value in (("difference", 0), ("loglik_difference", 0), ("kept_score", 1), ("ttft_speedup", 1), ("total_speedup", 1)):
                assert {row[name][bound] for bound in ("point", "low90", "high90", "low95", "high95")} == {value}, name
    assert not re.search(r"\d [▲▼]", result.markdown) and result.summary("lazy")["same_answer"] == 1


def test_pairing_with_missing_records(report):
    lines = [sample("lcc", i, "dense", score=0.1 * i) for i in range(10)]
    lines += [sample("lcc", i, "lazy", "15:0.3", score=0.1 * i - 0.05) for i in reversed(range(4, 13))]   # 10 to 12 have no dense one
    result = report(lines)
    row = result.summary("lazy")
    assert row["records"] == 6 and row["unpaired"] == 3
    assert row["difference"]["point"] == pytest.approx(-5) and row["score"]["point"] == pytest.approx(100 * (0.65 - 0.05))
    assert "lacks 4 records that dense has" in result.markdown and "3 records of lazy 15:0.3 left out" in result.markdown


def test_missing_keys_and_types(report):
    lines = []
    for i in range(6):
        line = sample("lcc", i, "dense")
        lazy = sample("lcc", i, "lazy", "15:0.3", score="high", ttft_ms=0, answer_loglik=None, computed_fraction=True, prediction=None)
        del lazy["total_ms"], lazy["key"], line["key"]
        lines += [line, lazy]
    result = report(lines)
    row = result.summary("lazy")
    assert row["score"]["point"] is None and row["ttft_speedup"]["point"] is None and row["loglik_difference"]["point"] is None
    assert row["total_speedup"]["point"] is None and row["tpot_speedup"]["point"] == pytest.approx(1.0) and row["computed"] is None


def test_malformed_lines_are_named_and_skipped(tmp_path, capsys):
    folder = write(tmp_path / "in", three_tasks())
    good = (folder / "samples.jsonl").read_bytes()
    bad = [b"{broken", b"[1, 2]", b'{"suite": "longbench", "task": "lcc", "policy": "lazy"}', b"\xff\xfe{}", b"[" * 100_000, b"nul\x00",
           b'{"suite": "longbench", "task": "lcc", "id": "x", "policy": "lazy", "error": "context full"}', b'{"suite": "longb']
    fine = b'{"suite": "longbench", "task": "lcc", "id": 7, "policy": "lazy", "schedule": "15:0.3", "score": 1' + b"0" * 400 + b', "ttft_ms": NaN}'
    (folder / "samples.jsonl").write_bytes(good + b"\n".join([*bad[:-1], fine, bad[-1]]))
    assert main([str(folder), "--out", str(tmp_path / "out"), "--no-plots"]) == 0
    told = capsys.readouterr().err
    assert "8 lines skipped" in told and "samples.jsonl:19: not JSON" in told
    text = (tmp_path / "out" / "report.md").read_text().replace("\\", "")
    for number, word in ((19, "not JSON"), (20, "not a JSON object"), (21, '"id"'), (22, "invalid UTF-8"), (23, "not JSON"), (24, "not JSON"),
                         (25, "context full"), (27, "not JSON")):
        assert re.search(rf"line {number}: [^;]*{re.escape(word.replace('<', '&lt;'))}", text), number


def test_refusals(program, plotting, tmp_path):
    def refused(code, *arguments):
        result = program.run("report", "--no-plots", *arguments)
        assert result.returncode == code and result.stdout == b"" and b"Traceback" not in result.stderr, result.stderr
        return result.stderr.decode()

    empty = tmp_path / "empty"
    empty.mkdir()
    assert "samples.jsonl" in refused(1, empty)
    assert "nonesuch" in refused(1, tmp_path / "nonesuch")
    (empty / "samples.jsonl").write_text("")
    assert "no samples" in refused(1, empty)
    (empty / "samples.jsonl").write_text("{broken\n")
    assert "samples.jsonl:1" in refused(1, empty)
    folder = write(tmp_path / "in", three_tasks())
    (tmp_path / "file").write_text("x")
    assert "--out" in refused(1, folder, "--out", tmp_path / "file" / "out")
    assert "nonesuch" in refused(1, folder, "--able", "lcc,nonesuch")
    refused(2)
    refused(2, folder, "--resamples", 5)
    refused(2, folder, "--seed", -1)
    assert not (folder / "report.md").exists()


def test_default_folder_and_a_name_with_a_dash(program, plotting, tmp_path):
    folder = write(tmp_path / "-in", three_tasks())
    result = subprocess.run([program.path, "report", "--no-plots", "--resamples", "100", "--", "-in"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == ["-in/report.md", "-in/report.html", "-in/report.json"] and (folder / "report.html").exists()


@pytest.mark.parametrize("asked, beside", [("15:0.3,last,7", "last,7"), ("9:0.7,19:0.7,28:.5,,0,more,still", ",0,more,still"), ("paper,,0", ",0"), (",,0", ",0"),
                                           ("", "")])
def test_options_beside_the_schedule(asked, beside):
    assert beside_the_schedule(asked) == beside


@pytest.mark.parametrize("policy", ["lazy", "dense"])
def test_one_policy_only(report, policy):
    result = report([line for line in three_tasks() if line["policy"] == policy])
    assert result.point(policy, "score") > 0
    assert ("there are no dense samples" in result.markdown) == (policy == "lazy")


def test_studies_are_kept_apart_and_joined(tmp_path):
    """Another model or prompt: another study. Same prompts in another folder: one study, times paired within the folder."""
    lines = three_tasks()
    slow = [{**line, "ttft_ms": 3 * line["ttft_ms"], "schedule": "19:0.3" if line["policy"] == "lazy" else "",
             "key": line["key"].replace("0.1.0|", "0.2.0|")} for line in lines]
    longer = [{**line, "key": line["key"][:-1] + "f"} for line in lines]
    other = [{**line, "key": line["key"].replace("small", "large")} for line in lines]
    folders = [write(tmp_path / name, these) for name, these in (("a", lines), ("b", slow), ("longer", longer), ("other", other))]
    assert main([*map(str, folders), "--out", str(tmp_path / "out"), "--resamples", "100", "--no-plots"]) == 0
    result = Result(tmp_path / "out")
    speedups = [row["ttft_speedup"]["point"] for row in result.figures
                if row["kind"] == "summary" and row["scope"] == "all tasks" and row["arm"]["policy"] == "lazy"]
    assert len(speedups) == 4 and speedups == pytest.approx([1400 / 550] * 4), "two arms in the first study, one in each other"
    assert [row["arm"]["schedule"] for row in result.figures if row["scope"] == "all tasks" and row["arm"]["policy"] == "lazy"][:2] == ["15:0.3", "19:0.3"]
    assert "different program versions" in result.markdown and "9 samples of a record" in result.markdown
    assert len(re.findall("^## (small|large)", result.markdown, re.MULTILINE)) == 3


def test_arms_with_options_and_short_prompts(report):
    lines = [sample("lcc", i, "dense") for i in range(6)]
    for i in range(6):
        one, other = (sample("lcc", i, "lazy", "" if i == 0 else "15:0.3", score=score) for score in (0.4, 0.3))
        one["key"], other["key"] = ("|".join([*one["key"].split("|")[:8], options, *one["key"].split("|")[9:]])
                                    for options in ("15:0.3,last,7,-1,-1,,-1", "15:0.3,window:8,0,-1,-1,,-1"))
        lines += [one, other]
    result = report(lines)
    arms = {row["arm"]["options"]: row["records"] for row in result.figures if row["scope"] == "all tasks" and row["arm"]["policy"] == "lazy"}
    assert arms == {"last,7,-1,-1,,-1": 6, "window:8,0,-1,-1,,-1": 6}, "a short prompt, run dense, belongs to its arm"
    assert "window:8" in result.page


def test_equal_time(report):
    lines = []
    for i in range(12):
        lines.append(sample("lcc", i, "dense", score=1.0, ttft_ms=100.0))
        lines.append(sample("lcc", i, "lazy", "15:0.3", score=0.9, ttft_ms=50.0, answer_loglik=-1.1))
        lines.append(sample("lcc", i, "random", "0:0.6", score=0.6, ttft_ms=60.0, answer_loglik=-1.6))
        lines.append(sample("lcc", i, "random", "0:0.3", score=0.2, ttft_ms=30.0, answer_loglik=-2.4))
        lines.append(sample("lcc", i, "static", "5:0.5", score=0.7, ttft_ms=20.0))
        lines.append(sample("lcc", i, "compress", "0:0.5", score=0.7, ttft_ms=300.0))
    result = report(lines)
    found = {row["policy"]: row for row in result.figures if row["kind"] == "equal_time" and row["scope"] == "all tasks"}
    random = found["random"]
    assert random["share"] == pytest.approx(1 / 3) and random["slower"]["schedule"] == "0:0.6" and random["faster"]["schedule"] == "0:0.3"
    assert random["difference"]["point"] == pytest.approx(100 * (0.9 - (2 * 0.6 + 0.2) / 3))
    assert random["loglik_difference"]["point"] == pytest.approx(-1.1 + (2 * 1.6 + 2.4) / 3)
    assert found["static"]["slower"]["policy"] == "dense" and found["static"]["share"] == pytest.approx(5 / 8)
    assert found["static"]["difference"]["point"] == pytest.approx(100 * (0.9 - (3 / 8 * 1.0 + 5 / 8 * 0.7)))
    assert found["compress"]["faster"] is None and "no point as fast" in result.page


def full_study():
    """Everything that the report can draw."""
    lines = three_tasks()
    for schedule in ("10:0.3", "20:0.3", "20:0.5"):
        lines += [{**line, "schedule": schedule, "key": line["key"].replace("15:0.3", schedule)} for line in three_tasks() if line["policy"] == "lazy"]
    for policy, score in (("dense", 1.0), ("lazy", 0.5)):
        for length, depth, kind in itertools.product((1000, 2000), (0, 50, 100), ("literal", "several")):
            lines.append(sample(kind, length + depth, policy, "15:0.3" if policy == "lazy" else "", suite="needle", length=length, depth=depth,
                                kind=kind, score=score))
        for i in range(6):
            lines.append({"suite": "text", "task": "story", "id": i, "policy": policy, "schedule": "15:0.3" if policy == "lazy" else "", "ttft_ms": 10,
                          "nll": 2.0 + 0.1 * (policy == "lazy"), "kl_mean": 0.02, "kl_p50": 0.01, "kl_p99": 0.4, "same_top": 0.9, "kl": [0.01 * i, 0.03, 0.9]})
    return lines


@pytest.fixture(scope="module")
def full(program, plotting, tmp_path_factory):
    """One report of everything, looked at by several tests."""
    folder = tmp_path_factory.mktemp("full")
    lines = full_study()
    lines[1]["computed_by_step"] = [0.6, 0.62, 0.65]
    program.ok("report", write(folder, lines), "--resamples", 200, "--able", "hotpotqa,lcc", timeout=900)
    return folder


def test_everything_is_drawn_and_tabled(full):
    result = Result(full)
    for name in ("longbench-score", "longbench-loglik", "longbench-layers-1", "longbench-growth", "needle-needle-1", "needle-needle-2"):
        assert any(plot.endswith(f"{name}.svg") for plot in result.plots), (name, result.plots)
    for plot in result.plots:
        assert f"(plots/{plot})" in result.markdown
    assert result.page.count("<svg") == len(result.plots)
    ratio = re.search(r"\| lazy 15:0.3 \| 6 \| ([\d.]+) .*?\| ([\d.]+) ", result.markdown[result.markdown.index("Perplexity and"):])
    assert float(ratio[1]) == pytest.approx(math.exp(2.1), abs=1e-3) and float(ratio[2]) == pytest.approx(math.exp(0.1), abs=1e-4)
    assert {(row["arm"]["schedule"], tuple(row["tasks"])) for row in result.figures if row.get("scope") == "able tasks" and row["kind"] == "summary"} == {
        (schedule, ("hotpotqa", "lcc")) for schedule in ("", "15:0.3", "10:0.3", "20:0.3", "20:0.5")}
    assert any("divergence" in plot for plot in result.plots) and "| 0.0300 |" in result.markdown, "a percentile over all positions"
    assert "LongBench-E" in result.page and "up to 32 tokens" in result.page


def test_the_page_is_well_formed_and_fetches_nothing(full):
    page = Result(full).page
    root = tree.fromstring(page)
    ids = [node.get("id") for node in root.iter() if node.get("id")]
    assert len(ids) == len(set(ids)) > 20
    for node in root.iter():
        assert "src" not in node.attrib and node.tag not in ("link", "iframe", "object", "embed", "base", "img", "image")
        for name, value in node.attrib.items():
            if name.endswith("href"):
                assert value.startswith("#") and value[1:] in ids, value
            for target in re.findall(r"url\(([^)]*)\)", value):
                assert target.startswith("#") and target[1:] in ids, target
    assert not re.search(r"https?:|//[a-z]|@import|url\((?!#)", page)
    assert "prefers-color-scheme: dark" in page and "default-src 'none'" in page
    assert not re.search(r"#0101[0-9a-f]{2}", page), "every colour has become a name"
    tables = [node for node in root.iter("table")]
    assert len(tables) >= 8
    for table in tables:
        width = len(table.findall("thead/tr/th"))
        assert all(len(row.findall("td")) == width for row in table.findall("tbody/tr"))


def test_plot_files_stand_alone(full):
    for path in (full / "plots").iterdir():
        root = tree.fromstring(path.read_text())
        assert root.tag == "{http://www.w3.org/2000/svg}svg" and "var(" not in path.read_text() and "#0101" not in path.read_text()


def test_hostile_names_stay_text(drawn):
    evil = '<script>alert("1")</script>|$x_1$ \\1 \\g `&\n\ud800\x07 ](x)'
    lines = [sample(evil, i, policy, schedule, category=evil, suite=evil, kind=evil, depth=5) for i in range(6)
             for policy, schedule in (("dense", ""), (evil, evil), ("lazy", evil))]
    result = drawn(lines)
    root = tree.fromstring(result.page)
    assert [node.text for node in root.iter("script")] == [root.findall(".//script")[-1].text] and "alert" not in root.findall(".//script")[-1].text
    assert "<script>" not in result.markdown and "&lt;script&gt;" in result.markdown


def test_reproducible(program, full, tmp_path):
    """Bit for bit, plots too; only another seed moves the intervals."""
    program.ok("report", full, "--out", tmp_path / "again", "--resamples", 200, "--able", "hotpotqa,lcc", timeout=900)
    for file in [path.relative_to(full) for path in full.rglob("*") if path.is_file() and path.name != "samples.jsonl"]:
        assert (full / file).read_bytes() == (tmp_path / "again" / file).read_bytes(), file
    assert main([str(full), "--out", str(tmp_path / "other"), "--resamples", "200", "--able", "hotpotqa,lcc", "--no-plots", "--seed", "1"]) == 0
    assert (tmp_path / "other" / "report.json").read_bytes() != (full / "report.json").read_bytes()


def test_ten_thousand_lines(program, plotting, tmp_path):
    random = numpy.random.default_rng(0)
    lines = [sample(task, i, policy, schedule, score=float(random.random()), ttft_ms=float(random.uniform(50, 100)))
             for task in ("hotpotqa", "musique", "lcc", "trec", "samsum") for i in range(250)
             for policy, schedule in (("dense", ""), ("lazy", "15:0.3"), ("lazy", "20:0.3"), ("tsp", "15:0.3"), ("random", "0:0.5"), ("random", "0:0.3"),
                                      ("static", "5:0.5"), ("gem", "10:0.3"))]
    assert len(lines) == 10_000
    folder = write(tmp_path / "in", lines)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    program.ok("report", folder, "--out", tmp_path / "out", timeout=900)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime - before.ru_utime < 60, "seconds of processor time"
    assert (tmp_path / "out" / "report.html").stat().st_size < 4_000_000


def test_python_without_matplotlib_is_named(program, tmp_path):
    folder = write(tmp_path / "in", three_tasks())
    for python in ("/bin/false", "/nonesuch/python3"):
        result = subprocess.run([program.path, "report", folder], env={**os.environ, "LAZYLLM_PYTHON": python}, capture_output=True, text=True, check=False)
        assert result.returncode == 1 and python in result.stderr and "matplotlib" in result.stderr


def test_installed_script_comes_first_and_its_exit_code_through(program, plotting, tmp_path):
    (tmp_path / "bin").mkdir()
    shutil.copy2(program.path, tmp_path / "bin" / "lazyllm")
    script = tmp_path / "share" / "lazyllm" / "report" / "report.py"
    script.parent.mkdir(parents=True)
    script.write_text("import sys\nprint(sys.argv[1:])\nsys.exit(7)\n")
    result = subprocess.run([tmp_path / "bin" / "lazyllm", "report", "a b", "c", "--out", "o"], capture_output=True, text=True, check=False)
    assert result.returncode == 7
    assert result.stdout.strip() == str(["--out=o", "--title=lazyllm evaluation", "--resamples=5000", "--seed=0", "--", "a b", "c"])


@pytest.mark.parametrize("form", [2, 3])
def test_load_reads_arm_and_key_of_the_numbered_forms(form, tmp_path):
    key = f"{form}|0.1.0|/models/small.gguf|1000|small.gguf:1000:7;|avx2|2|f16|q8_0|lazy@15:0.3+score-pool=7|ruler|vt|vt-1|00ff"
    one, = load([write(tmp_path / "in", [sample("vt", 1, "lazy", "15:0.3", arm="lazy@15:0.3+score-pool=7", key=key)])]).samples
    assert one.settings == {"version": "0.1.0", "model": "/models/small.gguf", "model_bytes": "1000", "isa": "avx2", "threads": "2", "cache_type_k": "f16",
                            "cache_type_v": "q8_0"}
    assert one.options == "score-pool=7" and one.asked == "lazy@15:0.3+score-pool=7" and one.prompt == "00ff"


def test_load_reads_the_settings_from_the_key(tmp_path):
    folder = write(tmp_path / "in", [sample("lcc", 1, "lazy", "15:0.3")])
    loaded = load([folder, folder])
    one, = loaded.samples
    assert one.settings == {"version": "0.1.0", "model": "models/small.gguf", "model_bytes": "1000", "isa": "avx2", "threads": "2", "cache_type_k": "f16",
                            "cache_type_v": "f16"}
    assert one.asked == "15:0.3,,0,-1,-1,,-1" and one.options == ",0,-1,-1,,-1" and one.prompt == f"{1:016x}"
