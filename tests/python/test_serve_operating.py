# SPDX-License-Identifier: Apache-2.0
"""Running the server: flags from the environment and from a file, SIGHUP, forms of the log."""

import json
import os
import signal
import subprocess
import time

import pytest

from serving import ServeProcess, complete


def bearer(key: str) -> dict:
    return {"Authorization": f"Bearer {key}"}


def wait_for(condition, seconds: float = 20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_flags_from_the_environment_and_a_file(program, data, tmp_path, monkeypatch):
    model = data / "models" / "stories260K.gguf"
    file = tmp_path / "serve.conf"
    file.write_text(f'alias = "of-the-file"\nctx-size = 64\nmodel = "{model}"\n\n[run]\ntemp = 9\n')
    monkeypatch.setenv("LAZYLLM_PARALLEL", "3")
    monkeypatch.setenv("LAZYLLM_ALIAS", "of-the-environment")
    monkeypatch.setenv("LAZYLLM_STRICT_MODEL", "true")
    with ServeProcess(program.path, "--config", file, "--ctx-size", 32) as server:
        properties = server.get("/props")[1]
        assert (properties["total_slots"], properties["model"], properties["n_ctx"]) == (3, "of-the-file", 32)
        assert complete(server, model="another", max_tokens=1)[0] == 404
    text = program.ok("run", "-m", model, "--no-chat", "-p", "Once", "-n", 4, "--temp", 0)
    monkeypatch.setenv("LAZYLLM_PREDICT", "4")
    assert program.ok("run", "-m", model, "--no-chat", "-p", "Once", "--temp", 0) == text


@pytest.mark.parametrize("text, words", [("frobnicate = 1\n", "frobnicate"), ("port = many\n", "port"), (None, "nothing.conf")])
def test_a_bad_file_is_refused(program, data, tmp_path, text, words):
    file = tmp_path / "nothing.conf"
    if text:
        file.write_text(text)
    result = program.run("serve", "-m", data / "models" / "stories260K.gguf", "--config", file, timeout=60)
    assert result.returncode == 2 and words in result.stderr.decode()


def test_a_bad_variable_is_refused(program, data):
    result = subprocess.run([program.path, "serve", "-m", data / "models" / "stories260K.gguf"], env={**os.environ, "LAZYLLM_PORT": "many"},
                            capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 2 and "port" in result.stderr.lower()


def test_hangup_reads_keys_and_opens_the_log_again(program, data, tmp_path):
    keys, log = tmp_path / "keys.txt", tmp_path / "requests.log"
    keys.write_text("first\n")
    with ServeProcess(program.path, "-m", data / "models" / "stories260K.gguf", "--api-key-file", keys, "--log-file", log, "--log-format", "json") as server:
        running = server.start_post("/health", {})  # a connection that stays
        assert complete(server, headers=bearer("first"), max_tokens=1)[0] == 200
        wait_for(lambda: '"/v1/completions"' in log.read_text() and log.read_text().endswith("\n"))  # written after the answer
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        answered = next(line for line in lines if line["path"] == "/v1/completions")
        assert answered["status"] == 200 and answered["generated_tokens"] == 1 and answered["level"] == "info" and answered["ms"] > 0

        keys.write_text("second\n")
        log.rename(tmp_path / "requests.log.1")
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: any("keys are read" in line for line in server.lines))
        assert complete(server, headers=bearer("first"), max_tokens=1)[0] == 401
        assert complete(server, headers=bearer("second"), max_tokens=1)[0] == 200
        wait_for(lambda: len(log.read_text().splitlines()) == 2)

        keys.write_text("# none\n")  # a mistake opens the server to nobody
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: any("not reloaded" in line for line in server.lines))
        assert complete(server, headers={}, max_tokens=1)[0] == 401
        assert complete(server, headers=bearer("second"), max_tokens=1)[0] == 200
        running.close()


def test_hangup_cuts_no_answer(program, data):
    with ServeProcess(program.path, "-m", data / "models" / "stories260K.gguf") as server:
        client = server.start_post("/v1/completions", {"prompt": "Once", "max_tokens": 300, "ignore_eos": True, "stream": True})
        received = client.recv(100)
        server.process.send_signal(signal.SIGHUP)
        while not received.endswith(b"0\r\n\r\n"):
            more = client.recv(65536)
            assert more
            received += more
        assert b"[DONE]" in received and complete(server, headers={}, max_tokens=1)[0] == 200
