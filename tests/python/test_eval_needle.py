# SPDX-License-Identifier: Apache-2.0
"""lazyllm eval --suite needle: a grid of lengths and depths, the same questions for every policy, several settings of one policy in one call."""

import json
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "apps" / "report"))

from lazyllm_report.load import load  # noqa: E402


@pytest.fixture
def evaluate(program, data, tmp_path):
    book = tmp_path / "book.txt"
    book.write_text("".join(f"The dog with number {i} ran to the park{' and back' * (i % 5)}. " for i in range(500)))

    def run(*more, text=None):
        return program.run("eval", "-m", data / "models" / "stories260K.gguf", "--suite", "needle", "--data", text or book,
                           *(() if "--out" in more else ("--out", tmp_path / "out")), *more)
    return run


def samples(tmp_path):
    return [json.loads(line) for line in (tmp_path / "out" / "samples.jsonl").read_text().splitlines()]


def test_grid(evaluate, tmp_path):
    done = evaluate("--lengths", "300,420", "--depths", "0,50,100", "--policy", "lazy@2:0.5+min-prompt=0")
    assert done.returncode == 0, done.stderr
    rows = samples(tmp_path)
    assert [(r["task"], r["length"], r["depth"], r["policy"]) for r in rows] == [
        (kind, length, depth, policy) for kind in ("literal", "paraphrased", "several") for length in (300, 420) for depth in (0, 50, 100)
        for policy in ("dense", "lazy")]
    for row in rows:
        assert row["kind"] == row["task"] and row["length"] - 60 < row["prompt_tokens"] <= row["length"]
        assert row["answer_loglik"] < 0 and 0 <= row["score"] <= 1 and row["category"] == "needle"
    for dense, lazy in zip(rows[::2], rows[1::2]):
        assert dense["id"] == lazy["id"] and dense["prompt_tokens"] == lazy["prompt_tokens"] and dense["dense_prefix"] == dense["generated_tokens"]
        both = sum(1 for _ in iter_common(dense["tokens"], lazy["tokens"]))
        assert lazy["dense_prefix"] == both
    assert b"| | 0 % | 50 % | 100 % |" in done.stdout
    assert evaluate("--lengths", "420", "--depths", "50", "--tasks", "literal").returncode == 0
    assert samples(tmp_path) == rows, "a question does not depend on its neighbours"


def iter_common(one, other):
    for a, b in zip(one, other):
        if a != b:
            return
        yield a


def test_several_settings_of_one_policy(evaluate, tmp_path):
    settings = ["lazy@2:0.5+min-prompt=0", "lazy@2:0.5+score-pool=3+min-prompt=0", "lazy@2:0.5+score=window:8+revive-budget=0+min-prompt=0", "lazy+min-prompt=0"]
    arguments = ["--lengths", "400", "--depths", "50", "--tasks", "literal", "--prune", "3:0.4"] + [a for s in settings for a in ("--policy", s)]
    done = evaluate(*arguments)
    assert done.returncode == 0, done.stderr
    rows = samples(tmp_path)
    assert [r["arm"] for r in rows] == ["dense", *settings[:3], "lazy@3:0.4+min-prompt=0"]
    assert [r["schedule"] for r in rows] == ["", "2:0.5", "2:0.5", "2:0.5", "3:0.4"]
    assert len({r["answer_loglik"] for r in rows}) == 5, "each setting is another run"
    assert rows[3]["computed_fraction_end"] == rows[3]["computed_fraction"], "nothing is revived"
    settings_read = load([tmp_path / "out"]).samples[0].settings
    assert settings_read["model"].endswith(".gguf") and settings_read["threads"].isdigit() and settings_read["cache_type_k"] == "f16", "as the report reads them"
    for word in settings:
        assert word.replace("lazy+", "lazy@3:0.4+").encode() in done.stdout


def test_bad_input(evaluate, tmp_path):
    def refused(code, *words, more=(), text=None):
        done = evaluate(*more, text=text)
        assert done.returncode == code, done.stderr
        for word in words:
            assert word in done.stderr.decode(), done.stderr

    text = tmp_path / "short.txt"
    text.write_text("One sentence. Another one.")
    refused(2, "too short", more=["--lengths", "300"], text=text)
    refused(2, "no room", more=["--lengths", "20"])
    refused(2, "--lengths 4000", "context", more=["--lengths", "4000"])
    refused(2, "needle task magic", more=["--tasks", "magic"])
    refused(2, "--depths", more=["--depths", "120"])
    refused(2, "--lengths", more=["--lengths", "many"])
    for policy in ("lazy@2:0.5+magic=3", "lazy+score-pool", "lazy+score-pool=two", "lazy@2:0.5+"):
        refused(2, "lazy", more=["--policy", policy, "--lengths", "300"])
    refused(2, "revive-budget", more=["--policy", "lazy+revive-budget=-3", "--lengths", "300"])
    text.write_bytes(b"\xff\xfeb\x00r\x00o\x00\x00\xd8k\x00")  # half a surrogate pair
    refused(1, "UTF-16", text=text)
    text.write_text("")
    refused(1, "empty", text=text)
    refused(1, "cannot read", text=tmp_path / "nothing.txt")
    (tmp_path / "folder").mkdir()
    refused(1, "no .txt", text=tmp_path / "folder")
    (tmp_path / "out2").write_text("a file")
    refused(1, "another --out", more=["--out", tmp_path / "out2"])
