# SPDX-License-Identifier: Apache-2.0
"""What instructor's documentation shows first: a Pydantic model out of a chat, nested and in lists, in the modes that hold a schema, streamed. URL as the argument."""

import enum
import sys

import instructor
import openai
import pydantic


class Kind(enum.Enum):
    work = "work"
    home = "home"


class Address(pydantic.BaseModel):
    kind: Kind
    city: str = pydantic.Field(max_length=16)


class Person(pydantic.BaseModel):
    """A person."""

    name: str = pydantic.Field(max_length=16)
    age: int = pydantic.Field(ge=0, le=150)
    addresses: list[Address] = pydantic.Field(max_length=2)


client = openai.OpenAI(base_url=sys.argv[1] + "/v1", api_key="none", max_retries=0)
messages = [{"role": "user", "content": "Extract: Jason is 25 years old, lives in Paris and works in Lyon."}]
# Mode.JSON only asks the model for the schema in words, which a small one does not follow.
for mode in (instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA):
    patched = instructor.from_openai(client, mode=mode)
    person, answer = patched.chat.completions.create_with_completion(model="small", response_model=Person, messages=messages, max_tokens=300, max_retries=2)
    assert isinstance(person, Person) and answer.choices[0], mode
patched = instructor.from_openai(client)
parts = list(patched.chat.completions.create_partial(model="small", response_model=Person, messages=messages, max_tokens=300))
assert parts and Person.model_validate(parts[-1].model_dump())
print("passed")
