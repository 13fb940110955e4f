# SPDX-License-Identifier: Apache-2.0
"""What langchain-openai's documentation shows first: invoke, stream, batch, tools, structured output, embeddings, the responses API. URL as the argument."""

import sys
from typing import Annotated

import pydantic
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAI, OpenAIEmbeddings

BASE = {"base_url": sys.argv[1] + "/v1", "api_key": "none", "model": "small", "max_retries": 0}


class Colour(pydantic.BaseModel):
    """A colour."""

    name: str = pydantic.Field(description="its name", max_length=20)
    warm: bool


@tool
def get_weather(city: Annotated[str, pydantic.Field(max_length=20)]) -> str:
    """The weather of a city."""
    return f"sunny in {city}"


model = ChatOpenAI(**BASE, temperature=0, max_tokens=16)
messages = [SystemMessage("Be brief."), HumanMessage("Name three colours.")]
whole = model.invoke(messages)
assert whole.content and whole.usage_metadata["output_tokens"] > 0 and whole.response_metadata["finish_reason"] in {"stop", "length"}
assert "".join(part.text for part in model.stream(messages)) == whole.text
assert [one.content for one in model.batch([messages, messages])] == [whole.content] * 2
chain = ChatPromptTemplate.from_messages([("system", "Be brief."), ("human", "{question}")]) | model
assert chain.invoke({"question": "Name three colours."}).content == whole.content

bound = ChatOpenAI(**BASE, temperature=0, max_tokens=80).bind_tools([get_weather], tool_choice="any")
question = HumanMessage("What is the weather in Paris?")
called = bound.invoke([question])
call = called.tool_calls[0]
assert call["name"] == "get_weather" and isinstance(call["args"]["city"], str)
result = get_weather.invoke(call)
assert isinstance(result, ToolMessage)
assert model.bind_tools([get_weather]).invoke([question, called, result]) is not None
gathered = None
for part in bound.stream([question]):
    gathered = part if gathered is None else gathered + part
assert gathered.tool_calls[0]["args"] == call["args"]

for method in ("json_schema", "function_calling"):
    structured = ChatOpenAI(**BASE, temperature=0, max_tokens=80).with_structured_output(Colour, method=method)
    assert isinstance(structured.invoke("Name a colour."), Colour), method

responses = ChatOpenAI(**BASE, temperature=0, max_tokens=16, use_responses_api=True)
assert responses.invoke(messages).text == whole.text
assert "".join(part.text for part in responses.stream(messages)) == whole.text
assert OpenAI(**BASE, temperature=0, max_tokens=8).invoke("Once upon a time")
vectors = OpenAIEmbeddings(**BASE, check_embedding_ctx_length=False).embed_documents(["one", "two"])
assert len(vectors) == 2 and len(vectors[0]) > 100
print("passed")
