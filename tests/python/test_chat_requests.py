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


# --- what is thought, and calls piece by piece ---


@pytest.fixture(scope="module")
def thinker(program, smollm2, tmp_path_factory):
    """A template that leaves what is thought open, and shows it in the history."""
    template = tmp_path_factory.mktemp("template") / "think.jinja"
    template.write_text("{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif %}"
                        "{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}")
    with ServeProcess(program.path, "-m", smollm2, "--temp", 0, "-c", 2048, "--chat-template", template) as process:
        yield process


def test_thoughts_come_apart_from_the_text(thinker):
    body = {"messages": HI, "max_tokens": 12}
    message = thinker.ask("/v1/chat/completions", body)[1]["choices"][0]["message"]
    assert message["content"] == "" and message["reasoning_content"]
    events = thinker.events("/v1/chat/completions", {**body, "stream": True})[:-1]
    assert "".join(event["choices"][0]["delta"].get("reasoning_content", "") for event in events) == message["reasoning_content"]
    within = thinker.ask("/v1/chat/completions", {**body, "reasoning_format": "none"})[1]["choices"][0]["message"]
    assert within["content"].strip().startswith(message["reasoning_content"][:20]) and "reasoning_content" not in within
    block = thinker.ask("/v1/messages", body)[1]["content"][0]
    assert (block["type"], block["thinking"]) == ("thinking", message["reasoning_content"])
    item = thinker.ask("/v1/responses", {"input": "hi", "max_output_tokens": 12})[1]["output"][0]
    assert (item["type"], item["content"][0]["text"]) == ("reasoning", message["reasoning_content"])
    said = thinker.ask("/api/chat", {"messages": HI, "options": {"num_predict": 12}, "stream": False})[1]["message"]
    assert said["thinking"] == message["reasoning_content"] and said["content"] == ""


def test_thoughts_of_the_history_are_rendered(thinker):
    messages = [*HI, {"role": "assistant", "content": "a", "reasoning_content": "because"}, *HI]
    assert "<think>because</think>a" in rendered(thinker, messages=messages)


def test_a_demanded_form_is_not_thought(thinker):
    answer = thinker.ask("/v1/chat/completions", {"messages": HI, "max_tokens": 40, "guided_choice": ["left", "right"]})[1]
    assert answer["choices"][0]["message"]["content"] in {"left", "right"}


LONG_TOOL = {"type": "function", "function": {"name": "note", "parameters": {"type": "object", "properties": {"text": {"type": "string", "minLength": 40, "maxLength": 60}},
                                                                           "required": ["text"], "additionalProperties": False}}}


def test_forced_calls_stream_piece_by_piece(server):
    body = {"messages": HI, "tools": [LONG_TOOL], "tool_choice": "required", "max_tokens": 120}
    whole = server.ask("/v1/chat/completions", body)[1]["choices"][0]["message"]["tool_calls"][0]["function"]
    events = server.events("/v1/chat/completions", {**body, "stream": True})[:-1]
    pieces = [call for event in events for call in event["choices"][0]["delta"].get("tool_calls", [])]
    assert pieces[0]["function"]["name"] == "note" and pieces[0]["id"] and len(pieces) > 5
    assert not any("name" in piece["function"] or "id" in piece for piece in pieces[1:])
    assert "".join(piece["function"]["arguments"] for piece in pieces) == whole["arguments"]
    assert events[-1]["choices"][0]["finish_reason"] == "tool_calls" and json.loads(whole["arguments"])["text"]


def test_a_forced_call_that_is_cut_comes_in_part(server, data):
    body = json.loads((data / "faults" / "f15_required_cut.json").read_text())
    choice = server.ask("/v1/chat/completions", body)[1]["choices"][0]
    assert choice["finish_reason"] == "length" and not choice["message"]["content"]
    assert choice["message"]["tool_calls"][0]["function"]["name"]


def test_a_last_turn_of_the_assistant_is_continued(server):
    messages = [*HI, {"role": "assistant", "content": "The colours are"}]
    assert rendered(server, messages=messages).endswith("<|im_start|>assistant\nThe colours are")
    closed = rendered(server, messages=messages, continue_final_message=False)
    assert closed.endswith("The colours are<|im_end|>\n<|im_start|>assistant\n")


def test_functions_as_they_were_before_tools(server):
    body = {"messages": HI, "functions": [LONG_TOOL["function"]], "function_call": {"name": "note"}, "max_tokens": 120}
    choice = server.ask("/v1/chat/completions", body)[1]["choices"][0]
    call = choice["message"]["function_call"]
    assert choice["finish_reason"] == "function_call" and call["name"] == "note" and len(json.loads(call["arguments"])["text"]) >= 40
    deltas = [event["choices"][0]["delta"].get("function_call", {}) for event in server.events("/v1/chat/completions", {**body, "stream": True})[:-1]]
    assert "".join(delta.get("arguments", "") for delta in deltas) == call["arguments"]
    history = [*HI, {"role": "assistant", "function_call": call}, {"role": "function", "name": "note", "content": "done"}]
    status, answer = server.ask("/v1/chat/completions", {"messages": history, "max_tokens": 1})
    assert status == 200, answer
    status, answer = server.ask("/v1/chat/completions", {**body, "tools": [LONG_TOOL]})
    assert status == 400 and answer["error"]["param"] == "functions"
    status, answer = server.ask("/v1/chat/completions", {"messages": HI, "functions": [{"name": "a"}, {}]})
    assert status == 400 and answer["error"]["param"] == "functions[1].name"


def test_the_server_decides_whether_models_think(program, smollm2, tmp_path):
    template = tmp_path / "think.jinja"
    template.write_text("{{ enable_thinking | default('unsaid') }}")
    for flags, said in (([], "True"), (["--reasoning", "off"], "False"), (["--reasoning", "on"], "True")):
        with ServeProcess(program.path, "-m", smollm2, "-c", 128, "--no-warmup", "--chat-template", template, *flags) as server:
            assert rendered(server, messages=HI) == said
            assert rendered(server, messages=HI, chat_template_kwargs={"enable_thinking": "mine"}) == "mine"


# --- templates on the command line ---


@pytest.mark.parametrize("command", ["run", "chat", "serve"])
def test_an_unknown_template_is_told_with_the_known_ones(program, data, command):
    more = ["-p", "hi"] if command == "run" else []
    result = program.run(command, "-m", data / "models" / "stories260K.gguf", "--chat-template", "chatlm", *more)
    assert result.returncode == 2 and b"chatml" in result.stderr and b"llama3" in result.stderr


def test_templates_by_name_and_from_files(program, data, tmp_path):
    stories = data / "models" / "stories260K.gguf"
    file = tmp_path / "plain.jinja"
    file.write_text("{% for m in messages %}{{ m.content }}{% endfor %}")
    bare = program.ok("run", "-m", stories, "--no-chat", "-p", "Once upon a time", "-n", 8)
    assert program.ok("run", "-m", stories, "--chat-template", file, "-p", "Once upon a time", "-n", 8) == bare
    assert program.ok("run", "-m", stories, "--chat-template", "chatml", "-p", "Once upon a time", "-n", 8) != bare
    assert program.ok("chat", "-m", stories, "--chat-template", "vicuna", "-n", 4, stdin="hi\n")


def test_a_template_that_cannot_be_read_is_an_error_for_chats_only(program, data):
    with ServeProcess(program.path, "-m", data / "faults" / "go_template.gguf") as server:
        assert any("cannot be read" in line for line in server.lines)
        assert server.ask("/v1/completions", {"prompt": "a", "max_tokens": 2})[0] == 200
        status, answer = server.ask("/v1/chat/completions", {"messages": HI, "max_tokens": 2})
        assert status >= 400 and "--chat-template" in answer["error"]["message"]
