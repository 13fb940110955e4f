# SPDX-License-Identifier: Apache-2.0
"""lazyllm eval: samples on disk as they come, an interrupted run goes on, bad data is named with file and line."""

import json
import re

import pytest
from scripts import without_times

KEYS = {"suite", "task", "id", "policy", "schedule", "prediction", "score", "ttft_ms", "tpot_ms", "total_ms", "prompt_tokens", "generated_tokens",
        "computed_fraction", "computed_fraction_end", "answer_loglik", "answer_tokens", "dense_prefix", "category", "bucket", "arm"}


@pytest.fixture
def folder(tmp_path):
    """A LongBench folder of our own with two tasks."""
    folder = tmp_path / "data"
    folder.mkdir()
    story = "Once upon a time there was a little dog. He liked the park. " * 30
    for task, answers, classes in (("hotpotqa", ["the park"], None), ("trec_small", ["Place"], ["Place", "Person"])):
        lines = [{"input": f"Question {i}: where?", "context": story, "answers": answers, "length": 300, "dataset": task, "language": "en",
                  "all_classes": classes, "_id": f"{task}-{i}"} for i in range(3)]
        lines[1]["length"], lines[2]["length"] = 4000, 8000
        (folder / f"{task}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "dataset2prompt.json").write_text(json.dumps({"hotpotqa": "{context}\n{input}{{x}}", "trec_small": "{context}\n{input}"}))
    (folder / "dataset2maxlen.json").write_text(json.dumps({"hotpotqa": 8, "trec_small": 8}))
    (folder / "dataset2metric.json").write_text(json.dumps({"trec_small": "classification"}))
    return folder


@pytest.fixture
def evaluate(program, data, folder, tmp_path):
    def run(*more):
        return program.run("eval", "-m", data / "models" / "stories260K.gguf", "--data", folder, "--out", tmp_path / "out", "--max-length", 200,
                           "--policy", "lazy@2:0.5", "--min-prompt", 0, *more)
    return run


def samples(tmp_path):
    return [json.loads(line) for line in (tmp_path / "out" / "samples.jsonl").read_text().splitlines()]


def test_samples_table_and_going_on(evaluate, tmp_path):
    first = evaluate("--limit", 1)
    assert first.returncode == 0, first.stderr
    rows = samples(tmp_path)
    assert [(r["task"], r["policy"]) for r in rows] == [("hotpotqa", "dense"), ("hotpotqa", "lazy"), ("trec_small", "dense"), ("trec_small", "lazy")]
    assert all(KEYS <= row.keys() and row["answer_loglik"] < 0 and row["generated_tokens"] >= 1 for row in rows)
    assert all(196 <= row["prompt_tokens"] <= 204 for row in rows), "the middle is cut out"
    assert [row["computed_fraction"] < 1 for row in rows] == [False, True, False, True]
    assert b"| hotpotqa | qa_f1 | 1 | lazy@2:0.5+min-prompt=0 |" in first.stdout

    path = tmp_path / "out" / "samples.jsonl"
    path.write_text(path.read_text() + '{"suite": "longb')  # stopped while it wrote
    again = evaluate("--limit", 2)
    assert again.returncode == 0, again.stderr
    more = samples(tmp_path)
    assert more[:4] == rows and len(more) == 8, "what is there is not computed again"


def test_parts_make_the_whole(evaluate, tmp_path):
    assert evaluate().returncode == 0
    whole = without_times(samples(tmp_path))
    (tmp_path / "out" / "samples.jsonl").unlink()
    counts = []
    for number in range(1, 5):
        part = evaluate("--part", f"{number}/4")
        assert part.returncode == 0 and part.stdout == b"", part.stderr
        counts.append(len(samples(tmp_path)))
    assert counts == [2, 6, 8, 12], "six questions in two arms"
    assert without_times(samples(tmp_path)) == whole
    assert b"| hotpotqa |" in evaluate().stdout, "nothing is left to compute"
    assert without_times(samples(tmp_path)) == whole
    for bad in ("9/8", "0/4", "", " 1/4", "1/4 ", "1/+4", "1", "/4", "1/99999999999999999999"):
        assert evaluate("--part", bad).returncode == 2, bad


def test_dense_likelihood_does_not_depend_on_the_policy_beside_it(evaluate, tmp_path):
    evaluate("--limit", 1, "--tasks", "hotpotqa", "--policy", "lazy@2:1.0")
    dense, half, whole = samples(tmp_path)
    assert whole["answer_loglik"] == dense["answer_loglik"] and whole["prediction"] == dense["prediction"]
    assert half["answer_loglik"] != dense["answer_loglik"]


def test_a_long_answer_is_cut_to_the_context_and_an_empty_one_not_weighed(evaluate, folder, tmp_path):
    lines = [json.loads(line) for line in (folder / "hotpotqa.jsonl").read_text().splitlines()[:2]]
    lines[0]["answers"], lines[1]["answers"] = ["He liked the park. " * 2000], [""]
    (folder / "hotpotqa.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = evaluate("--tasks", "hotpotqa")
    assert result.returncode == 0, result.stderr
    assert [row["answer_loglik"] is None for row in samples(tmp_path)] == [False, False, True, True]


def test_buckets_and_prefixes(evaluate, tmp_path):
    evaluate("--tasks", "hotpotqa", "--policy", "lazy@2:1.0")
    rows = samples(tmp_path)
    assert [row["bucket"] for row in rows[::3]] == ["0-4k", "4-8k", "8k+"]
    for dense, half, whole in zip(rows[::3], rows[1::3], rows[2::3]):
        assert dense["dense_prefix"] == dense["generated_tokens"] == whole["dense_prefix"]
        assert half["tokens"][: half["dense_prefix"]] == dense["tokens"][: half["dense_prefix"]] and half["dense_prefix"] <= half["generated_tokens"]


def test_files_of_longbench_e_and_answers_that_their_metric_cannot_use(evaluate, folder, tmp_path):
    (folder / "hotpotqa.jsonl").rename(folder / "hotpotqa_e.jsonl")
    assert evaluate("--tasks", "hotpotqa_e", "--limit", 1).returncode == 0
    assert samples(tmp_path)[0]["category"] == "multi-doc QA"
    (folder / "dataset2prompt.json").write_text(json.dumps({"passage_retrieval_en": "{context}"}))
    (folder / "dataset2maxlen.json").write_text(json.dumps({"passage_retrieval_en": 8}))
    (folder / "passage_retrieval_en.jsonl").write_text(json.dumps({"context": "a", "answers": ["the third"]}) + "\n")
    result = evaluate("--tasks", "passage_retrieval_en")
    assert result.returncode == 1 and b"passage_retrieval_en.jsonl:1" in result.stderr


def test_another_prompt_is_another_sample(evaluate, folder, tmp_path):
    evaluate("--limit", 1, "--tasks", "hotpotqa")
    (folder / "dataset2prompt.json").write_text(json.dumps({"hotpotqa": "Read: {context}\n{input}"}))
    evaluate("--limit", 1, "--tasks", "hotpotqa")
    assert len(samples(tmp_path)) == 4


def test_other_labels_or_another_profile_are_another_sample(evaluate, program, data, folder, tmp_path):
    evaluate("--tasks", "trec_small", "--limit", 1)
    path = folder / "trec_small.jsonl"
    path.write_text(path.read_text().replace("Person", "Number"))
    evaluate("--tasks", "trec_small", "--limit", 1)
    assert len(samples(tmp_path)) == 4

    profile = tmp_path / "p.json"
    settings = {"schedule": "2:0.5", "score": "last", "score_pool": 1, "keep_mass": 0, "protect_first": 4, "protect_last": 16, "revive_budget": 2,
                "min_prompt": 0}
    measured = {"data": "none", "prompts": 1, "prompt_tokens": 200, "ttft_speedup": 1.4, "mean_kl": 0.1, "same_top": 1.0,
                "answer_loglik_difference": 0.0, "needle_recall": 1.0, "needles": 0, "max_loss": 0.01}
    fingerprint, schedules = "0" * 16, []
    for schedule in ("8:0.5", "2:0.5", "3:0.25", "2:0.5"):
        profile.write_text(json.dumps({"format": "lazyllm-profile", "version": 1, "created_by": "test", "measured": measured,
                                       "model": {"name": "stories", "fingerprint": fingerprint}, "pruning": {**settings, "schedule": schedule}}))
        result = program.run("eval", "-m", data / "models" / "stories260K.gguf", "--data", folder, "--out", tmp_path / "out2", "--max-length", 200,
                             "--policy", "lazy", "--profile", profile, "--tasks", "trec_small", "--limit", 1)
        if fingerprint == "0" * 16:
            fingerprint = re.search("this one has ([0-9a-f]{16})", result.stderr.decode())[1]
            continue
        assert result.returncode == 0 and str(profile) in result.stderr.decode()
        lines = (tmp_path / "out2" / "samples.jsonl").read_text().splitlines()
        schedules.append([json.loads(line)["schedule"] for line in lines])
    assert schedules == [["", "2:0.5"], ["", "2:0.5", "3:0.25"], ["", "2:0.5", "3:0.25"]]


def test_the_growth_of_the_computed_share_is_recorded(evaluate, tmp_path):
    evaluate("--tasks", "hotpotqa", "--limit", 1, "--revive-budget", "all")
    dense, lazy = samples(tmp_path)
    steps = lazy["computed_by_step"]
    assert "computed_by_step" not in dense and len(steps) == lazy["generated_tokens"]
    assert steps[0] == lazy["computed_fraction"] and steps[-1] == lazy["computed_fraction_end"] and steps == sorted(steps)


def test_an_answer_behind_a_colon_begins_with_a_space(evaluate, folder, tmp_path):
    (folder / "dataset2prompt.json").write_text(json.dumps({"trec_small": "{context}\n{input}\nType:"}))
    evaluate("--tasks", "trec_small", "--limit", 1)
    (folder / "dataset2prompt.json").write_text(json.dumps({"trec_small": "{context}\n{input}\nType:\n"}))
    evaluate("--tasks", "trec_small", "--limit", 1)
    behind_colon, _, on_a_line, _ = samples(tmp_path)
    assert behind_colon["answer_tokens"] != on_a_line["answer_tokens"], "' Place' and 'Place' are other tokens"


def test_a_sample_whose_line_end_is_missing_is_kept(evaluate, tmp_path):
    evaluate("--limit", 1, "--tasks", "hotpotqa")
    path = tmp_path / "out" / "samples.jsonl"
    whole = path.read_text()
    path.write_text(whole.rstrip("\n"))
    evaluate("--limit", 1, "--tasks", "hotpotqa")
    assert path.read_text() == whole
    path.write_text(whole + "\n")  # an empty line does no harm
    assert evaluate("--limit", 1, "--tasks", "hotpotqa").returncode == 0


def test_bad_data(evaluate, folder, tmp_path):
    def refused(code, *words, more=()):
        result = evaluate(*more)
        assert result.returncode == code, result.stderr
        for word in words:
            assert word in result.stderr.decode(), result.stderr

    refused(2, "nonesuch", more=["--tasks", "nonesuch"])
    refused(2, "suite", more=["--suite", "magic"])
    refused(2, "out of range", more=["--policy", "lazy@99:0.5"])
    refused(2, "magic", more=["--policy", "magic"])
    refused(2, "lazy@", more=["--policy", "lazy@"])
    refused(2, "dense takes attention only", more=["--policy", "dense@2:0.3"])
    refused(2, "--limit", more=["--limit", 2**60])
    (folder / "dataset2maxlen.json").write_text(json.dumps({"hotpotqa": 4000, "trec_small": 8}))
    refused(2, "no room", more=["--tasks", "hotpotqa"])
    for none in (0, -1):
        (folder / "dataset2maxlen.json").write_text(json.dumps({"hotpotqa": none, "trec_small": 8}))
        refused(1, "dataset2maxlen.json", "hotpotqa")
    (folder / "dataset2maxlen.json").write_text(json.dumps({"hotpotqa": 8, "trec_small": 8}))
    labels = (folder / "trec_small.jsonl").read_text()
    (folder / "trec_small.jsonl").write_text(labels.replace("all_classes", "classes"))
    refused(1, "trec_small.jsonl:1", "all_classes")
    (folder / "trec_small.jsonl").write_text(labels)
    good = (folder / "hotpotqa.jsonl").read_text()
    for line, word in (("{broken", "JSON"), ('{"input": "x", "answers": ["y"]}', "context"), ('{"input": "x", "context": "", "answers": ["y"]}', "context"),
                       ('{"input": "x", "context": "z"}', "answers"), ('{"context": "z", "answers": ["y"]}', "input")):
        (folder / "hotpotqa.jsonl").write_text(good + line + "\n")
        refused(1, "hotpotqa.jsonl:4", word)
    (folder / "hotpotqa.jsonl").write_text(good)
    (tmp_path / "out").mkdir(exist_ok=True)
    for foreign in ("not ours\n", '{"my": "data"}'):
        (tmp_path / "out" / "samples.jsonl").write_text(foreign)
        refused(1, "samples.jsonl:1")
        assert (tmp_path / "out" / "samples.jsonl").read_text() == foreign, "what is not ours is left as it is"
    (tmp_path / "out" / "samples.jsonl").unlink()
    (folder / "dataset2prompt.json").unlink()
    refused(1, "dataset2prompt.json")
