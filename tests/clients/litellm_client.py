# SPDX-License-Identifier: Apache-2.0
"""What litellm's documentation shows first: completion, a stream, tools, a schema, embeddings, other providers' protocols. URL as the argument."""

import json
import sys

import litellm
import pydantic

URL = sys.argv[1]
QUESTION = [{"role": "user", "content": "Name three colours."}]
litellm.drop_params = False


class Colour(pydantic.BaseModel):
    name: str = pydantic.Field(max_length=20)
    warm: bool


def ask(model="openai/small", api_base=URL + "/v1", **fields):
    return litellm.completion(**{"model": model, "api_base": api_base, "api_key": "none", "messages": QUESTION, "max_tokens": 16, **fields})


whole = ask()
assert whole.choices[0].message.content and whole.usage.prompt_tokens > 0
pieces = list(ask(stream=True, stream_options={"include_usage": True}))
assert "".join(part.choices[0].delta.content or "" for part in pieces if part.choices) == whole.choices[0].message.content
assert pieces[-1].usage.completion_tokens == whole.usage.completion_tokens

same = {"openai/small": URL + "/v1", "hosted_vllm/small": URL + "/v1", "ollama_chat/small": URL}
for provider, base in same.items():
    assert ask(provider, base).choices[0].message.content == whole.choices[0].message.content, provider
assert ask("anthropic/claude-sonnet-4-5", URL).choices[0].message.content == whole.choices[0].message.content

parsed = ask(response_format=Colour, max_tokens=60)
Colour.model_validate_json(parsed.choices[0].message.content)

weather = {"type": "function", "function": {"name": "get_weather", "description": "The weather of a city.", "parameters": {
    "type": "object", "properties": {"city": {"type": "string", "maxLength": 20}}, "required": ["city"], "additionalProperties": False}}}
messages = [{"role": "user", "content": "What is the weather in Paris?"}]
called = ask(messages=messages, tools=[weather], tool_choice="required", max_tokens=60).choices[0]
call = called.message.tool_calls[0]
assert called.finish_reason == "tool_calls" and call.function.name == "get_weather" and isinstance(json.loads(call.function.arguments)["city"], str)
messages += [called.message, {"role": "tool", "tool_call_id": call.id, "name": "get_weather", "content": "sunny"}]
assert ask(messages=messages, tools=[weather]).choices[0].message

text = litellm.text_completion(model="text-completion-openai/small", api_base=URL + "/v1", api_key="none", prompt="Once upon a time", max_tokens=8)
assert text.choices[0].text
vectors = litellm.embedding(model="openai/small", api_base=URL + "/v1", api_key="none", input=["one", "two"], encoding_format="float")
assert len(vectors.data) == 2 and len(vectors.data[0]["embedding"]) > 100
answer = litellm.responses(model="openai/small", api_base=URL + "/v1", api_key="none", input="Name three colours.", max_output_tokens=16)
assert answer.output[0].content[0].text == whole.choices[0].message.content
try:
    ask(temperature=-1)
    sys.exit("a wrong temperature was taken")
except litellm.BadRequestError as error:
    assert "temperature" in str(error)
print("passed")
