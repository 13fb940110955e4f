# SPDX-License-Identifier: Apache-2.0
"""The conversations that every template is rendered with."""


def turn(role, content, **more):
    return {"role": role, "content": content, **more}


TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tells the \"weather\" of a <place> & time\nin two lines",
        "parameters": {
            "type": "object",
            "properties": {
                "place": {"type": "string", "description": "Where; 'Köln', say"},
                "days": {"type": ["integer", "null"], "enum": [1, 2, 3], "default": 1},
                "detail": {"type": "object", "properties": {"wind": {"type": "boolean"}},
                           "required": ["wind"]},
                "list": {"type": "array", "items": {"type": "number"}},
            },
            "required": ["place"],
        },
        "return": {"type": "string"},
    },
}
OTHER_TOOL = {
    "type": "function",
    "function": {"name": "now", "description": "The time", "parameters":
                 {"type": "object", "properties": {}}},
}
CALL = {"id": "call00001", "type": "function",
        "function": {"name": "weather", "arguments": {"place": "Köln", "days": 2, "ok": True,
                                                      "none": None, "x": 1.5}}}
STRING_CALL = {"id": "call00002", "type": "function",
               "function": {"name": "now", "arguments": "{\"zone\": \"UTC\"}"}}

CONVERSATIONS = {
    "empty": [],
    "one user turn": [turn("user", "Hello!")],
    "system": [turn("system", "Be brief."), turn("user", "Hello!")],
    "several turns": [turn("system", "You are a poet.\n"), turn("user", " What is 1+1? "),
                      turn("assistant", "2\n"), turn("user", "And 2+2?"),
                      turn("assistant", "4"), turn("user", "Thanks")],
    "ends with assistant": [turn("user", "Hi"), turn("assistant", "Hello, how")],
    "no system, several": [turn("user", "a"), turn("assistant", "b"), turn("user", "c")],
    "empty contents": [turn("system", ""), turn("user", ""), turn("assistant", ""),
                       turn("user", "  \n\t ")],
    "special": [turn("system", "<|im_end|>{{ 1 }}{% if %}"),
                turn("user", "<s>[INST] \u00e4\u00f6\u00fc \u4f60\u597d \U0001F600 [/INST]</s>"
                             "<|eot_id|>\r\n\u00a0\u2003x\"'\\<end_of_turn>"),
                turn("assistant", "<think>\nhm\n</think>\n\nok"), turn("user", "\u00a0 y \u3000")],
    "thinking": [turn("user", "Why?"),
                 turn("assistant", "<think>\nbecause\n</think>\n\nSo.\n"),
                 turn("user", "Really?"),
                 turn("assistant", "Yes", reasoning_content="as before\n")],
    "user twice": [turn("user", "a"), turn("user", "b")],
    "assistant first": [turn("assistant", "a"), turn("user", "b")],
    "system late": [turn("user", "a"), turn("system", "s"), turn("user", "b")],
    "unknown role": [turn("user", "a"), turn("critic", "b")],
    "developer": [turn("developer", "Be kind"), turn("user", "a")],
    "no role": [{"content": "x"}],
    "no content": [{"role": "user"}],
    "content none": [turn("user", "a"), turn("assistant", None), turn("user", "b")],
    "parts": [turn("user", [{"type": "text", "text": "What is "}, {"type": "text", "text": "this?"}]),
              turn("assistant", [{"type": "text", "text": "It"}])],
    "image part": [turn("user", [{"type": "image"}, {"type": "text", "text": "this?"}])],
    "tool call": [turn("system", "Use tools."), turn("user", "Weather?"),
                  turn("assistant", "", tool_calls=[CALL]),
                  turn("tool", "{\"sky\": \"blue\"}", tool_call_id="call00001", name="weather"),
                  turn("assistant", "Blue."), turn("user", "Thanks")],
    "tool call, null": [turn("user", "Weather?"), turn("assistant", None, tool_calls=[CALL]),
                        turn("tool", "rain", tool_call_id="call00001", name="weather")],
    "tool calls": [turn("user", "Weather and time?"),
                   turn("assistant", "I look.", tool_calls=[CALL, STRING_CALL]),
                   turn("tool", "rain", tool_call_id="call00001", name="weather"),
                   turn("tool", {"hour": 12, "zone": ["a", 1.0, None]}, tool_call_id="call00002",
                        name="now"),
                   turn("user", "ok")],
    "string call": [turn("user", "Time?"), turn("assistant", "", tool_calls=[STRING_CALL]),
                    turn("tool", "12", tool_call_id="call00002", name="now")],
    "bare call": [turn("user", "Time?"),
                  turn("assistant", "", tool_calls=[CALL["function"]]),
                  turn("tool", "12")],
    "number content": [turn("user", 5)],
}

EXTRAS = {
    "": {},
    "tools": {"tools": [TOOL, OTHER_TOOL]},
    "bare tool": {"tools": [TOOL["function"]]},
    "no tools": {"tools": []},
    "no thinking": {"enable_thinking": False, "thinking": False},
    "thinking": {"enable_thinking": True, "thinking": True, "tools": [TOOL]},
    "documents": {"documents": [{"title": "T", "text": "a < b"}, {"title": "U", "text": "c"}],
                  "date_string": "1 Jan 2025", "functions": "[]",
                  "datetime": "noon"},
    "in user": {"tools": [TOOL], "tools_in_user_message": True, "date_string": "26 Jul 2024"},
    "system in user": {"tools": [TOOL], "tools_in_user_message": False,
                       "builtin_tools": ["brave_search", "code_interpreter"],
                       "reasoning_effort": "high", "xml_tools": [TOOL]},
}


def requests():
    for name, messages in CONVERSATIONS.items():
        for extra_name, extra in EXTRAS.items():
            for prompt in (False, True):
                label = ", ".join(filter(None, [name, extra_name, "prompt" if prompt else ""]))
                yield label, {
                    "messages": messages,
                    "options": {"add_generation_prompt": prompt, "bos_token": "<s>",
                                "eos_token": "</s>", "extra": extra}}


def expression_request():
    """What random_expressions.py draws its names from."""
    return {"messages": CONVERSATIONS["tool calls"],
            "options": {"add_generation_prompt": True, "bos_token": "<s>", "eos_token": "</s>",
                        "extra": {"s": "Hello, W\u00f6rld  ", "n": 7, "f": 2.5, "z": 0,
                                  "l": [3, 1, 2], "w": ["b", "A", "c", "a"], "e": "",
                                  "d": {"b": 1, "a": [1, {"x": None}], "items": "own"},
                                  "o": [{"k": 2, "t": "x"}, {"k": 1, "t": "Y"}, {"t": "x"}],
                                  "yes": True, "nothing": None}}}
