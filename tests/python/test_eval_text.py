# SPDX-License-Identifier: Apache-2.0
"""lazyllm eval --suite text: perplexity and divergence behind long prompts, held against NumPy."""

import json
import subprocess

import numpy as np
import pytest


@pytest.fixture
def evaluate(program, data, tmp_path):
    def run(*more, text=None):
        return program.run("eval", "-m", data / "models" / "stories260K.gguf", "--suite", "text", "--data", text or data / "text" / "frankenstein.txt",
                           "--out", tmp_path / "out", *more)
    return run


def samples(tmp_path):
    return [json.loads(line) for line in (tmp_path / "out" / "samples.jsonl").read_text().splitlines()]


def log_softmax(logits):
    x = logits.astype(np.float64)
    x -= x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def read_logits(path):
    count, vocabulary = np.fromfile(path, dtype="<i4", count=2)
    return np.fromfile(path, dtype="<f4", offset=8).reshape(count, vocabulary)


def test_divergence_equals_numpys(build):
    rng = np.random.default_rng(1)
    lines, expected = [], []
    for _ in range(200):
        dense = rng.normal(0, rng.choice([0.1, 3, 20]), 300).astype(np.float32)
        other = (dense + rng.normal(0, rng.choice([0.01, 1, 5]), 300)).astype(np.float32)
        token = int(rng.integers(300))
        lines.append(json.dumps({"dense": dense.tolist(), "other": other.tolist(), "token": token}))
        p, q = log_softmax(dense), log_softmax(other)
        expected.append([np.sum(np.exp(p) * (p - q)), p.argmax() == q.argmax(), -p[token], -q[token], np.exp(q[token]) - np.exp(p[token])])
    done = subprocess.run([build / "score_lines"], input="\n".join(lines).encode(), capture_output=True, check=True)
    np.testing.assert_allclose(np.loadtxt(done.stdout.decode().splitlines()), np.array(expected, dtype=float), rtol=1e-10, atol=1e-12)


def test_windows_are_scored_as_a_dense_pass_scores_them(evaluate, program, data, tmp_path):
    """Tokens forced one by one give what one pass over the whole window gives (to rounding: few rows take another kernel)."""
    model, prompt, continuation = data / "models" / "stories260K.gguf", 200, 40
    done = evaluate("--max-length", prompt, "--continuation", continuation, "--limit", 3, "--policy", "lazy@2:1.0+min-prompt=0")
    assert done.returncode == 0, done.stderr
    rows = samples(tmp_path)
    assert [(r["task"], r["arm"], r["prompt_tokens"], r["answer_tokens"], len(r["kl"])) for r in rows] == [
        ("frankenstein", arm, prompt, continuation, continuation) for _ in range(3) for arm in ("dense", "lazy@2:1.0+min-prompt=0")]
    text = data / "text" / "frankenstein.txt"
    ids = program.ok("tokenize", "-m", model, "-f", text, "--ids", "--no-bos").split()
    bos = program.ok("tokenize", "-m", model, "-p", "a", "--ids").split()[0]
    for row in rows[::2]:
        begin = int(row["id"].split("-")[1])
        window = [bos, *ids[begin : begin + prompt - 1 + continuation]]
        (tmp_path / "ids.txt").write_text(" ".join(window))
        program.ok("logits", "-m", model, "--ids", tmp_path / "ids.txt", "-o", tmp_path / "logits.bin")
        logits = log_softmax(read_logits(tmp_path / "logits.bin"))[prompt - 1 : -1]
        nll = -logits[np.arange(continuation), [int(token) for token in window[prompt:]]]
        assert row["nll"] == pytest.approx(nll.mean(), abs=1e-3) and row["answer_loglik"] == -row["nll"]
    begins = [int(row["id"].split("-")[1]) for row in rows[::2]]
    assert begins == [0, (len(ids) - 239) // 2, len(ids) - 239], "evenly over the text"
    for dense, whole in zip(rows[::2], rows[1::2]):  # nothing is pruned: nothing differs
        assert whole["nll"] == dense["nll"] and whole["kl_max"] == 0 == dense["kl_max"] and whole["same_top"] == 1 == whole["score"]


def test_pruning_shows_and_an_interrupted_run_goes_on(evaluate, tmp_path):
    arguments = ("--max-length", 300, "--continuation", 20, "--limit", 2, "--policy", "lazy@1:0.2+min-prompt=0")
    done = evaluate(*arguments)
    assert done.returncode == 0, done.stderr
    rows = samples(tmp_path)
    for dense, lazy in zip(rows[::2], rows[1::2]):
        assert lazy["kl_mean"] > 1e-4 and lazy["computed_fraction"] < 0.5 and lazy["nll"] != dense["nll"]
        kl = np.array(lazy["kl"])
        assert kl.min() >= 0 and lazy["kl_mean"] == pytest.approx(kl.mean(), abs=1e-6) and lazy["kl_max"] == pytest.approx(kl.max(), abs=1e-6)
        for percent in (50, 90, 95, 99):
            assert lazy[f"kl_p{percent}"] == pytest.approx(np.percentile(kl, percent), abs=1e-6)
        assert lazy["generated_tokens"] == 20 and lazy["tpot_ms"] > 0 and lazy["total_ms"] > lazy["ttft_ms"]
    path = tmp_path / "out" / "samples.jsonl"
    path.write_text("".join(line + "\n" for line in path.read_text().splitlines()[:3]))  # the dense sample is there, its logits are not
    assert evaluate(*arguments).returncode == 0
    again = samples(tmp_path)
    assert again[:3] == rows[:3] and again[3]["kl"] == rows[3]["kl"]
    table = done.stdout.decode().splitlines()
    assert len(table) == 4 and "| frankenstein | 40 | lazy@1:0.2+min-prompt=0 |" in table[3]


def test_bad_input(evaluate, data, tmp_path):
    def refused(code, *words, more=(), text=None):
        done = evaluate(*more, text=text)
        assert done.returncode == code, done.stderr
        for word in words:
            assert word in done.stderr.decode(), done.stderr

    refused(2, "context of 2048", more=["--max-length", 2040])
    refused(2, "context of 2048", more=["--continuation", 2100])
    short = tmp_path / "short.txt"
    short.write_text("Too short.")
    refused(1, "short.txt", "window", text=short)
    short.write_text("")
    refused(1, "short.txt", "empty", text=short)
    refused(2, "nonesuch", more=["--tasks", "nonesuch"])
    refused(2, "out of range", more=["--policy", "lazy@99:0.5"])
