# SPDX-License-Identifier: Apache-2.0
"""Real clients run what their documentation shows first (tests/clients) against the server."""

import subprocess
import sys
import venv

import openai
import pydantic
import pytest

from serving import HI


class Colour(pydantic.BaseModel):
    name: str = pydantic.Field(max_length=20)
    warm: bool


def test_openais_parse(chat):
    client = openai.OpenAI(base_url=chat.url + "/v1", api_key="none", max_retries=0)
    answer = client.chat.completions.parse(model="gpt-4o", messages=HI, response_format=Colour, max_tokens=60)
    assert isinstance(answer.choices[0].message.parsed, Colour)
    tools = [openai.pydantic_function_tool(Colour, name="paint")]
    call = client.chat.completions.parse(model="gpt-4o", messages=HI, tools=tools, tool_choice="required", max_tokens=60).choices[0].message.tool_calls[0]
    assert call.function.name == "paint" and isinstance(call.function.parsed_arguments, Colour)
    with client.chat.completions.stream(model="gpt-4o", messages=HI, response_format=Colour, max_tokens=60) as stream:
        for _ in stream:
            pass
        assert stream.get_final_completion().choices[0].message.parsed == answer.choices[0].message.parsed


def run(interpreter, root, name: str, server):
    script = root / "tests" / "clients" / f"{name}_client.py"
    result = subprocess.run([str(interpreter), script, server.url], capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0 and result.stdout.endswith("passed\n"), result.stdout[-3000:] + result.stderr[-3000:]


def test_litellm(chat, root):
    pytest.importorskip("litellm")
    run(sys.executable, root, "litellm", chat)


def test_langchain(chat, root):
    pytest.importorskip("langchain_openai")
    run(sys.executable, root, "langchain", chat)


def test_instructor(chat, root, tmp_path):
    """In an environment of its own: it wants an older jiter than openai's package."""
    venv.create(tmp_path / "venv", with_pip=True)
    interpreter = tmp_path / "venv" / "bin" / "python"
    installed = subprocess.run([interpreter, "-m", "pip", "install", "--quiet", "instructor==1.17.0"], capture_output=True, text=True, timeout=600, check=False)
    if installed.returncode != 0:
        pytest.skip("pip could not install instructor: " + installed.stderr.strip()[-200:])
    run(interpreter, root, "instructor", chat)
