# SPDX-License-Identifier: Apache-2.0
"""`lazyllm serve` driven by the real openai package and by clients that behave badly."""

import concurrent.futures
import json
import math
import subprocess
import time
import urllib.request

import openai
import pytest
from serving import AUTH, HI, ServeProcess, complete, long_chat

WEATHER = {"type": "function", "function": {"name": "get_weather", "description": "The weather of a city.", "parameters": {
    "type": "object", "properties": {"city": {"type": "string", "maxLength": 20}, "days": {"type": "integer", "minimum": 1, "maximum": 9}},
    "required": ["city", "days"], "additionalProperties": False}}}


@pytest.fixture(scope="module")
def client(chat):
    return openai.OpenAI(base_url=chat.url + "/v1", api_key="none", max_retries=0)


# --- the real client ---


def test_models(client):
    assert [model.id for model in client.models.list()] == ["small"]


def test_chat(client):
    answer = client.chat.completions.create(model="small", messages=HI, max_tokens=24, seed=1)
    choice = answer.choices[0]
    assert answer.object == "chat.completion" and answer.id.startswith("chatcmpl-") and answer._request_id
    assert choice.message.role == "assistant" and choice.message.content
    assert choice.finish_reason in {"stop", "length"}
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    again = client.chat.completions.create(model="small", messages=HI, max_tokens=24, seed=1)
    assert again.choices[0].message.content == choice.message.content
    assert answer.timings["prompt_n"] + answer.timings["cache_n"] == answer.usage.prompt_tokens
    assert answer.timings["predicted_n"] == answer.usage.completion_tokens


def test_stream_gives_the_same_answer(client):
    whole = client.chat.completions.create(model="small", messages=HI, max_tokens=24)
    chunks = list(client.chat.completions.create(model="small", messages=HI, max_tokens=24, stream=True,
                                                 stream_options={"include_usage": True}))
    assert chunks[0].choices[0].delta.role == "assistant" and chunks[0].choices[0].delta.content is None
    assert not any(chunk.choices[0].delta.role for chunk in chunks[1:-1])
    assert not chunks[-2].choices[0].delta.content and chunks[-2].choices[0].finish_reason
    assert all("usage" in chunk.model_fields_set and chunk.usage is None for chunk in chunks[:-1])
    assert {chunk.system_fingerprint for chunk in chunks} == {whole.system_fingerprint} and whole.system_fingerprint.startswith("b")
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    reasons = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices]
    assert reasons[-1] == whole.choices[0].finish_reason and not any(reasons[:-1])
    assert chunks[-1].choices == [] and chunks[-1].usage.total_tokens == whole.usage.total_tokens
    assert chunks[-1].lazy["layers"] == 30


def test_completion_continues_as_the_program_does(program, data, stories):
    text = program.ok("run", "-m", data / "models" / "stories260K.gguf", "--no-chat", "-p", "Once upon a time", "-n", 40)
    status, answer = complete(stories, max_tokens=40)
    assert status == 200 and answer["choices"][0]["text"] == text.rstrip("\n")
    assert answer["choices"][0]["finish_reason"] == "length"


def test_choices_and_prompts(stories):
    status, answer = complete(stories, prompt=["Once upon", "The cat"], n=2, max_tokens=4, temperature=1, seed=3)
    assert status == 200
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2, 3]
    assert answer["usage"]["completion_tokens"] == 16
    texts = [choice["text"] for choice in answer["choices"]]
    assert len(set(texts)) >= 3
    assert [c["text"] for c in complete(stories, prompt=["Once upon", "The cat"], n=2, max_tokens=4, temperature=1, seed=3)[1]["choices"]] == texts


def test_chat_logprobs(client):
    answer = client.chat.completions.create(model="small", messages=HI, max_tokens=5, logprobs=True, top_logprobs=3)
    content = answer.choices[0].logprobs.content
    assert len(content) == answer.usage.completion_tokens
    for token in content:
        assert bytes(token.bytes).decode(errors="replace") == token.token
        assert len(token.top_logprobs) == 3
        best = token.top_logprobs[0]
        assert best.token == token.token and best.logprob == token.logprob  # greedy
        assert sum(math.exp(other.logprob) for other in token.top_logprobs) <= 1 + 1e-4
    streamed = list(client.chat.completions.create(model="small", messages=HI, max_tokens=5, logprobs=True, top_logprobs=3, stream=True))
    tokens = [token.token for chunk in streamed if chunk.choices and chunk.choices[0].logprobs for token in chunk.choices[0].logprobs.content]
    assert tokens == [token.token for token in content]


def test_a_prompt_may_mix_tokens_and_texts(stories):
    """As llama-server takes it: the same prompt, however it is given."""
    tokens = stories.ask("/tokenize", {"content": "Once upon", "add_special": True}, headers=AUTH)[1]["tokens"]
    rest = stories.ask("/tokenize", {"content": " a time", "add_special": False}, headers=AUTH)[1]["tokens"]
    answers = [stories.ask("/v1/completions", {"prompt": prompt, "max_tokens": 8, "temperature": 0, "cache_prompt": False}, headers=AUTH)
               for prompt in ([*tokens, *rest], [*tokens, " a time"])]
    assert [status for status, _ in answers] == [200, 200]
    assert answers[0][1]["choices"][0]["text"] == answers[1][1]["choices"][0]["text"]
    assert answers[0][1]["usage"] == answers[1][1]["usage"]


def test_completion_logprobs_and_echo(stories):
    _, answer = complete(stories, max_tokens=4, logprobs=2)
    logprobs = answer["choices"][0]["logprobs"]
    text = answer["choices"][0]["text"]
    assert len(logprobs["tokens"]) == 4 and "".join(logprobs["tokens"]) == text
    assert logprobs["text_offset"][0] == 0
    # The same tokens as a prompt have the same log-probabilities.
    _, echo = complete(stories, prompt="Once upon a time" + text, max_tokens=0, logprobs=2, echo=True)
    choice = echo["choices"][0]
    assert choice["text"] == "Once upon a time" + text
    assert choice["logprobs"]["token_logprobs"][0] is None
    assert choice["logprobs"]["token_logprobs"][-4:] == pytest.approx(logprobs["token_logprobs"], abs=2e-2)


def test_sampling_fields_have_their_effect(stories):
    plain = complete(stories, max_tokens=12)[1]["choices"][0]["text"]
    stopped = complete(stories, max_tokens=12, stop="girl")[1]["choices"][0]
    assert stopped["finish_reason"] == "stop" and plain.split("girl")[0] == stopped["text"]
    tokens = stories.ask("/tokenize", {"content": ",", "add_special": False}, headers=AUTH)[1]["tokens"]
    banned = complete(stories, max_tokens=12, logit_bias={str(tokens[-1]): -100})[1]["choices"][0]["text"]
    assert "," in plain and "," not in banned
    seeds = [complete(stories, max_tokens=12, temperature=1.5, seed=seed)[1]["choices"][0]["text"] for seed in (1, 1, 2)]
    assert seeds[0] == seeds[1] != seeds[2]
    assert complete(stories, max_tokens=12, temperature=1.5, top_k=1, seed=9)[1]["choices"][0]["text"] == plain
    once = complete(stories, max_tokens=60, presence_penalty=2, frequency_penalty=2)[1]["choices"][0]["text"]
    assert once != complete(stories, max_tokens=60)[1]["choices"][0]["text"]


def test_a_schema_is_kept(client):
    jsonschema = pytest.importorskip("jsonschema")
    schema = {"type": "object", "properties": {"colours": {"type": "array", "items": {"enum": ["red", "green", "blue"]}, "minItems": 2, "maxItems": 3}},
              "required": ["colours"], "additionalProperties": False}
    answer = client.chat.completions.create(model="small", messages=HI, max_tokens=100, response_format={
        "type": "json_schema", "json_schema": {"name": "colours", "schema": schema, "strict": True}})
    assert answer.choices[0].finish_reason == "stop"
    jsonschema.validate(json.loads(answer.choices[0].message.content), schema)
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="small", messages=HI, response_format={
            "type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nonsense"}}})
    assert refused.value.code == "invalid_schema"


def test_a_required_tool_is_called(client):
    jsonschema = pytest.importorskip("jsonschema")
    question = [{"role": "user", "content": "How will the weather be in Paris for two days?"}]
    for choice in ("required", {"type": "function", "function": {"name": "get_weather"}}):
        answer = client.chat.completions.create(model="small", messages=question, tools=[WEATHER], tool_choice=choice, max_tokens=80)
        assert answer.choices[0].finish_reason == "tool_calls" and answer.choices[0].message.content is None
        call = answer.choices[0].message.tool_calls[0]
        assert call.function.name == "get_weather" and call.id
        jsonschema.validate(json.loads(call.function.arguments), WEATHER["function"]["parameters"])
    # The next turn carries the call and its answer.
    turn = question + [answer.choices[0].message.model_dump(exclude_none=True), {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
    assert client.chat.completions.create(model="small", messages=turn, tools=[WEATHER], max_tokens=8).choices[0].message
    streamed = list(client.chat.completions.create(model="small", messages=question, tools=[WEATHER], tool_choice="required", max_tokens=80, stream=True))
    assert all(len(chunk.choices[0].delta.tool_calls or []) < 2 for chunk in streamed)  # one call: one entry a chunk
    calls = [call for chunk in streamed for call in chunk.choices[0].delta.tool_calls or []]
    assert {call.index for call in calls} == {0} and calls[0].function.name == "get_weather"
    assert json.loads("".join(call.function.arguments for call in calls)) == json.loads(answer.choices[0].message.tool_calls[0].function.arguments)
    assert streamed[-1].choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize("change, error, code", [
    ({"temperature": -1}, openai.BadRequestError, "invalid_value"),
    ({"messages": []}, openai.BadRequestError, "invalid_value"),
    ({"messages": [{"role": "user", "content": "word " * 5000}]}, openai.BadRequestError, "context_length_exceeded"),
    ({"extra_body": {"lazy": {"policy": "magic"}}}, openai.BadRequestError, "invalid_value"),
    ({"extra_body": {"lazy": {"prune": "99:0.5"}}}, openai.BadRequestError, "invalid_value"),
    ({"tools": [{"type": "function", "function": {}}]}, openai.BadRequestError, "missing_required_parameter"),
])
def test_errors_as_the_client_sees_them(client, change, error, code):
    with pytest.raises(error) as refused:
        client.chat.completions.create(**{"model": "small", "messages": HI, "max_tokens": 2, **change})
    assert refused.value.code == code and refused.value.type in {"invalid_request_error", "exceed_context_size_error"}
    assert client.chat.completions.create(model="small", messages=HI, max_tokens=1).choices


def test_any_model_name_is_served_unless_strict(client, program, data):
    answer = client.chat.completions.create(model="gpt-4o", messages=HI, max_tokens=1)
    assert answer.model == "small"
    assert client.models.retrieve("small").id == "small"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("org/other")
    with ServeProcess(program.path, "-m", data / "models" / "stories260K.gguf", "--strict-model") as server:
        status, answer = complete(server, model="gpt-4o", max_tokens=1)
        assert status == 404 and answer["error"]["code"] == "model_not_found"
        assert complete(server, model="stories260K", max_tokens=1)[0] == complete(server, max_tokens=1)[0] == 200


def test_a_prompt_too_long_is_told_as_clients_expect(chat):
    for path, body in (("/v1/chat/completions", {"messages": [{"role": "user", "content": "word " * 5000}]}), ("/completion", {"prompt": "word " * 5000})):
        for stream in (False, True):
            status, answer = chat.ask(path, {**body, "stream": stream})
            error = answer["error"]
            assert status == 400 and error["type"] == "exceed_context_size_error" and error["code"] == "context_length_exceeded"
            assert error["n_ctx"] == 4096 and error["n_prompt_tokens"] > 5000
            assert "exceeds the available context size" in error["message"]


def test_offsets_count_code_points_of_the_text(chat, stories, data):
    body = json.loads((data / "faults" / "f08_offsets.json").read_text())
    choice = chat.ask("/v1/completions", body)[1]["choices"][0]
    offsets = choice["logprobs"]["text_offset"]
    assert choice["text"].startswith("user\n\u00e9") and offsets[:4] == [0, 0, 4, 5] and offsets == sorted(offsets)
    assert [choice["text"][offset:offset + 1] for offset in offsets[1:4]] == ["u", "\n", "\u00e9"]
    events = chat.events("/v1/completions", {**body, "stream": True})[:-1]
    assert [offset for event in events for offset in (event["choices"][0]["logprobs"] or {"text_offset": []})["text_offset"]] == offsets
    # A vocabulary that drops the first space.
    choice = complete(stories, prompt="Once upon", max_tokens=4, logprobs=0, echo=True)[1]["choices"][0]
    logprobs = choice["logprobs"]
    for token, begin in list(zip(logprobs["tokens"], logprobs["text_offset"]))[1:]:
        assert choice["text"][begin:].startswith(token.lstrip() if begin == 0 else token)


def test_keys(stories):
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer firs"}):
        status, answer = complete(stories, headers=headers, max_tokens=1)
        assert status == 401 and answer["error"]["type"] == "authentication_error"
    for key in ("first", "second"):
        assert openai.OpenAI(base_url=stories.url + "/v1", api_key=key).models.list().data[0].id == "stories260K"
    assert stories.get("/health") == (200, {"status": "ok"})
    assert stories.get("/metrics")[0] == 401


# --- lazy ---


def test_the_answer_tells_what_was_computed(chat):
    lazy = {"policy": "lazy", "prune": "10:0.3,20:0.5", "min_prompt": 0, "report": "tokens"}
    body = {"messages": long_chat(), "max_tokens": 6, "cache_prompt": False, "lazy": lazy}
    status, answer = chat.ask("/v1/chat/completions", body)
    assert status == 200
    figures, n = answer["lazy"], answer["usage"]["prompt_tokens"]
    assert figures["policy"] == "lazy" and figures["schedule"] == "10:0.3,20:0.5" and figures["layers"] == 30
    kept = figures["kept_per_layer"]
    assert kept[:10] == [n] * 10 and n > kept[10] > kept[20] and len(kept) == 30
    assert 0 < figures["computed_fraction"] <= figures["computed_fraction_end"] < 1
    assert figures["dense_ttft_ms_estimate"] > figures["ttft_ms"]
    tokens = figures["tokens"]
    prompt = chat.ask("/apply-template", {"messages": body["messages"]})[1]["prompt"]
    assert "".join(tokens["pieces"]) == prompt and len(tokens["pieces"]) == len(tokens["depths"]) == n
    assert sum(tokens["depths"]) == pytest.approx(figures["computed_fraction"] * n * 30)
    assert len(tokens["revived"]) == figures["revived_tokens"]
    for step, token, depth in tokens["revived"]:
        assert 1 <= step <= 6 and 0 <= token < n and tokens["depths"][token] < depth <= 30
    # The template and the system turn went through all layers.
    pieces = tokens["pieces"]
    system_end = pieces.index("<|im_end|>")
    assert set(tokens["depths"][:system_end + 1]) == {30} and min(tokens["depths"]) == 10
    assert all(tokens["depths"][i] == 30 for i, piece in enumerate(pieces) if piece.startswith("<|im_"))


def test_policies_and_streams_agree(chat):
    for policy in ("dense", "lazy", "static"):
        body = {"messages": long_chat(300), "max_tokens": 4, "lazy": {"policy": policy, "min_prompt": 0}}
        whole = chat.ask("/v1/chat/completions", body)[1]
        events = chat.events("/v1/chat/completions", {**body, "stream": True, "return_progress": True})
        assert events[-1] == "[DONE]"
        assert whole["lazy"]["policy"] == events[-2]["lazy"]["policy"] == policy
        text = "".join(event["choices"][0]["delta"].get("content") or "" for event in events[:-1] if event["choices"])
        assert text == whole["choices"][0]["message"]["content"]
        progress = [event["prompt_progress"] for event in events[:-1] if "prompt_progress" in event]
        assert all(p["total"] == whole["usage"]["prompt_tokens"] for p in progress)
        processed = [p["processed"] for p in progress]
        assert processed[0] == progress[0]["cache"] and processed[-1] == progress[-1]["total"]
        assert all(a < b for a, b in zip(processed, processed[1:]))


def test_preflights_of_browser_clients(program, data):
    origins = "https://a.example,http://localhost,http://127.0.0.1:9"
    model = data / "models" / "stories260K.gguf"
    asked = "authorization, content-type, x-request-id, " + ", ".join(f"x-stainless-{name}" for name in (
        "arch", "lang", "os", "package-version", "retry-count", "runtime", "runtime-version", "timeout"))
    wanted = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": asked}
    with ServeProcess(program.path, "-m", model, "--cors-origin", origins, "--api-key", "k") as server:
        for origin in ("https://a.example", "http://localhost:5173", "http://localhost", "http://127.0.0.1:9"):
            status, headers, _ = server.exchange("/v1/chat/completions", method="OPTIONS", headers={"Origin": origin, **wanted})
            assert status == 200 and headers["Access-Control-Allow-Origin"] == origin
            assert set(asked.split(", ")) <= {name.strip().lower() for name in headers["Access-Control-Allow-Headers"].split(",")}
        assert server.exchange("/v1/models", method="OPTIONS", headers={"Origin": "http://b.example", **wanted})[0] == 403
        status, headers, _ = server.exchange("/v1/models", headers={"Origin": "https://a.example", "Authorization": "Bearer k"})
        assert status == 200 and "X-Request-Id" in headers["Access-Control-Expose-Headers"]
    with ServeProcess(program.path, "-m", model, "--cors-origin", "localhost") as server:
        for origin in ("http://localhost:5173", "https://127.0.0.1", "http://[::1]:3000"):
            status, headers, _ = server.exchange("/v1/models", method="OPTIONS", headers={"Origin": origin, **wanted})
            assert status == 200 and headers["Access-Control-Allow-Origin"] == origin
        for origin in ("http://localhost.example", "http://notlocalhost", "null"):
            assert server.exchange("/v1/models", method="OPTIONS", headers={"Origin": origin, **wanted})[0] == 403


def test_a_silent_request_is_kept_alive(program, smollm2):
    """What is not streamed gets white space before its JSON; what is streamed gets comments."""
    with ServeProcess(program.path, "-m", smollm2, "--keep-alive-seconds", 0.2, "--temp", 0) as server:
        body = {"messages": long_chat(6000), "max_tokens": 2, "lazy": {"policy": "dense"}, "cache_prompt": False}
        status, headers, text = server.exchange("/v1/chat/completions", body)
        assert status == 200 and headers["Transfer-Encoding"] == "chunked" and text.startswith(b"  ")
        assert json.loads(text)["choices"][0]["finish_reason"] == "length"
        events = server.events("/v1/chat/completions", {**body, "stream": True})
        assert events[:2] == [": ping", ": ping"]
        # An answer that cannot be is told although the status is out.
        body["messages"] = long_chat(1500)
        impossible = {"response_format": {"type": "json_schema", "json_schema": {"schema": {"const": 12}}}, "logit_bias": [["1", -100], ["12", -100]]}
        status, _, text = server.exchange("/v1/chat/completions", {**body, **impossible})
        assert status == 200 and text.startswith(b"  ") and "no token" in json.loads(text)["error"]["message"]
        status, _, text = server.exchange("/v1/messages", {"messages": body["messages"][1:], "system": "x", "max_tokens": 2, "lazy": body["lazy"], "cache_prompt": False,
                                                           "output_format": {"type": "json_schema", "schema": {"const": 12}}, "logit_bias": impossible["logit_bias"]})
        assert status == 200 and text.startswith(b"  ") and json.loads(text)["type"] == "error"


def test_page(chat):
    with urllib.request.urlopen(chat.url + "/") as response:
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "default-src 'self'" in response.headers["Content-Security-Policy"]
        assert b"lazyllm" in response.read()
        tag = response.headers["ETag"]
    with pytest.raises(urllib.error.HTTPError) as unchanged:
        urllib.request.urlopen(urllib.request.Request(chat.url + "/", headers={"If-None-Match": tag}))
    assert unchanged.value.code == 304


# --- clients that behave badly ---


@pytest.mark.parametrize("body, code", [
    (b"", "invalid_json"), (b"{", "invalid_json"), (b"[]", "invalid_json"), (b'{"prompt": "\xff"}', "invalid_json"),
    (b'{"prompt": "x", "temperature": NaN}', "invalid_json"), (b'{"prompt": "x", "temperature": 1e999}', "invalid_json"),
    (b'{"a":' * 50000, "invalid_json"), (b'{"prompt": ' + b"[" * 100000 + b"}", "invalid_json"),
    (b'{"prompt": 5}', "invalid_type"), (b'{"prompt": [99999999]}', "invalid_value"),
    (b'{"prompt": ""}', None), (b"{}", "missing_required_parameter"), (b'{"prompt": "x", "n": 1e9}', "invalid_value"),
])
def test_bad_bodies(stories, body, code):
    status, answer = stories.ask("/v1/completions", body, headers=AUTH)
    if code is None:  # nothing but the BOS is a prompt of its own
        assert status == 200
    else:
        assert status == 400 and answer["error"]["code"] == code and answer["error"]["message"]
    assert complete(stories, max_tokens=1)[0] == 200


def test_hostile_requests(stories):
    head = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer first\r\n"
    assert b" 431 " in stories.raw(b"GET /health HTTP/1.1\r\nX: " + b"x" * 10_000_000 + b"\r\n\r\n").split(b"\r\n")[0]
    assert b" 413 " in stories.raw(head + b"Content-Length: 10000000\r\n\r\n", b"x" * 10_000_000).split(b"\r\n")[0]
    assert b" 413 " in stories.raw(head + b"Content-Length: 10000000\r\nExpect: 100-continue\r\n\r\n").split(b"\r\n")[0]
    assert b" 400 " in stories.raw(b"\x00\x01\x02\x03\r\n\r\n").split(b"\r\n")[0]
    assert b" 404 " in stories.raw(b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").split(b"\r\n")[0]
    assert b" 405 " in stories.raw(b"DELETE /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").split(b"\r\n")[0]
    slow = stories.connect()
    slow.sendall(b"GET /hea")
    for _ in range(20):
        assert complete(stories, max_tokens=1)[0] == 200
    slow.close()


def test_a_client_that_leaves_frees_its_slot(chat):
    for stream in (True, False):
        body = {"messages": HI, "max_tokens": 2000, "stream": stream, "ignore_eos": True}
        client = chat.start_post("/v1/chat/completions", body)
        if stream:
            assert client.recv(10)
        else:
            time.sleep(0.5)
        gone = chat.metric("clients_gone_total")
        client.close()
        assert chat.wait_for_metric("clients_gone_total", gone + 1) < 2
        assert chat.wait_until_idle() < 2
    # In the middle of a prefill too.
    client = chat.start_post("/v1/chat/completions", {"messages": long_chat(2000), "lazy": {"policy": "dense"}, "cache_prompt": False})
    time.sleep(0.4)
    client.close()
    assert chat.wait_until_idle() < 3


def test_overload_is_told_at_once(stories):
    def ask(_):
        start = time.monotonic()
        status, answer = complete(stories, max_tokens=400, ignore_eos=True)
        return status, time.monotonic() - start, answer

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        results = list(pool.map(ask, range(16)))
    assert {status for status, _, _ in results} <= {200, 503}
    refused = [(seconds, answer) for status, seconds, answer in results if status == 503]
    assert refused, "16 requests fit into 2 slots and a queue of 2?"
    assert all(answer["error"]["code"] == "overloaded" for _, answer in refused)
    assert sum(status == 200 for status, _, _ in results) >= 4
    request = urllib.request.Request(stories.url + "/health")
    with urllib.request.urlopen(request) as response:
        assert response.status == 200


# --- operating ---


def test_log_lines_tell_the_request_but_not_the_prompt(chat):
    secret = "xylophone-in-the-prompt"
    status, _ = chat.ask("/v1/chat/completions", {"messages": [{"role": "user", "content": secret}], "max_tokens": 3}, headers={"X-Request-Id": "my-id-1"})
    assert status == 200
    time.sleep(0.2)
    line = next(line for line in chat.lines if "request=my-id-1" in line)
    fields = dict(part.split("=", 1) for part in line.split(" "))
    assert fields["path"] == "/v1/chat/completions" and fields["status"] == "200" and fields["generated_tokens"] == "3"
    assert not any(secret in line for line in chat.lines)


def test_a_signal_lets_running_answers_end(program, data):
    server = ServeProcess(program.path, "-m", data / "models" / "stories260K.gguf", "--drain-seconds", 20)
    client = server.start_post("/v1/completions", {"prompt": "Once", "max_tokens": 300, "ignore_eos": True, "stream": True})
    received = client.recv(100)
    assert server.stop() == 0
    while more := client.recv(65536):
        received += more
    assert received.rstrip().endswith(b"data: [DONE]\n\n\r\n0") or b"[DONE]" in received


def test_a_signal_cuts_what_does_not_end(program, smollm2):
    server = ServeProcess(program.path, "-m", smollm2, "--drain-seconds", 0.3)
    client = server.start_post("/v1/chat/completions", {"messages": HI, "max_tokens": 5000, "ignore_eos": True, "stream": True})
    assert client.recv(100)
    start = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - start < 5
    received = b""
    while more := client.recv(65536):
        received += more
    assert b"unavailable_error" in received and b"[DONE]" not in received


@pytest.mark.parametrize("arguments, code, words", [
    (["--port", "{port}"], 1, "is in use"),
    (["--host", "not.an.address.invalid"], 1, "cannot listen"),
    (["--port", "70000"], 2, "port"),
    (["--policy", "magic"], 2, "magic"),
    (["--prune", "soon", "--port", "0"], 2, "soon"),
    (["--api-key", ""], 2, "key"),
    (["--api-key-file", "/nonexistent"], 1, "nonexistent"),
    (["-c", "100000000", "--port", "0"], 2, "ctx-size"),
])
def test_bad_flags(program, data, stories, arguments, code, words):
    model = data / "models" / "stories260K.gguf"
    result = program.run("serve", "-m", model, *[a.replace("{port}", str(stories.port)) for a in arguments], timeout=60)
    assert result.returncode == code, result.stderr
    assert words in result.stderr.decode() and result.stdout == b""


def test_listening_elsewhere_without_a_key_warns(program, data):
    with ServeProcess(program.path, "-m", data / "models" / "stories260K.gguf", "--host", "0.0.0.0") as server:
        assert any(line.startswith("warning:") and "no key" in line for line in server.lines)


def test_curl(chat):
    result = subprocess.run(["curl", "-sS", "-N", chat.url + "/v1/chat/completions", "-d", json.dumps({"messages": HI, "max_tokens": 3, "stream": True})],
                            capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.endswith("data: [DONE]\n\n")
