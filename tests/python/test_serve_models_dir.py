# SPDX-License-Identifier: Apache-2.0
"""--models-dir: models loaded as requests name them, unloaded when others need their place, never under a request."""

import concurrent.futures
import shutil
import subprocess
import time

import openai
import pytest

from serving import ServeProcess

CHAT = {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 4, "temperature": 0}


@pytest.fixture(scope="module")
def folder(data, smollm2, tiny_models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for name in ("one", "two"):
        shutil.copy(data / "models" / "stories260K.gguf", folder / f"{name}.gguf")
    (folder / "small.gguf").symlink_to(smollm2.resolve())
    (folder / "tiny").symlink_to(tiny_models / "llama-gqa")
    (folder / "broken.gguf").write_bytes(b"GGUF" + b"\0" * 100)
    (folder / "readme.txt").write_text("no model")
    return folder


@pytest.fixture
def server(program, folder):
    with ServeProcess(program.path, "--models-dir", folder, "--models-max", 2, "-c", 256, "--library", "none") as process:
        yield process


def statuses(server) -> dict[str, str]:
    return {model["id"]: model["status"]["value"] for model in server.get("/v1/models")[1]["data"]}


def complete(server, model: str | None, **fields):
    return server.ask("/v1/completions", {"prompt": "Once upon", "max_tokens": 4, "temperature": 0, **({"model": model} if model else {}), **fields})


def test_requests_load_what_they_name(server):
    assert server.get("/health")[0] == 200
    assert statuses(server) == dict.fromkeys(["one", "two", "small", "tiny", "broken"], "unloaded")
    assert server.get("/props")[1]["role"] == "router" and server.get("/props")[1]["max_instances"] == 2
    assert complete(server, None)[0] == 400  # which one?
    status, answer = complete(server, "one")
    assert status == 200 and answer["model"] == "one"
    assert complete(server, "two.gguf")[1]["model"] == "two" and complete(server, "one:latest")[1]["model"] == "one"
    assert complete(server, None)[1]["model"] == "one"  # used last
    chat = server.ask("/v1/chat/completions", {**CHAT, "model": "small"})[1]
    assert chat["model"] == "small" and chat["choices"][0]["message"]["content"]
    assert statuses(server) == {"one": "loaded", "two": "unloaded", "small": "loaded", "tiny": "unloaded", "broken": "unloaded"}
    assert server.get("/props?model=small")[1]["model"] == "small"
    assert server.get("/slots?model=one")[0] == 200 and server.ask("/tokenize?model=one", {"content": "x"})[0] == 200
    # The same answer as before it was unloaded.
    assert complete(server, "two")[1]["choices"] == complete(server, "one")[1]["choices"]


def test_other_protocols_and_lists(server):
    assert server.ask("/api/generate", {"model": "one", "prompt": "Once", "stream": False})[1]["model"] == "one"
    tags = server.get("/api/tags")[1]["models"]
    assert sorted(model["name"] for model in tags) == ["broken", "one", "small", "tiny", "two"] and all(model["size"] > 0 for model in tags)
    assert [model["name"] for model in server.get("/api/ps")[1]["models"]] == ["one"]
    assert server.ask("/v1/messages", {**CHAT, "model": "small"})[1]["model"] == "small"
    client = openai.OpenAI(base_url=server.url + "/v1", api_key="x", max_retries=0)
    assert {model.id for model in client.models.list()} == {"one", "two", "small", "tiny", "broken"}
    assert client.models.retrieve("tiny").id == "tiny"
    assert "".join(part.choices[0].text for part in client.completions.create(model="two", prompt="Once", max_tokens=5, stream=True) if part.choices)
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("absent")


def test_loaded_and_unloaded_by_hand(server):
    for _ in range(2):
        assert server.ask("/models/load", {"model": "one"}) == (200, {"success": True})
    assert statuses(server)["one"] == "loaded"
    assert server.ask("/models/unload", {"model": "one"}) == (200, {"success": True})
    assert statuses(server)["one"] == "unloaded"
    assert server.ask("/models/unload", {"model": "one"})[0] == 400
    for path in ("/models/load", "/models/unload"):
        assert server.ask(path, {"model": "absent"})[0] == 404
        assert server.ask(path, {})[0] == 400 and server.ask(path, b"junk")[0] == 400


def test_what_is_not_there_or_broken_is_said(server):
    status, answer = complete(server, "absent")
    assert status == 404 and answer["error"]["code"] == "model_not_found" and '"one"' in answer["error"]["message"]
    status, answer = complete(server, "broken")
    assert status >= 400 and answer["error"]["message"], answer
    broken = next(model for model in server.get("/v1/models")[1]["data"] if model["id"] == "broken")
    assert broken["status"]["value"] == "unloaded" and broken["status"]["failed"]
    assert complete(server, "one")[0] == 200
    for name in ("../one", "/etc/passwd", "one/../two", "."):
        assert complete(server, name)[0] == 404
    assert server.ask("/v1/completions", b"{")[0] == 400 and server.ask("/v1/completions", {"model": 5, "prompt": "x"})[0] == 400


def test_no_request_is_cut_where_all_want_another(program, folder):
    with ServeProcess(program.path, "--models-dir", folder, "--models-max", 1, "-c", 256, "--library", "none") as server, concurrent.futures.ThreadPoolExecutor(12) as pool:
        long = pool.submit(complete, server, "one", max_tokens=200, ignore_eos=True)
        time.sleep(0.5)
        others = [pool.submit(complete, server, ["two", "one", "tiny" if i == 5 else "two"][i % 3], **({"prompt": [1, 2, 3]} if i == 5 else {})) for i in range(9)]
        assert long.result()[0] == 200 and long.result()[1]["usage"]["completion_tokens"] == 200
        for answer in others:
            status, text = answer.result(timeout=120)
            assert status in {200, 501} or "tokenizer" in str(text), text
        assert list(statuses(server).values()).count("loaded") == 1


def test_only_by_hand_and_by_name(program, folder):
    with ServeProcess(program.path, "--models-dir", folder, "--no-models-autoload", "--strict-model", "-c", 256) as server:
        assert complete(server, "one")[1]["error"]["code"] == "model_not_loaded"
        assert server.ask("/models/load", {"model": "one"})[0] == 200
        assert complete(server, "one")[0] == 200
        status, answer = complete(server, None)
        assert status == 400 and answer["error"]["param"] == "model"


def test_flags_that_contradict(program, folder, data):
    for arguments, words in ((["--models-dir", folder, "-m", data / "models" / "stories260K.gguf"], "--models-dir"), (["--models-dir", folder / "absent"], "no such folder"),
                             (["--models-dir", folder, "--alias", "x"], "--alias")):
        done = subprocess.run([program.path, "serve", "--port", "0", *arguments], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 2 and words in done.stderr, done
