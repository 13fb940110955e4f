# SPDX-License-Identifier: Apache-2.0
"""Walks through the tables of docs/parameters.md: what is honoured, what is refused and what is harmless is so."""

import json
import re

import pytest

from conftest import ROOT
from serving import ServeProcess

PATHS = {"chat": "/v1/chat/completions", "text": "/v1/completions", "native": "/completion"}
QUESTION = {"chat": {"messages": [{"role": "user", "content": "Name a colour."}]}, "text": {"prompt": "Once upon"}, "native": {"prompt": "Once upon"}}


def table(section: str) -> list[list[str]]:
    text = (ROOT / "docs" / "parameters.md").read_text().split(f"\n## {section}\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line.startswith("| `")]
    assert rows
    return rows


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def values(cell: str) -> list:
    return [json.loads(text) for text in re.findall(r"`([^`]+)`", cell.split(": ")[0] if cell.startswith("`\"") else cell)]


HONOURED = [(names(row[0])[0], path.strip(), json.loads(names(row[2])[0]))
            for row in table("Honoured") if len(names(row[0])) == 1 and len(row) > 2 and row[2].startswith("`")
            for path in (PATHS if row[1] == "all" else row[1].split(","))]
REFUSED = [(names(row[0])[0], json.loads(names(row[1])[0]), [json.loads(text) for text in names(row[2])] if len(row) > 2 else [])
           for row in table("Refused")]
HARMLESS = [name for row in table("Harmless") for name in names(row[0])]


@pytest.fixture(scope="module")
def server(program, smollm2):
    with ServeProcess(program.path, "-m", smollm2, "--temp", 0, "-c", 512, "--parallel", 2) as process:
        yield process


def ask(server, path: str, **fields):
    limit = {} if fields.keys() & {"max_tokens", "max_completion_tokens", "n_predict"} else {"max_tokens": 4}
    status, answer = server.ask(PATHS[path], {**QUESTION[path], "seed": 1, **limit, **fields})
    for extra in ("id", "created", "timings", "lazy", "usage"):
        if isinstance(answer, dict):
            answer.pop(extra, None)
    return status, answer


def text_of(path: str, answer) -> str:
    if path == "native":
        return answer["content"]
    return json.dumps([choice.get("message", choice.get("text")) for choice in answer["choices"]])


def test_the_tables_are_whole():
    listed = [name for row in table("Honoured") + table("Embeddings") + table("Reranking") + table("Refused") + table("Harmless") for name in names(row[0])]
    code = (ROOT / "src" / "server" / "parameters.cpp").read_text()
    assert set(listed) == set(re.findall(r'^    \{"([^"]+)"', code, re.MULTILINE))


@pytest.mark.parametrize("name, path, value", HONOURED)
def test_honoured(server, name, path, value):
    status, answer = ask(server, path, **{name: value})
    assert status == 200, answer


@pytest.mark.parametrize("name, value, nothing", REFUSED)
def test_refused_by_name(server, name, value, nothing):
    for path in PATHS:
        status, answer = ask(server, path, **{name: value})
        assert status == 400 and answer["error"]["param"] == name and name in answer["error"]["message"], answer
        assert answer["error"]["code"] == "unsupported_parameter"
        for harmless in [*nothing, None]:
            assert ask(server, path, **{name: harmless}) == ask(server, path)


def test_harmless_fields_change_nothing(server):
    for path in PATHS:
        plain = ask(server, path)
        assert plain[0] == 200
        for name in HARMLESS:
            for value in (1, "x", {"y": [2]}):
                assert ask(server, path, **{name: value}) == plain, name


@pytest.mark.parametrize("name, value, path, other", [
    ("temperature", 5.0, "text", {"seed": 3}), ("logit_bias", {"28": -100, "30": -100, "253": -100, "260": -100}, "text", {}),
    ("n_predict", 1, "native", {}), ("max_tokens", 1, "chat", {}), ("repetition_penalty", 50, "text", {"max_tokens": 30}),
    ("response_format", {"type": "json_object"}, "chat", {}), ("json_schema", {"type": "object"}, "native", {}), ("json_schema", {}, "text", {}),
    ("grammar", "root ::= [0-9]+", "chat", {}), ("guided_json", {"type": "integer"}, "chat", {}), ("guided_regex", "[0-9]+", "native", {}),
    ("guided_choice", ["left", "right"], "text", {}), ("guided_grammar", "root ::= [0-9]+", "text", {}), ("structured_outputs", {"choice": ["left"]}, "chat", {}),
])
def test_honoured_ones_change_the_answer(server, name, value, path, other):
    plain, changed = ask(server, path, **other), ask(server, path, **{**other, name: value})
    assert text_of(path, plain[1]) != text_of(path, changed[1])


def test_fields_of_one_path_are_refused_at_another(server):
    assert ask(server, "native", echo=True)[1]["error"]["param"] == "echo"
    assert ask(server, "chat", n_probs=3)[1]["error"]["param"] == "n_probs"
    assert ask(server, "text", tools=[{}])[1]["error"]["param"] == "tools"


def test_slips_are_refused_and_unknown_names_are_told(server):
    for slip, meant in (("temprature", "temperature"), ("max_token", "max_tokens"), ("tempearture", "temperature")):
        status, answer = ask(server, "chat", **{slip: 1})
        assert status == 400 and answer["error"]["code"] == "unknown_parameter" and f"did you mean {meant}?" in answer["error"]["message"]
    status, headers, _ = server.exchange("/v1/chat/completions", {**QUESTION["chat"], "max_tokens": 1, "frobnicate": 1, "a\r\nb": 2})
    assert status == 200 and headers["X-Ignored-Parameters"] == "frobnicate"
