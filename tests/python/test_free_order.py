# SPDX-License-Identifier: Apache-2.0
"""Documents in any order, and heads of prompts that may stay as they were."""

import json
import time

import pytest
from serving import ServeProcess

TEXTS = ["Once upon a time, there was a little girl named Lily. She had a red ball. " * 4, "Tom was a big dog. He liked to run in the park all day. " * 5,
         "One day, the sun was hot and the bird was sad. It saw a tree. " * 5, "It was red."]
LAZY = {"policy": "lazy", "min_prompt": 0, "prune": "2:0.5"}
PATH = "/v1/completions"


@pytest.fixture(scope="module")
def stories(data):
    return data / "models" / "stories260K.gguf"


def serve(program, model, *arguments):
    return ServeProcess(program.path, "-m", model, "--temp", 0, *arguments)


def add(server, texts, **fields):
    ids = []
    for text in texts:
        status, document = server.ask("/v1/documents", {"text": text, **fields})
        assert status == 200, document
        ids.append(document["id"])
    return ids


def wait_until_read(server, ids):
    for id in ids:
        for _ in range(1200):
            status = server.ask(f"/v1/documents/{id}")[1]["status"]
            if status != "reading":
                break
            time.sleep(0.05)
        assert status == "ready", status
    settle(server)


def settle(server):
    for _ in range(1200):
        if server.metric("settled") == 1:
            return
        time.sleep(0.05)
    raise AssertionError("the server is not settled after a minute")


def ask(server, documents, order="free", question="Lily saw", **fields):
    status, answer = server.ask(PATH, {"prompt": question, "documents": documents, "order": order, "max_tokens": 8, "ignore_eos": True,
                                       "logprobs": 1, "lazy": LAZY, **fields})
    assert status == 200, answer
    return answer


def bits(answer):
    return answer["choices"][0]["logprobs"]


def test_documents_are_taken_from_where_they_were_read(program, stories, tmp_path):
    with serve(program, stories, "--library", tmp_path) as server:
        a, b, c, short = add(server, TEXTS, read_ahead=False)
        first = ask(server, [c, short, a, b])
        said = first["lazy"]["documents"]
        assert said["documents"] == 3 and said["moved"] == 2 and not said["stored_order"] and said["read_now"] == 3
        assert said["recomputed_tokens"] == 32 and said["moved_tokens"] > 100
        again = ask(server, [c, short, a, b])
        assert bits(again) == bits(first) and again["lazy"]["documents"]["read_now"] == 0
        assert again["usage"]["prompt_tokens_details"]["cached_tokens"] > said["moved_tokens"]
        other = ask(server, [c, b, short, a])
        assert other["lazy"]["documents"]["read_now"] == 0 and other["lazy"]["computed_fraction"] < first["lazy"]["computed_fraction"] / 1.5
    with serve(program, stories, "--library", tmp_path) as server:  # after a restart
        restarted = ask(server, [c, short, a, b])
        assert bits(restarted) == bits(first) and restarted["lazy"]["documents"]["read_now"] == 0
    with serve(program, stories, "--library", "none") as server:  # where nothing was read before
        assert add(server, TEXTS, read_ahead=False) == [a, b, c, short]
        alone = ask(server, [c, short, a, b])
        assert bits(alone) == bits(first) and alone["lazy"]["documents"]["read_now"] == 3
        # The ordinary answer is another one, and leaves its order: then that is taken, exactly.
        given = ask(server, [c, short, a, b], order="given")
        assert "documents" not in given["lazy"]
        stored = ask(server, [c, short, a, b])
        assert bits(stored) == bits(given) != bits(first) and stored["lazy"]["documents"]["stored_order"]
        computed = ask(server, [b, c, a], lazy={**LAZY, "recompute": 4000})
        assert bits(computed) == bits(ask(server, [b, c, a], order="given", cache_prompt=False))


def test_a_chat_finds_what_was_read_ahead(program, smollm2):
    with serve(program, smollm2, "-c", 1024, "--library", "none", "--idle", "off") as server:
        lazy = {"policy": "lazy", "min_prompt": 0, "prune": "15:0.4"}
        a, b = add(server, TEXTS[:2], lazy=lazy)
        wait_until_read(server, [a, b])
        status, answer = server.ask("/v1/chat/completions", {"messages": [{"role": "user", "content": "Who ran?"}], "documents": [b, a], "order": "free",
                                                             "max_tokens": 2, "lazy": lazy})
        assert status == 200 and answer["lazy"]["documents"]["read_now"] == 0 and answer["lazy"]["documents"]["moved"] == 1, answer


def test_a_free_order_that_would_be_ignored_is_refused(program, stories):
    with serve(program, stories, "--library", "none") as server:
        ids = add(server, TEXTS[:2], read_ahead=False)
        body = {"prompt": "x", "max_tokens": 1}
        for fields, words in (
                ({"order": "free"}, "wants documents"), ({"order": "free", "documents": []}, "wants documents"),
                ({"order": "any", "documents": ids}, 'order is "given"'), ({"order": 1, "documents": ids}, "order"),
                ({"order": "free", "documents": ids, "cache_prompt": False}, "cache"),
                ({"order": "free", "documents": ids, "lazy": {"policy": "random", "prune": "0:0.5", "min_prompt": 0}}, "policy random"),
                ({"order": "free", "documents": ids, "lazy": {"policy": "gem", "min_prompt": 0}}, "policy gem"),
                ({"documents": ids, "lazy": {"recompute": 4}}, "lazy.recompute"),
                ({"order": "free", "documents": ids, "lazy": {"recompute": -1}}, "recompute")):
            status, answer = server.ask(PATH, {**body, **fields})
            assert status == 400 and words in answer["error"]["message"], answer
        status, answer = server.ask("/completion", {"prompt": "x", "order": "free", "n_predict": 1})
        assert status == 400 and "order" in answer["error"]["message"], answer
    with serve(program, stories, "--library", "none", "--cache-ram", 0) as server:
        ids = add(server, TEXTS[:2], read_ahead=False)
        status, answer = server.ask(PATH, {**body, "order": "free", "documents": ids})
        assert status == 400 and "--cache-ram" in answer["error"]["message"]


# --- heads that change ---

def turn(server, date, path="/v1/chat/completions", key="none", **fields):
    system = f"You help a programmer. {TEXTS[0]}\nToday's date: {date}\n{TEXTS[1] * 2}"
    body = {"max_tokens": 2, **fields}
    if path == "/v1/messages":
        body |= {"model": "m", "system": system, "messages": [{"role": "user", "content": "Hello"}]}
    else:
        body["messages"] = [{"role": "system", "content": system}, {"role": "user", "content": "Hello"}]
    status, headers, raw = server.exchange(path, body, headers={"Content-Type": "application/json", "Authorization": f"Bearer {key}"})
    assert status == 200, raw
    return headers.get("X-Stable-Head"), raw.decode()


def test_a_changed_line_of_the_head_stays_where_it_is_asked_to(program, smollm2):
    with serve(program, smollm2, "-c", 1024, "--library", "none", "--idle", "off", "--stable-head", "^Today.s date: .*$") as server:
        count, first = turn(server, "Monday")
        assert count is None and "stable_head" not in json.loads(first)["lazy"]
        count, second = turn(server, "Tuesday")
        second = json.loads(second)
        assert count == "1" and second["lazy"]["stable_head"] == [{"asked": "Today's date: Tuesday", "computed": "Today's date: Monday"}]
        assert second["usage"]["prompt_tokens_details"]["cached_tokens"] > 200
        count, anthropic = turn(server, "Friday", path="/v1/messages")
        assert count == "1" and "Today's date: Monday" in anthropic
        count, streamed = turn(server, "Friday", stream=True)
        assert count == "1" and '"computed":"Today\'s date: Monday"' in streamed
        count, other = turn(server, "Sunday", key="another")  # another client's words are not given to it
        assert count is None and "stable_head" not in json.loads(other)["lazy"]
    with serve(program, smollm2, "-c", 1024, "--library", "none", "--idle", "off") as server:  # not asked for
        turn(server, "Monday")
        count, second = turn(server, "Tuesday")
        assert count is None and json.loads(second)["usage"]["prompt_tokens_details"]["cached_tokens"] < 150


def test_an_expression_that_is_none_is_refused(program, stories):
    result = program.run("serve", "-m", stories, "--port", 0, "--stable-head", "a(", timeout=60)
    assert result.returncode == 2 and b"--stable-head 'a('" in result.stderr
