# SPDX-License-Identifier: Apache-2.0
"""/v1/responses driven by the real openai package."""

import json

import openai
import pydantic
import pytest

from serving import HI

WEATHER = {"type": "function", "name": "get_weather", "description": "The weather of a city.", "strict": True, "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}}


@pytest.fixture(scope="module")
def client(chat):
    return openai.OpenAI(base_url=chat.url + "/v1", api_key="none", max_retries=0)


def test_response(client, chat):
    response = client.responses.create(model="gpt-5", instructions="Be brief.", input="Name three colours.", max_output_tokens=16)
    same = chat.ask("/v1/chat/completions", {"messages": [{"role": "system", "content": "Be brief."}, *HI], "max_tokens": 16})[1]
    assert response.output_text == same["choices"][0]["message"]["content"]
    assert response.id.startswith("resp_") and response.output[0].id.startswith("msg_") and response.model == "small"
    assert response.usage.input_tokens == same["usage"]["prompt_tokens"] and response.usage.output_tokens == same["usage"]["completion_tokens"]
    assert response.instructions == "Be brief."
    if response.usage.output_tokens == 16:
        assert response.status == "incomplete" and response.incomplete_details.reason == "max_output_tokens"
    items = client.responses.create(model="gpt-5", max_output_tokens=16, input=[
        {"role": "system", "content": "Be brief."}, {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Name three colours."}]}])
    assert items.output_text == response.output_text


def test_stream(client):
    whole = client.responses.create(model="m", input="Name three colours.", max_output_tokens=16)
    events = list(client.responses.create(model="m", input="Name three colours.", max_output_tokens=16, stream=True))
    kinds = [event.type for event in events]
    assert kinds[:4] == ["response.created", "response.in_progress", "response.output_item.added", "response.content_part.added"]
    assert kinds[-4:-1] == ["response.output_text.done", "response.content_part.done", "response.output_item.done"]
    assert kinds[-1] in {"response.completed", "response.incomplete"} and set(kinds[4:-4]) == {"response.output_text.delta"}
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == whole.output_text
    assert events[-1].response.output_text == whole.output_text and events[-1].response.usage.output_tokens == whole.usage.output_tokens


def test_the_helper_for_streams_gets_a_whole_response(client):
    """An answer that ends by itself on every machine: the helper knows only those."""
    schema = {"type": "json_schema", "name": "colour", "schema": {"enum": ["light blue"]}}
    with client.responses.stream(model="m", input="Name a colour.", max_output_tokens=32, text={"format": schema}) as stream:
        for _ in stream:
            pass
        assert stream.get_final_response().output_text == '"light blue"'


def test_it_goes_on_from_a_response(client):
    first = client.responses.create(model="m", input="Name a colour.", max_output_tokens=8, instructions="Be brief.")
    second = client.responses.create(model="m", input="Another one.", previous_response_id=first.id, max_output_tokens=8)
    whole = client.responses.create(model="m", max_output_tokens=8, input=[
        {"role": "user", "content": "Name a colour."}, {"role": "assistant", "content": first.output_text}, {"role": "user", "content": "Another one."}])
    assert second.output_text == whole.output_text and second.previous_response_id == first.id
    third = client.responses.create(model="m", input="And one more.", previous_response_id=second.id, max_output_tokens=8)
    assert third.usage.input_tokens > second.usage.input_tokens
    # What is kept may be read and deleted.
    assert client.responses.retrieve(first.id).output_text == first.output_text
    assert client.responses.input_items.list(first.id).data[0].content == "Name a colour."
    client.responses.delete(first.id)
    for missing in (first.id, "resp_nonesuch"):
        with pytest.raises(openai.NotFoundError) as refused:
            client.responses.create(model="m", input="x", previous_response_id=missing)
        assert refused.value.code == "previous_response_not_found" and refused.value.param == "previous_response_id"
    unkept = client.responses.create(model="m", input="Name a colour.", max_output_tokens=2, store=False)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(unkept.id)


def test_tools(client):
    question = [{"role": "user", "content": "How is the weather in Paris?"}]
    response = client.responses.create(model="m", input=question, tools=[WEATHER], tool_choice="required", max_output_tokens=60)
    call = response.output[-1]
    assert call.type == "function_call" and call.name == "get_weather" and set(json.loads(call.arguments)) == {"city"}
    events = list(client.responses.create(model="m", input=question, tools=[WEATHER], tool_choice={"type": "function", "name": "get_weather"},
                                          max_output_tokens=60, stream=True))
    done = next(event for event in events if event.type == "response.function_call_arguments.done")
    assert json.loads(done.arguments) == json.loads(call.arguments)
    assert "".join(event.delta for event in events if event.type == "response.function_call_arguments.delta") == done.arguments
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
    by_items = client.responses.create(model="m", input=[*question, call.model_dump(exclude_none=True), result], tools=[WEATHER], max_output_tokens=8)
    by_id = client.responses.create(model="m", input=[result], previous_response_id=response.id, tools=[WEATHER], max_output_tokens=8)
    assert by_items.output_text == by_id.output_text


def test_text_formats_hold(client):
    class Colour(pydantic.BaseModel):
        name: str = pydantic.Field(max_length=10)

    parsed = client.responses.parse(model="m", input="Name a colour.", text_format=Colour, max_output_tokens=60)
    assert isinstance(parsed.output_parsed, Colour)
    free = client.responses.create(model="m", input="Name a colour.", text={"format": {"type": "json_object"}}, max_output_tokens=60)
    assert free.output_text.lstrip().startswith("{")


@pytest.mark.parametrize("change, param", [
    ({"input": []}, "input"), ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0].type"),
    ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "http://x"}]}]}, "input[0].content[0].type"),
    ({"tools": [{"type": "web_search"}]}, "tools[0].type"), ({"background": True}, "background"), ({"truncation": "auto"}, "truncation"),
    ({"text": {"format": {"type": "xml"}}}, "text.format.type"), ({"top_logprobs": 2}, "top_logprobs"), ({"temperature": -1}, "temperature"),
    ({"include": ["message.output_text.logprobs"]}, "include"), ({"conversation": "c"}, "conversation"),
])
def test_errors_name_the_field(client, change, param):
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(**{"model": "m", "input": "x", "max_output_tokens": 2, **change})
    assert refused.value.param == param


def test_input_tokens(client):
    counted = client.responses.input_tokens.count(model="m", input="Name three colours.").input_tokens
    assert counted == client.responses.create(model="m", input="Name three colours.", max_output_tokens=1).usage.input_tokens
