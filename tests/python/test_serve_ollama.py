# SPDX-License-Identifier: Apache-2.0
"""ollama's protocol driven by the real ollama package."""

import json

import ollama
import pytest

from serving import AUTH, HI, ServeProcess, long_chat

WEATHER = {"type": "function", "function": {"name": "get_weather", "description": "The weather of a city.", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}
BRIEF = {"num_predict": 16, "temperature": 0, "num_ctx": 2048, "seed": 1}


@pytest.fixture(scope="module")
def client(chat):
    return ollama.Client(host=chat.url)


def test_chat(client, chat):
    answer = client.chat(model="llama3.2", messages=HI, options=BRIEF, keep_alive="5m")
    same = chat.ask("/v1/chat/completions", {"messages": HI, "max_tokens": 16})[1]
    assert answer.message.role == "assistant" and answer.message.content == same["choices"][0]["message"]["content"]
    assert answer.done and answer.done_reason in {"stop", "length"} and answer.model == "small" and answer.created_at
    assert answer.prompt_eval_count == same["usage"]["prompt_tokens"] and answer.eval_count == same["usage"]["completion_tokens"]
    assert answer.total_duration >= answer.eval_duration > 0
    parts = list(client.chat(model="llama3.2", messages=HI, options=BRIEF, stream=True))
    assert "".join(part.message.content for part in parts) == answer.message.content and len(parts) > 2
    assert parts[-1].done and not any(part.done for part in parts[:-1])


def test_generate(client, chat):
    answer = client.generate(model="x", prompt="Name three colours.", options=BRIEF)
    assert answer.response == client.chat(model="x", messages=HI, options=BRIEF).message.content
    told = client.generate(model="x", prompt="Name three colours.", system="Be brief.", options=BRIEF)
    assert told.prompt_eval_count > 0
    raw = client.generate(model="x", prompt="Once upon a time", raw=True, options=BRIEF)
    assert raw.response == chat.ask("/v1/completions", {"prompt": "Once upon a time", "max_tokens": 16})[1]["choices"][0]["text"]
    parts = list(client.generate(model="x", prompt="Once upon a time", raw=True, options=BRIEF, stream=True))
    assert "".join(part.response for part in parts) == raw.response and parts[-1].done_reason == "length"


def test_a_model_without_template_generates(stories):
    client = ollama.Client(host=stories.url, headers=AUTH)
    assert client.generate(model="x", prompt="Once upon a time", options=BRIEF).response


def test_streaming_is_the_default(chat):
    status, headers, text = chat.exchange("/api/chat", {"model": "x", "messages": HI, "options": BRIEF})
    lines = [json.loads(line) for line in text.decode().splitlines()]
    assert status == 200 and headers["Content-Type"] == "application/x-ndjson" and lines[-1]["done"] and len(lines) > 2


def test_formats_hold(client):
    jsonschema = pytest.importorskip("jsonschema")
    schema = {"type": "object", "properties": {"colour": {"enum": ["red", "blue"]}}, "required": ["colour"], "additionalProperties": False}
    answer = client.chat(model="x", messages=HI, format=schema, options={"num_predict": 40, "temperature": 0})
    jsonschema.validate(json.loads(answer.message.content), schema)
    json_text = client.chat(model="x", messages=HI, format="json", options={"num_predict": 60, "temperature": 0}).message.content
    assert json_text.lstrip().startswith("{")


def test_tools_go_in_and_calls_come_back(client):
    answer = client.chat(model="x", messages=[{"role": "user", "content": "Weather in Paris?"}], tools=[WEATHER], options=BRIEF)
    assert answer.message.content or answer.message.tool_calls
    turn = [{"role": "user", "content": "Weather in Paris?"},
            {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "get_weather", "arguments": {"city": "Paris"}}}]},
            {"role": "tool", "tool_name": "get_weather", "content": "sunny"}]
    assert client.chat(model="x", messages=turn, tools=[WEATHER], options=BRIEF).message.content


def test_what_there_is(client, chat):
    model = client.list().models[0]
    assert model.model == "small" and model.size > 0 and model.details.family == "llama" and model.details.format == "gguf"
    shown = client.show("small")
    assert shown.modelinfo["llama.context_length"] == 8192 and "tools" in shown.capabilities and "<|im_start|>" in shown.template
    assert client.ps().models[0].model == "small"
    assert chat.get("/api/version")[1]["version"]


def test_empty_requests_load(client):
    assert client.chat(model="x", messages=[]).done_reason == "load"
    assert client.generate(model="x", prompt="").done_reason == "load"
    assert client.generate(model="x", prompt="", keep_alive=0).done_reason == "unload"


@pytest.mark.parametrize("change, words", [
    ({"options": {"mirostat": 2}}, "mirostat"), ({"options": {"temperature": -1}}, "temperature"), ({"format": 5}, "format"),
    ({"messages": [{"role": "user", "content": "x", "images": ["aGk="]}]}, "messages[0].images"),
    ({"messages": [{"role": "user", "content": "word " * 5000}]}, "exceeds the available context size"),
    ({"template": "x", "prompt": "y", "path": "/api/generate"}, "template"), ({"context": [1], "prompt": "y", "path": "/api/generate"}, "context"),
])
def test_errors_in_ollamas_form(chat, change, words):
    body = {"model": "x", "messages": HI, "stream": False, **change}
    path = body.pop("path", "/api/chat")
    if path == "/api/generate":
        del body["messages"]
    status, answer = chat.ask(path, body)
    assert status == 400 and set(answer) == {"error"} and words in answer["error"]


def test_a_long_prefill_is_kept_alive(program, smollm2):
    with ServeProcess(program.path, "-m", smollm2, "--keep-alive-seconds", 0.2) as server:
        body = {"model": "x", "messages": long_chat(6000), "lazy": {"policy": "dense"}, "cache_prompt": False, "options": {"num_predict": 2}}
        text = server.exchange("/api/chat", body)[2].decode()
        assert text.startswith("  ") and json.loads(text.splitlines()[-1])["done"]
        client = ollama.Client(host=server.url)
        assert list(client.chat(model="x", messages=long_chat(6500), options={"num_predict": 2}, stream=True))[-1].done
