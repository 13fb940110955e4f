# SPDX-License-Identifier: Apache-2.0
"""Prompt lookup in the program and in the server, and draft models: the same answer, whatever else is asked for, and sooner."""

import concurrent.futures

import pytest

from serving import ServeProcess

STORY = "Once upon a time there was a little dog. He liked to play in the park with the red ball.\n" * 6
LOOKUP = 8


@pytest.fixture(scope="module")
def arguments(data):
    return ["-m", data / "models" / "stories260K.gguf", "--no-chat", "-p", STORY, "-n", 60, "--allow-loops", "--min-prompt", 0, "--library", "none"]


@pytest.fixture(scope="module")
def server(program, data):
    with ServeProcess(program.path, "-m", data / "models" / "stories260K.gguf", "--parallel", 3) as process:
        yield process


@pytest.mark.parametrize("flags", [["--prune", "off"], ["--prune", "2:0.5,4:0.5", "--revive-budget", "2"], ["--prune", "2:0.5", "--revive-budget", "all"],
                                   ["--prune", "3:0.4", "--revive-budget", "none", "--temp", "0.6", "--seed", "4"], ["--policy", "tsp"],
                                   ["--prune", "off", "--temp", "0.9", "--repeat-penalty", "1.1"], ["--prune", "off", "--stop", "with the"]], ids=" ".join)
def test_the_program_writes_the_same(program, arguments, tmp_path, flags):
    plain, before = program.stats(tmp_path, *arguments, *flags)
    drafted, after = program.stats(tmp_path, *arguments, *flags, "--prompt-lookup", LOOKUP)
    assert plain == drafted
    assert before["draft_n"] == 0 and 0 <= after["draft_n_accepted"] <= after["draft_n"]
    if flags == ["--prune", "off"]:  # how much is guessed follows from what steps take; the first guess comes in any case
        assert after["draft_n"] > 0
    for key in ("generated_tokens", "revived_tokens", "computed_fraction_end", "computed_by_step", "kept_per_layer"):
        assert after[key] == before[key], key


def test_an_answer_in_circles_ends_where_it_did(program, arguments):
    circles = [400 if a == 60 else a for a in arguments if a != "--allow-loops"] + ["--prune", "off", "--ignore-eos"]
    assert program.ok("run", *circles) == program.ok("run", *circles, "--prompt-lookup", 16)


@pytest.mark.parametrize("number", [-1, 65, "many"])
def test_a_senseless_number_is_refused(program, arguments, number):
    result = program.run("run", *arguments, "--prompt-lookup", number)
    assert result.returncode == 2 and b"--prompt-lookup" in result.stderr


BODIES = [
    {},
    {"temperature": 0.8, "seed": 3},
    {"temperature": 0.8, "seed": 3, "frequency_penalty": 0.5, "top_k": 5},
    {"stop": ["red", "girl"]},
    {"logit_bias": {" the": -100}},
    {"n": 3, "temperature": 0.7, "seed": 1},
    {"lazy": {"prune": "2:0.5", "min_prompt": 0, "revive_budget": 2}},
    {"lazy": {"prune": "2:0.6,3:0.5", "min_prompt": 0, "revive_budget": "all", "score": "accumulate:2"}, "temperature": 0.7, "seed": 2},
    {"lazy": {"policy": "tsp", "min_prompt": 0}},
    {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "array", "items": {"enum": ["red", "ball"]},
                                                                                       "minItems": 3, "maxItems": 6}}}},
    {"grammar": 'root ::= ("the red ball " | "the dog ")+'},
]


def told(answer):
    assert answer[0] == 200, answer
    return [(choice["text"], choice["finish_reason"], choice["logprobs"]) for choice in answer[1]["choices"]]


def test_the_server_answers_the_same(server):
    def ask(body, lookup):
        return server.ask("/v1/completions", {"prompt": STORY, "max_tokens": 60, "temperature": 0, "logprobs": 3, "prompt_lookup_num_tokens": lookup, **body})

    plain = [ask(body, 0) for body in BODIES]
    with concurrent.futures.ThreadPoolExecutor(len(BODIES)) as pool:  # in one step with others
        drafted = list(pool.map(lambda body: ask(body, LOOKUP), BODIES))
    for body, before, after in zip(BODIES, plain, drafted):
        assert told(before) == told(after), body
        assert "draft_n" not in before[1]["timings"]
    timings = [answer[1]["timings"] for answer in drafted]
    assert sum(t.get("draft_n", 0) for t in timings) > 0  # how many: by what steps take
    assert all(t.get("draft_n_accepted", 0) <= t.get("draft_n", 0) for t in timings)


def test_a_stream_carries_what_was_accepted_token_by_token(server):
    body = {"prompt": STORY, "n_predict": 40, "temperature": 0, "stream": True, "n_probs": 1, "prompt_lookup_num_tokens": LOOKUP}
    *parts, last = server.events("/completion", body)
    assert 0 <= last["timings"].get("draft_n_accepted", 0) <= last["timings"].get("draft_n", 0)
    assert sum(len(part["completion_probabilities"]) for part in parts) == 40 == last["tokens_predicted"]


@pytest.mark.parametrize("number", [-1, 65, "8", 1.5])
def test_the_server_refuses_a_senseless_number(server, number):
    status, answer = server.ask("/v1/completions", {"prompt": "Once", "max_tokens": 1, "prompt_lookup_num_tokens": number})
    assert status == 400 and "prompt_lookup_num_tokens" in answer["error"]["message"]


def test_a_draft_model_changes_no_word(program, arguments, tmp_path, data):
    """That it does write ahead follows from time, and is for model_drafter_test.cpp to show."""
    for flags in (["--prune", "off"], ["--prune", "2:0.5", "--revive-budget", "2", "--temp", "0.7", "--seed", "3"]):
        plain, _ = program.stats(tmp_path, *arguments, *flags)
        drafted, figures = program.stats(tmp_path, *arguments, *flags, "--draft-model", data / "models" / "stories260K.gguf", "--draft-max", 4)
        assert plain == drafted and 0 <= figures["draft_n_accepted"] <= figures["draft_n"]


def test_a_draft_model_of_another_vocabulary_is_refused(program, arguments, smollm2):
    result = program.run("run", *arguments, "--draft-model", smollm2)
    assert result.returncode == 2 and b"vocabulary" in result.stderr and result.stdout == b""
    assert program.run("run", *arguments, "--draft-model", "none such.gguf").returncode != 0
