# SPDX-License-Identifier: Apache-2.0
"""The command line's contracts, and what it says to bad input."""

import json
import re
import subprocess
import sys

import pytest

STATS_KEYS = {"model", "policy", "schedule", "threads", "isa", "prompt_tokens", "generated_tokens", "load_ms", "ttft_ms", "tpot_ms",
              "total_ms", "computed_fraction", "computed_fraction_end", "kept_per_layer", "revived_tokens", "kv_bytes", "aux_bytes",
              "peak_rss_bytes"}


@pytest.fixture(scope="session")
def stories(data):
    return data / "models" / "stories260K.gguf"


def test_known_story(program, stories):
    text = program.ok("run", "-m", stories, "--no-chat", "-p", "Once upon a time", "-n", 40)
    assert text.startswith(", there was a little girl named Lily. She loved to play outside in the park.")


def test_stats_and_laziness(program, stories, tmp_path):
    prompt = "Once upon a time there was a little dog. " * 20
    common = ["-m", stories, "--no-chat", "-p", prompt, "-n", 8]
    dense_text, dense = program.stats(tmp_path, *common, "--policy", "dense")
    same_text, _ = program.stats(tmp_path, *common, "--prune", "2:1.0,4:1.0", "--min-prompt", 0)
    _, lazy = program.stats(tmp_path, *common, "--prune", "2:0.25", "--min-prompt", 0)
    assert STATS_KEYS <= dense.keys() and dense["computed_fraction"] == 1 and dense["schedule"] == ""
    assert same_text == dense_text
    n = lazy["prompt_tokens"]
    kept = -(-n // 4)
    assert lazy["kept_per_layer"] == [n, n, kept, kept, kept]
    assert lazy["computed_fraction"] == pytest.approx((2 * n + 3 * kept) / (5 * n))
    assert lazy["kv_bytes"] < dense["kv_bytes"] and lazy["aux_bytes"] > 0
    assert lazy["computed_fraction_end"] >= lazy["computed_fraction"]


@pytest.mark.parametrize("policy", ["dense", "lazy", "random", "static", "compress", "tsp", "gem"])
def test_every_policy_answers(program, stories, policy, tmp_path):
    _, stats = program.stats(tmp_path, "-m", stories, "--no-chat", "-p", "The cat sat. " * 40, "-n", 4, "--policy", policy, "--min-prompt", 0)
    assert stats["policy"] == policy and stats["generated_tokens"] == 4


def test_smollm2_reads_the_handbook(program, smollm2, root, tmp_path):
    # The quickstart's question. The handbook answers it for its own readers, not for this test.
    arguments = ["-m", smollm2, "-f", root / "docs" / "handbook.md", "-n", 24, "-p", "According to the handbook, under which licence is the project published?"]
    for policy in ("dense", "lazy"):
        text, stats = program.stats(tmp_path, *arguments, "--policy", policy)
        assert "Apache" in text and stats["prompt_tokens"] >= 6000


def test_tokenize(program, smollm2):
    ids = program.ok("tokenize", "-m", smollm2, "-p", "Hello world", "--ids")
    assert re.fullmatch(r"\d+( \d+)*\n", ids)
    lines = program.ok("tokenize", "-m", smollm2, "-p", "Hello world").splitlines()
    assert [line.split("\t")[0] for line in lines] == ids.split()


@pytest.mark.parametrize("arguments, code, words", [
    (["run", "-p", "x"], 2, "model"),
    (["run", "-m", "{model}", "--no-chat", "-p", ""], 1, "empty"),
    (["run", "-m", "{model}", "--no-chat", "-p", "x", "--prune", "9:0.5"], 2, "out of range"),
    (["run", "-m", "{model}", "--no-chat", "-p", "x", "--prune", "soon"], 2, "soon"),
    (["run", "-m", "{model}", "--no-chat", "-p", "x", "--policy", "magic"], 2, "magic"),
    (["run", "-m", "{model}", "--no-chat", "-p", "x", "--isa", "z80"], 2, "z80"),
    (["run", "-m", "{model}", "--no-chat", "-p", "x", "--stats-json", "/nonexistent/s.json"], 1, "cannot write"),
    (["run", "-m", "{model}", "--no-chat", "-p", "word " * 4000], 1, "context"),
    (["run", "-m", "{model}", "-p", "x"], 1, "chat template"),
    (["run", "-m", "/nonexistent.gguf", "-p", "x"], 1, "nonexistent"),
    (["run", "-m", "{model}", "-f", "/nonexistent.txt"], 1, "nonexistent"),
])
def test_bad_arguments(program, stories, arguments, code, words):
    result = program.run(*[a.replace("{model}", str(stories)) for a in arguments])
    assert result.returncode == code, result.stderr
    assert words in result.stderr.decode() and result.stdout == b""


def test_other_encodings_and_damaged_files(program, stories, tmp_path):
    bad = tmp_path / "bad.txt"
    bad.write_bytes(b"good \xff bad")
    result = program.run("run", "-m", stories, "--no-chat", "-n", 2, "-f", bad)
    assert result.returncode == 0 and b"read as Windows-1252" in result.stderr
    bad.write_bytes(b"good \x00 bad")
    result = program.run("run", "-m", stories, "--no-chat", "-f", bad)
    assert result.returncode == 1 and b"byte 5 is zero" in result.stderr
    raw = stories.read_bytes()
    for name, content in {"empty": b"", "magic": b"XXXX" + raw[4:], "short": raw[: len(raw) // 2], "head": raw[:100],
                          "counts": raw[:8] + b"\xff" * 16 + raw[24:]}.items():
        file = tmp_path / f"{name}.gguf"
        file.write_bytes(content)
        result = program.run("run", "-m", file, "--no-chat", "-p", "x")
        assert result.returncode == 1 and str(file).encode() in result.stderr, (name, result.stderr)


def test_templates_render_as_jinja2_does(root, build):
    result = subprocess.run([sys.executable, root / "tests" / "chat_template" / "render_with_jinja2.py", "--driver", build / "render_template"],
                            capture_output=True, text=True, timeout=600, check=False)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]


def test_attention_is_measured_layer_by_layer(program, stories, tmp_path):
    book = tmp_path / "book.txt"
    book.write_text("Once upon a time there was a little dog. " * 20)
    rows = json.loads(program.ok("attention", "-m", stories, "-f", book, "--tokens", 100, "-o", "json"))
    assert [row["layer"] for row in rows] == [1, 2, 3, 4]
    for row in rows:
        shares = [row[f"tokens_for_{mass}"] for mass in ("0.5", "0.9", "0.95", "0.99")]
        assert 0.01 <= shares[0] and shares == sorted(shares) and shares[-1] <= 1
        assert 0 <= row["first_token"] <= 1
    result = program.run("attention", "-m", stories, "-f", tmp_path / "absent.txt")
    assert result.returncode == 1 and b"absent.txt" in result.stderr
