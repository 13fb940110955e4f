# SPDX-License-Identifier: Apache-2.0
"""Every program keeps the same tokens of the same conversation: one function plans it for all."""

import json

import pytest
from serving import ServeProcess

SYSTEM = "You are a careful reader. " + "Answer with a name and nothing else, and never guess. " * 6
DOCUMENT = "".join(f"On day {day} the keeper of the lighthouse wrote: the wind came from the {'north' if day % 2 else 'south'}.\n" for day in range(40))
QUESTION = "Who wrote about the wind?"
BARE = ["--prune", "3:0.02", "--score", "last", "--score-pool", 1, "--protect-first", 0, "--protect-last", 0, "--min-prompt", 0, "--profile", "none"]


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    file = tmp_path_factory.mktemp("protection") / "document.txt"
    file.write_text(DOCUMENT)
    return file


def test_run_and_serve_keep_the_same_tokens(program, smollm2, document, tmp_path):
    figures = tmp_path / "run.json"
    text = program.ok("run", "-m", smollm2, "-f", document, "-p", QUESTION, "-sys", SYSTEM, "-n", 8, *BARE, "--show-kept", "--stats-json", figures)
    run = json.loads(figures.read_text())
    with ServeProcess(program.path, "-m", smollm2, "--parallel", 1, "--no-warmup", *BARE) as server:
        messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": DOCUMENT.rstrip("\n") + "\n\n" + QUESTION}]
        status, served = server.ask("/v1/chat/completions", {"messages": messages, "max_tokens": 8, "temperature": 0, "lazy": {"report": "tokens"}})
    assert status == 200
    assert run["depths"] == served["lazy"]["tokens"]["depths"]
    assert run["kept_per_layer"] == served["lazy"]["kept_per_layer"]
    assert text.rstrip("\n") == served["choices"][0]["message"]["content"].rstrip("\n")
    # The system turn alone is more than 2 % of the tokens: without protection most of it would be gone.
    pieces = served["lazy"]["tokens"]["pieces"]
    system = [depth for piece, depth in zip(pieces[:80], run["depths"])]
    assert min(system) == max(run["depths"]) and len(run["depths"]) > 600
    assert run["kept_per_layer"][-1] > 0.02 * run["prompt_tokens"] + 50


def test_chat_keeps_what_run_keeps(program, smollm2, document):
    chat = program.ok("chat", "-m", smollm2, "-f", document, "-sys", SYSTEM, "-n", 8, "--temp", 0, *BARE, stdin=QUESTION + "\n")
    run = program.ok("run", "-m", smollm2, "-f", document, "-p", QUESTION, "-sys", SYSTEM, "-n", 8, *BARE)
    assert chat.rstrip("\n") == run.rstrip("\n")


def test_eval_keeps_the_template(program, smollm2, document, tmp_path):
    policy = "lazy@3:0.01+score-pool=1+protect-first=0+protect-last=0+min-prompt=0"
    program.ok("eval", "-m", smollm2, "--suite", "needle", "--data", document, "--lengths", 500, "--depths", 50, "--tasks", "literal", "--policy", policy,
               "--out", tmp_path / "out")
    samples = [json.loads(line) for line in (tmp_path / "out" / "samples.jsonl").read_text().splitlines()]
    pruned = next(sample for sample in samples if sample["policy"] == "lazy")
    # 3 of 30 layers in full, then a hundredth; the template's own system turn and its marks are some 25 tokens more.
    assert pruned["computed_fraction"] > 0.1 + 0.9 * (20 / pruned["prompt_tokens"])


def test_an_edited_sample_is_named(program, smollm2, document, tmp_path):
    out = tmp_path / "out"
    arguments = ["eval", "-m", smollm2, "--suite", "needle", "--data", document, "--lengths", 400, "--depths", 50, "--tasks", "literal", "--out", out]
    program.ok(*arguments)
    line = json.loads((out / "samples.jsonl").read_text())
    for edited, field in [({"tokens": "none"}, "tokens"), ({"tokens": None}, "tokens"), ({"score": "1"}, "score"), ({"ttft_ms": None}, "ttft_ms"),
                          ({"depth": "half"}, "depth"), ({"length": None}, "length"), ({"dense_prefix": []}, "dense_prefix")]:
        (out / "samples.jsonl").write_text(json.dumps({**line, **edited}, separators=(",", ":")) + "\n")
        result = program.run(*arguments)
        message = result.stderr.decode()
        assert result.returncode == 1 and f"samples.jsonl:1: \"{field}\"" in message and "json.exception" not in message, message
