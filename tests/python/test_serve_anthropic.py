# SPDX-License-Identifier: Apache-2.0
"""/v1/messages driven by the real anthropic package."""

import json

import anthropic
import pytest

from serving import HI, ServeProcess, long_chat

WEATHER = {"name": "get_weather", "description": "The weather of a city.", "input_schema": {
    "type": "object", "properties": {"city": {"type": "string", "maxLength": 20}}, "required": ["city"], "additionalProperties": False}}


@pytest.fixture(scope="module")
def client(chat):
    return anthropic.Anthropic(base_url=chat.url, api_key="none", max_retries=0)


def test_message(client, chat):
    message = client.messages.create(model="claude-sonnet-4-5", max_tokens=24, system="Be brief.", messages=HI)
    assert message.type == "message" and message.role == "assistant" and message.id.startswith("msg_") and message.model == "small"
    assert message.content[0].type == "text" and message.content[0].text
    assert message.stop_reason in {"end_turn", "max_tokens"} and message.stop_sequence is None
    same = chat.ask("/v1/chat/completions", {"messages": [{"role": "system", "content": "Be brief."}, *HI], "max_tokens": 24})[1]
    assert same["choices"][0]["message"]["content"] == message.content[0].text
    usage = message.usage
    assert usage.input_tokens + usage.cache_read_input_tokens == same["usage"]["prompt_tokens"]
    assert usage.output_tokens == same["usage"]["completion_tokens"]
    assert message._request_id


def test_the_ways_of_writing_the_same(client):
    plain = client.messages.create(model="m", max_tokens=8, system="Be brief.", messages=HI)
    blocks = client.messages.create(
        model="m", max_tokens=8, system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        messages=[{"role": "user", "content": [{"type": "text", "text": HI[0]["content"]}]}],
        metadata={"user_id": "u"}, thinking={"type": "enabled", "budget_tokens": 1024})
    assert blocks.content[0].text == plain.content[0].text


def test_stream(client):
    whole = client.messages.create(model="m", max_tokens=16, messages=HI)
    with client.messages.stream(model="m", max_tokens=16, messages=HI) as stream:
        assert "".join(stream.text_stream) == whole.content[0].text
        final = stream.get_final_message()
    assert final.stop_reason == whole.stop_reason and final.usage.output_tokens == whole.usage.output_tokens
    kinds = [event.type for event in client.messages.create(model="m", max_tokens=16, messages=HI, stream=True)]
    assert kinds[:2] == ["message_start", "content_block_start"] and kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert set(kinds[2:-3]) == {"content_block_delta"}


def test_stop_sequences(client):
    whole = client.messages.create(model="m", max_tokens=24, messages=HI).content[0].text
    word = whole.split()[3]
    stopped = client.messages.create(model="m", max_tokens=24, messages=HI, stop_sequences=["zebra-stripes", word])
    assert stopped.stop_reason == "stop_sequence" and stopped.stop_sequence == word
    assert whole.startswith(stopped.content[0].text) and word not in stopped.content[0].text
    assert client.messages.create(model="m", max_tokens=2, messages=HI).stop_reason == "max_tokens"


def test_tools(client):
    question = [{"role": "user", "content": "How is the weather in Paris?"}]
    for choice in ({"type": "any"}, {"type": "tool", "name": "get_weather"}):
        message = client.messages.create(model="m", max_tokens=60, messages=question, tools=[WEATHER], tool_choice=choice)
        assert message.stop_reason == "tool_use"
        call = message.content[-1]
        assert call.type == "tool_use" and call.name == "get_weather" and set(call.input) == {"city"}
    with client.messages.stream(model="m", max_tokens=60, messages=question, tools=[WEATHER], tool_choice={"type": "any"}) as stream:
        streamed = stream.get_final_message()
    assert streamed.content[-1].input == call.input and streamed.stop_reason == "tool_use"
    # The result goes back, as text and as blocks.
    for content in ("sunny", [{"type": "text", "text": "sunny"}]):
        turn = [*question, {"role": "assistant", "content": [block.model_dump() for block in message.content]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": content}]}]
        assert client.messages.create(model="m", max_tokens=8, messages=turn, tools=[WEATHER]).content


def test_tokens_are_counted(client):
    counted = client.messages.count_tokens(model="m", system="Be brief.", messages=HI, tools=[WEATHER]).input_tokens
    message = client.messages.create(model="m", max_tokens=1, system="Be brief.", messages=HI, tools=[WEATHER])
    assert counted == message.usage.input_tokens + message.usage.cache_read_input_tokens


@pytest.mark.parametrize("change, error, words", [
    ({"messages": []}, anthropic.BadRequestError, "messages"),
    ({"extra_body": {"temperature": -1}}, anthropic.BadRequestError, "temperature"),
    ({"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aa"}}]}]},
     anthropic.BadRequestError, "messages[0].content[0].type"),
    ({"messages": [{"role": "user", "content": "word " * 5000}]}, anthropic.BadRequestError, "prompt is too long: 50"),
    ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, anthropic.BadRequestError, "tools[0].type"),
    ({"tools": [{"name": "x"}]}, anthropic.BadRequestError, "tools[0].input_schema"),
    ({"extra_body": {"mcp_servers": [{"url": "http://x"}]}}, anthropic.BadRequestError, "mcp_servers"),
    ({"extra_body": {"mirostat": 2}}, anthropic.BadRequestError, "mirostat"),
    ({"extra_body": {"n": 2}}, anthropic.BadRequestError, "n must be 1"),
])
def test_errors_in_anthropics_form(client, change, error, words):
    with pytest.raises(error) as refused:
        client.messages.create(**{"model": "m", "max_tokens": 2, "messages": HI, **change})
    assert refused.value.body["type"] == "error" and refused.value.body["error"]["type"] == "invalid_request_error"
    assert words in refused.value.body["error"]["message"]


def test_max_tokens_is_required_and_other_errors_too(chat, stories):
    status, answer = chat.ask("/v1/messages", {"messages": HI})
    assert status == 400 and answer["error"]["message"] == "max_tokens is missing"
    assert stories.ask("/v1/messages", {"messages": HI})[1] == {
        "type": "error", "error": {"type": "authentication_error", "message": "the API key is missing or wrong; send Authorization: Bearer KEY"}}
    assert chat.ask("/v1/messages", b"{")[1]["error"]["type"] == "invalid_request_error"


def test_a_long_prefill_is_kept_alive_by_pings(program, smollm2):
    with ServeProcess(program.path, "-m", smollm2, "--keep-alive-seconds", 0.2) as server:
        body = {"messages": long_chat(6000), "max_tokens": 2, "stream": True, "lazy": {"policy": "dense"}, "cache_prompt": False}
        text = server.exchange("/v1/messages", body)[2].decode()
        assert text.startswith("event: message_start\n")
        assert text.count('event: ping\ndata: {"type":"ping"}\n\n') >= 2
        events = [json.loads(part.split("data: ")[1]) for part in text.strip().split("\n\n")]
        assert events[-1] == {"type": "message_stop"}
