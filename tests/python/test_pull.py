# SPDX-License-Identifier: Apache-2.0
"""`lazyllm pull` and -hf against a hub of our own: by name, repository and URL, resumed, checked, refused."""

import hashlib
import http.server
import json
import os
import signal
import subprocess
import threading
import time

import pytest


class Hub(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        hub = self.server.hub
        hub.requests.append((self.path, dict(self.headers)))
        if self.path.startswith("/api/models/owner/model/tree/main"):
            return self.reply(200, json.dumps(hub.files).encode())
        if self.path.startswith("/owner/model/resolve/main/"):
            return self.redirect("/storage/" + self.path.rsplit("/", 1)[1])
        if self.path.startswith("/storage/"):
            return self.file()
        if self.path == "/loop.gguf":
            return self.redirect("/loop.gguf")
        if self.path == "/private.gguf":
            return self.reply(401, b"no")
        self.reply(404, b"<html>nothing here</html>")

    def redirect(self, to):
        self.send_response(302)
        self.send_header("Location", to)
        self.send_header("ETag", '"of the redirect"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def reply(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def file(self):
        hub = self.server.hub
        begin, status, body = 0, 200, hub.content
        asked = self.headers.get("Range")
        if asked and self.headers.get("If-Range") == hub.tag:
            begin = int(asked.removeprefix("bytes=").rstrip("-"))
            if begin >= len(body):
                return self.reply(416, b"")
            status, body = 206, body[begin:]
        self.send_response(status)
        self.send_header("ETag", hub.tag)
        self.send_header("Content-Length", str(len(body)))
        if status == 206:
            self.send_header("Content-Range", f"bytes {begin}-{len(hub.content) - 1}/{len(hub.content)}")
        self.end_headers()
        stop = hub.break_after if hub.break_after is not None else len(body)
        for at in range(0, min(stop, len(body)), 65536):
            self.wfile.write(body[at:min(at + 65536, stop)])
            time.sleep(hub.pause)
        if stop < len(body):
            self.close_connection = True


@pytest.fixture
def hub(data):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.content = None
    server.hub = server
    server.content = (data / "models" / "stories260K.gguf").read_bytes()
    server.tag, server.break_after, server.pause, server.requests = '"v1"', None, 0.0, []
    digest = hashlib.sha256(server.content).hexdigest()
    server.files = [{"path": "README.md"}, {"path": "stories-Q8_0.gguf", "lfs": {"oid": digest}}, {"path": "stories-f16.gguf", "lfs": {"oid": "0" * 64}}]
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


@pytest.fixture
def pull(program, hub, tmp_path):
    models = tmp_path / "models"
    environment = {**os.environ, "LAZYLLM_MODELS": str(models), "HF_ENDPOINT": hub.url + "/", "HF_TOKEN": "secret", "no_proxy": "*", "NO_PROXY": "*"}

    def run(*arguments, command="pull"):
        return subprocess.run([program.path, command, *map(str, arguments)], capture_output=True, text=True, check=False, env=environment, timeout=120)

    run.models, run.environment = models, environment
    return run


def left(folder):
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def test_from_a_repository(pull, hub):
    result = pull("hf:owner/model")
    path = pull.models / "owner--model" / "stories-Q8_0.gguf"
    assert result.returncode == 0 and result.stdout == f"{path}\n", result.stderr
    assert path.read_bytes() == hub.content and left(pull.models) == ["owner--model/stories-Q8_0.gguf"]
    assert hub.requests[0][1]["Authorization"] == "Bearer secret"
    before = len(hub.requests)
    assert pull("hf:owner/model:q8").returncode == 0
    assert all(not path.startswith("/storage/") for path, _ in hub.requests[before:]), "what is there is not fetched again"
    assert str(path) in pull(command="list").stdout


def test_run_fetches_what_hf_names(pull, hub):
    result = pull("-hf", "owner/model:Q8_0", "--no-chat", "-p", "Once upon a time", "-n", 8, command="run")
    assert result.returncode == 0 and result.stdout.startswith(", there was"), result.stderr


def test_a_broken_transfer_goes_on(pull, hub):
    hub.break_after = 300000
    result = pull(hub.url + "/storage/a.gguf")
    assert result.returncode == 1 and "try again" in result.stderr and left(pull.models) == ["a.gguf.part", "a.gguf.part.tag"]
    there = (pull.models / "a.gguf.part").stat().st_size
    assert 0 < there <= 300000
    hub.break_after = None
    assert pull(hub.url + "/storage/a.gguf").returncode == 0
    assert hub.requests[-1][1]["Range"] == f"bytes={there}-"
    assert (pull.models / "a.gguf").read_bytes() == hub.content and left(pull.models) == ["a.gguf"]


def test_another_version_is_fetched_from_its_beginning(pull, hub):
    hub.break_after = 300000
    pull(hub.url + "/storage/a.gguf")
    hub.break_after, hub.tag, hub.content = None, '"v2"', bytes(reversed(hub.content))
    assert pull(hub.url + "/storage/a.gguf").returncode == 0
    assert (pull.models / "a.gguf").read_bytes() == hub.content


def test_a_whole_part_is_taken(pull, hub):
    pull.models.mkdir()
    (pull.models / "a.gguf.part").write_bytes(hub.content)
    (pull.models / "a.gguf.part.tag").write_text(hub.tag)
    assert pull(hub.url + "/storage/a.gguf").returncode == 0 and left(pull.models) == ["a.gguf"]


def test_ctrl_c_keeps_what_is_there(pull, hub, program):
    hub.pause = 0.2
    process = subprocess.Popen([program.path, "pull", hub.url + "/storage/a.gguf"], env=pull.environment, stderr=subprocess.PIPE, text=True)
    while not (pull.models / "a.gguf.part").exists() or (pull.models / "a.gguf.part").stat().st_size == 0:
        time.sleep(0.02)
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130 and "goes on" in process.stderr.read()
    hub.pause = 0.0
    assert pull(hub.url + "/storage/a.gguf").returncode == 0 and (pull.models / "a.gguf").read_bytes() == hub.content


def test_a_wrong_sum_is_refused(pull, hub):
    result = pull("hf:owner/model:f16")
    assert result.returncode == 1 and "sha256" in result.stderr and left(pull.models) == []
    result = pull(hub.url + "/storage/a.gguf", "--sha256", "1" * 64)
    assert result.returncode == 1 and left(pull.models) == []
    assert pull(hub.url + "/storage/a.gguf", "--sha256", hashlib.sha256(hub.content).hexdigest()).returncode == 0


@pytest.mark.parametrize("what, code, words", [
    ("qwen9", 2, "qwen2.5-coder-0.5b"), ("smollm2-135m", 2, "tools/fetch-model"), ("hf:model", 2, "OWNER/REPO"), ("hf:../../etc", 2, "OWNER/REPO"),
    ("hf:owner/model:Q2_K", 2, "stories-Q8_0.gguf, stories-f16.gguf"), ("hf:owner/absent", 1, "404"), ("file:///etc/passwd", 2, "URL"),
    ("{hub}/storage/notes.txt", 2, ".gguf"), ("{hub}/absent.gguf", 1, "no such file"), ("{hub}/private.gguf", 1, "HF_TOKEN"), ("{hub}/loop.gguf", 1, "redirect"),
    ("http://127.0.0.1:1/a.gguf", 1, "network"), ("qwen2.5-coder-0.5b", 1, "404")])
def test_what_cannot_be_fetched(pull, hub, what, code, words):
    result = pull(what.replace("{hub}", hub.url))
    assert result.returncode == code and words in result.stderr and result.stdout == "", result
    assert not pull.models.exists() or left(pull.models) == []
