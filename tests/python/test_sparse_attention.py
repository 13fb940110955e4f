# SPDX-License-Identifier: Apache-2.0
"""--attention and lazy.attention: what is honoured, what is refused, and that the cache changes nothing."""

import json

import pytest
from serving import ServeProcess

EARLY = "sparse:0.2@0"  # as early as it goes: behind 512 tokens
WORDS = ["the", "and", "owl", "river", "of", "a", "old", "mill", "bread", "star"]  # a token each


def text(words, step=7):
    return " ".join(WORDS[(i * i * step + i // 3) % len(WORDS)] for i in range(words))


@pytest.fixture(scope="module")
def server(program, tiny_chat):
    with ServeProcess(program.path, "-m", tiny_chat, "--temp", 0, "--attention", EARLY, "--parallel", 2) as server:
        yield server


def ask(server, prompt, **fields):
    status, answer = server.ask("/v1/completions", {"prompt": prompt, "max_tokens": 6, "ignore_eos": True, "logprobs": 5, **fields})
    return status, answer


def bits(answer):
    return answer["choices"][0]["text"], answer["choices"][0]["logprobs"]["token_logprobs"]


def test_run_tells_how_it_attended(program, tiny_chat, tmp_path):
    arguments = ["-m", tiny_chat, "--no-chat", "--policy", "dense", "--temp", 0, "-n", 4, "-p", text(1500)]
    dense = program.stats(tmp_path, *arguments)[1]
    assert dense["attention"] == "dense" and dense["attention_share"] == 1
    sparse = program.stats(tmp_path, *arguments, "--attention", EARLY)[1]
    assert sparse["attention"].startswith("sparse:0.2@") and 0.2 < sparse["attention_share"] < 0.9
    # All keys: the dense answer. A short prompt: dense.
    assert program.ok("run", *arguments, "--attention", "sparse:1@0") == program.ok("run", *arguments)
    assert program.stats(tmp_path, *arguments[:-1], text(100), "--attention", EARLY)[1]["attention"] == "dense"


@pytest.mark.parametrize("value", ["", "sprase", "sparse:0", "sparse:1.5", "sparse:-0.1", "sparse:nan", "sparse@x", "dense:0.5"])
def test_what_cannot_be_meant_is_refused(program, server, tiny_chat, value):
    status, answer = ask(server, "hello", lazy={"attention": value})
    assert status == 400 and "attention" in answer["error"]["message"] and "sparse:SHARE" in answer["error"]["message"]
    if value:
        result = program.run("run", "-m", tiny_chat, "-p", "hello", "--attention", value)
        assert result.returncode == 2 and b"sparse:SHARE" in result.stderr


def test_requests_choose_and_the_cache_changes_no_bit(server):
    document = text(1500)
    asked = [(question, attention, policy) for question in ("river", "the stone and the letter") for attention in (None, "dense", "sparse:0.4@0")
             for policy in ("dense", "lazy")]
    def fields(attention, policy):
        lazy = {"policy": policy, "min_prompt": 0, "plan": "fixed", **({"prune": "3:0.5"} if policy == "lazy" else {})}
        return {"lazy": {**lazy, **({"attention": attention} if attention else {})}}
    alone = {one: ask(server, document + one[0], cache_prompt=False, **fields(*one[1:]))[1] for one in asked}
    cached = {one: ask(server, document + one[0], **fields(*one[1:]))[1] for one in asked}
    for one in asked:
        figures = cached[one]["lazy"]
        assert figures["attention"] == alone[one]["lazy"]["attention"]
        assert figures["attention"].startswith({None: "sparse:0.2@", "dense": "dense", "sparse:0.4@0": "sparse:0.4@"}[one[1]])
        assert bits(cached[one]) == bits(alone[one]), one
    assert cached[asked[-1]]["lazy"]["cached_tokens"] > 512 and len({json.dumps(bits(a)) for a in alone.values()}) > 2
    assert server.ask("/props")[1]["default_lazy"]["attention"] == EARLY


def test_documents_in_free_order_attend_densely(server):
    ids = [server.ask("/v1/documents", {"text": text(80, step)})[1]["id"] for step in (3, 11)]
    status, answer = ask(server, "river", documents=ids, order="free")
    assert status == 400 and "densely" in answer["error"]["message"]
    assert ask(server, "river", documents=ids, order="free", lazy={"attention": "dense"})[0] == 200


def test_eval_compares_it_with_dense(program, tiny_chat, tmp_path):
    (tmp_path / "book.txt").write_text(text(3000))
    program.ok("eval", "-m", tiny_chat, "--suite", "text", "--data", tmp_path / "book.txt", "--max-length", 1500, "--continuation", 8, "--limit", 1,
               "--policy", f"dense+attention={EARLY}", "--policy", "dense+attention=sparse:1@0", "--out", tmp_path / "out")
    samples = {s["arm"]: s for s in map(json.loads, (tmp_path / "out" / "samples.jsonl").read_text().splitlines())}
    assert set(samples) == {"dense", f"dense+attention={EARLY}", "dense+attention=sparse:1@0"}
    assert samples[f"dense+attention={EARLY}"]["kl_mean"] > 0 and samples["dense+attention=sparse:1@0"]["kl_max"] == 0
    result = program.run("tune", "-m", tiny_chat, "--data", tmp_path / "book.txt", "--length", 700, "--only", f"lazy@3:0.5+attention={EARLY}", "--out", tmp_path / "p.json")
    assert result.returncode == 2 and b"attention" in result.stderr
