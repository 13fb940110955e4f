# SPDX-License-Identifier: Apache-2.0
"""llama-server's own endpoints: /completion, /tokenize, /props, /slots, /metrics."""

import math
import time
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from serving import AUTH, HI, ServeProcess, complete


def test_native_completion(stories, chat):
    body = {"prompt": "Once upon a time", "n_predict": 12, "temperature": 0, "n_probs": 2, "return_tokens": True}
    status, answer = stories.ask("/completion", body, headers=AUTH)
    assert status == 200 and answer["content"] == complete(stories, max_tokens=12)[1]["choices"][0]["text"]
    assert answer["stop"] and answer["stop_type"] == "limit" and answer["stopping_word"] == "" and not answer["truncated"]
    assert answer["tokens_predicted"] == 12 == len(answer["tokens"]) == len(answer["completion_probabilities"])
    assert answer["timings"]["predicted_per_token_ms"] > 0 and answer["timings"]["prompt_per_token_ms"] > 0
    assert answer["tokens_evaluated"] == answer["timings"]["prompt_n"] + answer["timings"]["cache_n"]
    assert answer["generation_settings"]["n_predict"] == 12 and answer["generation_settings"]["temperature"] == 0
    assert answer["prompt"].endswith("Once upon a time") and answer["prompt"] != "Once upon a time"  # with its BOS
    for token, item in zip(answer["tokens"], answer["completion_probabilities"]):
        assert item["id"] == token and len(item["top_logprobs"]) == 2 and item["top_logprobs"][0]["id"] == token
    assert stories.ask("/completions", body, headers=AUTH)[1]["content"] == answer["content"]
    # Why it ended.
    stopped = stories.ask("/completion", {**body, "stop": ["xyz", "girl"]}, headers=AUTH)[1]
    assert stopped["stop_type"] == "word" and stopped["stopping_word"] == "girl" and answer["content"].startswith(stopped["content"])
    cut = stories.ask("/completion", {"prompt": "Once", "n_predict": -1, "ignore_eos": True, "temperature": 0}, headers=AUTH)[1]
    assert cut["stop_type"] == "limit" and cut["truncated"]
    ended = chat.ask("/completion", {"prompt": "<|im_start|>user\nSay hi.<|im_end|>\n<|im_start|>assistant\n", "temperature": 0})[1]
    assert ended["stop_type"] == "eos" and not ended["truncated"] and ended["content"]
    # Part of it.
    chosen = stories.ask("/completion", {**body, "response_fields": ["content", "generation_settings/n_predict", "nothing/there"]}, headers=AUTH)[1]
    assert chosen == {"content": answer["content"], "generation_settings/n_predict": 12}
    # Several prompts, of texts, tokens and both.
    tokens = stories.ask("/tokenize", {"content": "Once upon a time", "add_special": True}, headers=AUTH)[1]["tokens"]
    several = stories.ask("/completion", {**body, "prompt": [tokens, "Once upon a time", {"prompt_string": "Once upon a time"}]}, headers=AUTH)[1]
    assert [one["content"] for one in several] == [answer["content"]] * 3 and [one["index"] for one in several] == [0, 1, 2]
    mixed = stories.ask("/completion", {**body, "prompt": [tokens[0], 5, "and", 7]}, headers=AUTH)
    assert mixed[0] == 200 and isinstance(mixed[1]["content"], str)


def test_native_stream(chat):
    body = {"prompt": "Once upon a time", "n_predict": 8, "temperature": 0, "n_probs": 1}
    whole = chat.ask("/completion", body)[1]
    events = chat.events("/completion", {**body, "stream": True, "return_progress": True, "timings_per_token": True, "cache_prompt": False})
    *parts, last = events
    assert last["stop"] and last["content"] == "" and not any(part["stop"] for part in parts)
    assert "".join(part["content"] for part in parts) == whole["content"]
    written = [part for part in parts if "prompt_progress" not in part]
    assert all(part["tokens"] and part["completion_probabilities"] and part["timings"]["predicted_n"] for part in written)
    progress = [part["prompt_progress"] for part in parts if "prompt_progress" in part]
    first, *_, done = [part["timings"] for part in parts if "prompt_progress" in part]
    assert first["prompt_n"] == first["prompt_ms"] == first["predicted_n"] == first["predicted_ms"] == 0
    assert done["prompt_n"] == last["tokens_evaluated"] and done["prompt_ms"] > 0
    assert progress[0]["processed"] == 0 and progress[-1]["processed"] == progress[-1]["total"] == last["tokens_evaluated"]


def test_tokens_of_a_chat_are_counted(chat):
    body = {"messages": HI, "max_tokens": 1}
    used = chat.ask("/v1/chat/completions", body)[1]["usage"]["prompt_tokens"]
    assert chat.ask("/v1/chat/completions/input_tokens", body)[1]["input_tokens"] == used


def test_tokenize_and_back(chat):
    text = "Hello w\u00f6rld <|im_end|> \U0001f9a5"
    tokens = chat.ask("/tokenize", {"content": text, "parse_special": False})[1]["tokens"]
    assert chat.ask("/detokenize", {"tokens": tokens}) == (200, {"content": text})
    pieces = chat.ask("/tokenize", {"content": text, "with_pieces": True})[1]["tokens"]
    assert b"".join(p["piece"].encode() if isinstance(p["piece"], str) else bytes(p["piece"]) for p in pieces).decode() == text
    assert len(pieces) < len(tokens)  # <|im_end|> became one token
    assert chat.ask("/detokenize", {"tokens": [10**9]})[0] == 400
    assert chat.ask("/apply-template", {"messages": HI})[1]["prompt"].endswith("<|im_start|>assistant\n")


def test_health_properties_slots_metrics(chat):
    assert chat.get("/health") == (200, {"status": "ok"}) == chat.get("/v1/health")
    properties = chat.get("/props")[1]
    settings = properties["default_generation_settings"]
    assert properties["model_path"].endswith(".gguf") and settings["n_ctx"] == 4096 and settings["params"]["temperature"] == 0
    assert properties["total_slots"] == 4 == len(chat.get("/slots")[1]) and properties["n_ctx"] == 4096
    assert {policy["name"] for policy in properties["lazy"]["policies"]} >= {"dense", "lazy"}
    with urllib.request.urlopen(chat.url + "/metrics") as response:
        assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        families = {family.name: family for family in text_string_to_metric_families(response.read().decode())}
    assert families["lazyllm:tokens_predicted"].samples[0].value > 0
    assert abs(time.time() - int(response.headers["Process-Start-Time-Unix"])) < 3600
    for name in ("prompt_tokens", "prompt_tokens_cached", "prompt_seconds", "tokens_predicted", "tokens_predicted_seconds", "n_decode"):
        assert families["llamacpp:" + name].type == "counter"
    for name in ("prompt_tokens_seconds", "predicted_tokens_seconds", "requests_processing", "requests_deferred", "n_busy_slots_per_decode"):
        assert families["llamacpp:" + name].type == "gauge"
    assert families["llamacpp:tokens_predicted"].samples[0].value == families["lazyllm:tokens_predicted"].samples[0].value
    assert families["lazyllm:time_to_first_token_seconds"].type == "histogram"


def test_probabilities_behind_the_filters(chat):
    body = {"prompt": "Once upon a time there was a", "n_predict": 6, "n_probs": 8, "post_sampling_probs": True, "seed": 3}
    drawn = chat.ask("/completion", {**body, "temperature": 1, "top_k": 5, "top_p": 1, "min_p": 0})[1]
    assert drawn["generation_settings"]["post_sampling_probs"] and len(drawn["completion_probabilities"]) == 6
    for token in drawn["completion_probabilities"]:
        chances = {one["id"]: one["prob"] for one in token["top_probs"]}
        assert "logprob" not in token and len(chances) == 5 and abs(sum(chances.values()) - 1) < 1e-5 and list(chances.values()) == sorted(chances.values(), reverse=True)
        assert chances[token["id"]] == token["prob"] > 0
    # The same tokens are drawn, and these are the model's own probabilities made one again.
    plain = chat.ask("/completion", {**body, "temperature": 1, "top_k": 5, "top_p": 1, "min_p": 0, "post_sampling_probs": False})[1]
    assert plain["content"] == drawn["content"]
    for token, same in zip(plain["completion_probabilities"], drawn["completion_probabilities"]):
        mass = sum(math.exp(one["logprob"]) for one in token["top_logprobs"][:5])
        assert abs(math.exp(token["logprob"]) / mass - same["prob"]) < 1e-4
    greedy = chat.ask("/completion", {**body, "temperature": 0})[1]["completion_probabilities"]
    assert all(token["prob"] == 1 and [one["prob"] for one in token["top_probs"]] == [1] for token in greedy)
    assert chat.ask("/v1/completions", {**body, "n_probs": None})[0] == 400


# --- between two texts ---


@pytest.fixture(scope="module")
def coder(program, root):
    model = root / "models" / "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"
    if not model.exists():
        pytest.skip("Qwen2.5-Coder is absent")
    with ServeProcess(program.path, "-m", model, "--temp", 0, "-c", 1024) as server:
        yield server


def test_infill_writes_what_stands_between(coder):
    body = {"input_prefix": "def add(a, b):\n    ", "input_suffix": "\n\nprint(add(1, 2))\n", "n_predict": 24}
    status, answer = coder.ask("/infill", body)
    assert status == 200 and "a + b" in answer["content"], answer
    assert answer["prompt"] == "<|fim_prefix|>def add(a, b):\n    <|fim_suffix|>\n\nprint(add(1, 2))\n<|fim_middle|>"
    # What marks the next file ends the answer.
    for mark in ("<|file_sep|>", "<|fim_pad|>", "<|repo_name|>"):
        ended = coder.ask("/infill", {**body, "logit_bias": {mark: 100}})[1]
        assert (ended["stop_type"], ended["content"]) == ("eos", "")
    begun = coder.ask("/infill", {**body, "prompt": "return a ", "input_extra": [{"filename": "a.py", "text": "x = 1"}]})[1]
    assert begun["prompt"].startswith("<|repo_name|>myproject\n<|file_sep|>a.py\nx = 1\n<|file_sep|>filename\n<|fim_prefix|>def add")
    assert begun["prompt"].endswith("<|fim_middle|>return a ")
    status, answer = coder.ask("/v1/completions", {"prompt": body["input_prefix"], "suffix": body["input_suffix"], "max_tokens": 24})
    assert status == 200 and "a + b" in answer["choices"][0]["text"]
    # Words of the user that spell such a token are words.
    counts = [coder.ask("/infill", {**body, "input_prefix": prefix, "n_predict": 1})[1]["tokens_evaluated"] for prefix in ("", "<|fim_middle|>")]
    assert counts[1] >= counts[0] + 3


@pytest.mark.parametrize("extra, word", [({}, "text"), ({"filename": "ok"}, "text"), ({"filename": 5, "text": "x"}, "filename"), ({"text": 5}, "text")])
def test_bad_files_beside_infill(coder, extra, word):
    status, answer = coder.ask("/infill", {"input_prefix": "a", "input_suffix": "b", "input_extra": [extra]})
    assert status == 400 and word in answer["error"]["message"]


def test_a_model_that_cannot_fill_in_says_so(chat):
    assert chat.ask("/infill", {"input_prefix": "a", "input_suffix": "b"})[0] == 501
    assert chat.ask("/infill", {"input_prefix": "a"})[0] == 400
    status, answer = chat.ask("/v1/completions", {"prompt": "a", "suffix": "b"})
    assert status == 501 and answer["error"]["param"] == "suffix"
