# SPDX-License-Identifier: Apache-2.0
"""Chats as other servers take them: roles, parts of texts, tools, templates and forms of answers."""

import json
import re

import pytest

from serving import ServeProcess

HI = [{"role": "user", "content": "hi"}]
TOOL = {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}


@pytest.fixture(scope="module")
def server(program, smollm2):
    """The default model with its own template, which knows no tools."""
    with ServeProcess(program.path, "-m", smollm2, "--temp", 0, "-c", 2048) as process:
        yield process


@pytest.fixture(scope="module")
def bare(program, data):
    """A model without a chat template."""
    with ServeProcess(program.path, "-m", data / "models" / "stories260K.gguf") as process:
        yield process


def rendered(server, **body):
    status, answer = server.ask("/apply-template", body)
    assert status == 200, answer
    return answer["prompt"]


def text(server, tokens=24, **body):
    status, answer = server.ask("/v1/chat/completions", {"messages": HI, "max_tokens": tokens, **body})
    assert status == 200, answer
    return answer["choices"][0]["message"]["content"]


def test_the_developer_is_the_system(server):
    messages = [{"role": "developer", "content": "BE BRIEF"}, *HI]
    assert "<|im_start|>system\nBE BRIEF<|im_end|>" in rendered(server, messages=messages)


def test_parts_of_a_text_stand_on_lines_of_their_own(server):
    parts = [{"type": "text", "text": "What is"}, {"type": "text", "text": "the best book"}]
    assert "What is\nthe best book" in rendered(server, messages=[{"role": "user", "content": parts}])


def test_a_model_without_a_template_chats_in_chatml(bare):
    assert rendered(bare, messages=HI) == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
    assert any("ChatML" in line for line in bare.lines)
    status, _ = bare.ask("/v1/chat/completions", {"messages": HI, "max_tokens": 4})
    assert status == 200


def test_tools_are_told_where_the_template_knows_none(server):
    prompt = rendered(server, messages=HI, tools=[TOOL])
    assert '"name":"now"' in prompt and "<tool_call>" in prompt


def test_a_forced_call_whose_parameters_refer_to_definitions(server):
    parameters = {"$defs": {"Size": {"enum": ["small"]}}, "type": "object", "properties": {"size": {"$ref": "#/$defs/Size"}},
                  "required": ["size"], "additionalProperties": False}
    tool = {"type": "function", "function": {"name": "order", "parameters": parameters}}
    status, answer = server.ask("/v1/chat/completions", {"messages": HI, "tools": [tool], "tool_choice": "required", "max_tokens": 60})
    assert status == 200, answer
    call = answer["choices"][0]["message"]["tool_calls"][0]["function"]
    assert (call["name"], json.loads(call["arguments"])) == ("order", {"size": "small"})


def test_large_integers_in_tools(server):
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"id": {"type": "integer", "maximum": 18446744073709551615}}}}}
    assert "18446744073709551615" in rendered(server, messages=HI, tools=[tool])


SCHEMA = {"type": "object", "properties": {"zz": {"type": "boolean"}}, "required": ["zz"], "additionalProperties": False}


@pytest.mark.parametrize("form", [
    {"response_format": {"type": "json_object", "schema": SCHEMA}},
    {"response_format": {"type": "json_schema", "json_schema": {"schema": SCHEMA}}},
    {"json_schema": SCHEMA},
    {"guided_json": SCHEMA},
    {"structured_outputs": {"json": SCHEMA}},
])
def test_every_way_to_give_a_schema_is_honoured(server, form):
    assert set(json.loads(text(server, **form))) == {"zz"}


@pytest.mark.parametrize("form, pattern", [
    ({"guided_regex": "[A-C]{3}-[0-9]{2}"}, "[A-C]{3}-[0-9]{2}"),
    ({"structured_outputs": {"regex": "x{5}"}}, "x{5}"),
    ({"guided_choice": ["left", "right"]}, "left|right"),
    ({"grammar": 'root ::= "<" pair{2} ">"\npair ::= [ab] [01]'}, "<([ab][01]){2}>"),
])
def test_texts_are_held_to_patterns_choices_and_grammars(server, form, pattern):
    assert re.fullmatch(pattern, text(server, **form))


def test_a_grammar_that_cannot_be_read_is_refused_with_its_line(server):
    status, answer = server.ask("/v1/chat/completions", {"messages": HI, "grammar": "root ::= a\n"})
    assert (status, answer["error"]["code"], answer["error"]["param"]) == (400, "invalid_grammar", "grammar")
    assert "line 1" in answer["error"]["message"]


def test_two_turns_of_the_assistant_at_the_end_are_refused(server):
    turn = {"role": "assistant", "content": "a"}
    status, _ = server.ask("/v1/chat/completions", {"messages": [*HI, turn, turn], "max_tokens": 1})
    assert status == 400
