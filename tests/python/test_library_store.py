# SPDX-License-Identifier: Apache-2.0
"""Two servers with libraries of their own and one Redis: what one has read is warm on the other, and a Redis that is
gone, slow or full costs a bounded wait and never an answer."""

import contextlib
import pathlib
import shutil
import socket
import subprocess
import threading
import time

import proxies
import pytest
from serving import ServeProcess

TEXT = "There was a cat. " + "Once upon a time she went to the park and saw a big red ball. " * 8


class Redis:
    def __init__(self, folder: pathlib.Path, *arguments):
        if shutil.which("redis-server") is None:
            pytest.skip("redis-server is not installed")
        self.command = ["redis-server", "--port", str(proxies.free_port()), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder, *arguments]
        self.port = int(self.command[2])
        self.start()

    @property
    def address(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL)
        end = time.monotonic() + 20
        while self.ask("PING") != b"+PONG\r\n":
            assert time.monotonic() < end, "redis-server did not start"
            time.sleep(0.05)

    def ask(self, line: str) -> bytes:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=2) as client:
            client.sendall(line.encode() + b"\r\n")
            return client.recv(65536)
        return b""

    def stop(self):
        self.process.kill()
        self.process.wait(20)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


@pytest.fixture
def redis(tmp_path):
    with Redis(tmp_path) as server:
        yield server


def serve(program, data, folder, address, *arguments, model="stories260K.gguf"):
    return ServeProcess(program.path, "-m", data / "models" / model, "--library", folder, "--library-store", address, *arguments)


def ask(server, **fields) -> dict:
    body = {"prompt": TEXT + "And then", "max_tokens": 8, "temperature": 0, "logprobs": 1, **fields}
    status, answer = server.ask("/v1/completions", body)
    assert status == 200, answer
    return answer


def cached(answer: dict) -> int:
    return answer["usage"]["prompt_tokens_details"]["cached_tokens"]


def words(answer: dict):
    return answer["choices"][0]["text"], answer["choices"][0]["logprobs"]["token_logprobs"]


def wait_for(condition, seconds: float = 30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def count(redis) -> int:
    """Entries that the store was told of."""
    keys = redis.ask("KEYS lazyllm:1:*").decode().split("\r\n")
    hashes = [key for key in keys if key.startswith(("lazyllm:1:documents", "lazyllm:1:snapshots"))]
    return sum(int(redis.ask(f'HLEN "{key}"')[1:-2]) for key in hashes)


def test_what_one_has_read_is_warm_on_the_other(program, data, tmp_path, redis):
    with serve(program, data, tmp_path / "a", redis.address) as first:
        alone = ask(first, cache_prompt=False)
        assert words(ask(first)) == words(alone)
        status, document = first.ask("/v1/documents", {"text": TEXT, "name": "cat.txt"})
        assert status == 200
        wait_for(lambda: count(redis) >= 2)
    with serve(program, data, tmp_path / "b", redis.address) as second:
        answer = ask(second)
        assert cached(answer) > 64 and words(answer) == words(alone)
        status, shown = second.ask(f"/v1/documents/{document['id']}")
        assert status == 200 and shown["name"] == "cat.txt"
        named = second.ask("/v1/completions", {"documents": [document["id"]], "prompt": "And then", "max_tokens": 4})
        assert named[0] == 200, named
        # Removed here, it is gone there.
        assert second.exchange(f"/v1/documents/{document['id']}", method="DELETE")[0] == 200
    with serve(program, data, tmp_path / "c", redis.address) as third:
        assert third.ask("/v1/documents/" + document["id"])[0] == 404


def test_another_model_or_cache_takes_nothing(program, data, tmp_path, redis):
    with serve(program, data, tmp_path / "a", redis.address) as first:
        ask(first)
        wait_for(lambda: count(redis) >= 1)
    with serve(program, data, tmp_path / "b", redis.address, "--cache-type-k", "f32", "--cache-type-v", "f32") as other:
        assert cached(ask(other)) == 0


def test_redis_goes_and_comes_back(program, data, tmp_path, redis):
    with serve(program, data, tmp_path / "a", redis.address) as server:
        alone = words(ask(server, cache_prompt=False))
        redis.stop()
        for _ in range(3):
            start = time.monotonic()
            assert words(ask(server)) == alone
            assert time.monotonic() - start < 10
        redis.start()
        # What was written meanwhile stays here alone; new texts are shared again after a while.
        numbers = iter(range(1000))
        wait_for(lambda: ask(server, prompt=f"Story {next(numbers)}. {TEXT}") and count(redis) >= 1, 60)
        assert words(ask(server)) == alone
        assert any("goes on without the shared store" in line for line in server.lines)


def test_a_store_that_never_answers_costs_a_bounded_wait(program, data, tmp_path):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(64)
        with serve(program, data, tmp_path / "a", f"redis://127.0.0.1:{silent.getsockname()[1]}") as server:
            for _ in range(3):
                start = time.monotonic()
                ask(server)
                assert time.monotonic() - start < 8


def test_a_store_that_talks_nonsense_changes_no_answer(program, data, tmp_path):
    with socket.socket() as liar:
        liar.bind(("127.0.0.1", 0))
        liar.listen(64)

        def lie():
            with contextlib.suppress(OSError):
                while True:
                    client, _ = liar.accept()
                    with client, contextlib.suppress(OSError):
                        client.recv(4096)
                        client.sendall(b"*3\r\n$1000000\r\nabc\r\n:\r\n+HTTP/1.1 400\r\n\r\n")

        threading.Thread(target=lie, daemon=True).start()
        with serve(program, data, tmp_path / "a", f"redis://127.0.0.1:{liar.getsockname()[1]}") as server:
            alone = words(ask(server, cache_prompt=False))
            assert words(ask(server)) == words(ask(server)) == alone
        liar.close()


def test_damaged_items_and_files_are_passed_over(program, data, tmp_path, redis):
    with serve(program, data, tmp_path / "a", redis.address) as first:
        alone = words(ask(first, cache_prompt=False))
        ask(first)
        wait_for(lambda: count(redis) >= 1)
    for key in redis.ask("KEYS lazyllm:1:data:*").decode().split("\r\n"):
        if key.startswith("lazyllm"):
            assert redis.ask(f"SETRANGE {key} 2000 damaged").startswith(b":")
    keys = [key for key in redis.ask("KEYS lazyllm:1:snapshots*").decode().split("\r\n") if key.startswith("lazyllm")]
    redis.ask(f'HSET "{keys[0]}" bad not-json')
    with serve(program, data, tmp_path / "b", redis.address) as second:
        answer = ask(second)
        assert words(answer) == alone and cached(answer) == 0


def test_a_full_store_is_told(program, data, tmp_path):
    with Redis(tmp_path, "--maxmemory", "1mb", "--maxmemory-policy", "noeviction") as full, serve(program, data, tmp_path / "a", full.address) as server:
        alone = words(ask(server, cache_prompt=False))
        assert words(ask(server)) == words(ask(server)) == alone
        wait_for(lambda: any("goes on without the shared store" in line for line in server.lines))


OTHER_MACHINE = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/vfs.h>
static int as_nfs(int result, struct statfs* told) { told->f_type = 0x6969; return result; }
int statfs(const char* path, struct statfs* told) {
  return as_nfs(((int (*)(const char*, struct statfs*))dlsym(RTLD_NEXT, "statfs"))(path, told), told);
}
int statfs64(const char* path, struct statfs64* told) { return statfs(path, (struct statfs*)told); }
"""


@pytest.fixture
def on_nfs(build, tmp_path, monkeypatch):
    """Every folder says that it lies on NFS."""
    compiler = shutil.which("cc")
    if compiler is None or build.name in ("asan", "tsan"):
        pytest.skip("needs a C compiler, and a program without sanitizers")
    (tmp_path / "nfs.c").write_text(OTHER_MACHINE)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", tmp_path / "nfs.so", tmp_path / "nfs.c", "-ldl"], check=True)
    monkeypatch.setenv("LD_PRELOAD", str(tmp_path / "nfs.so"))


def test_a_folder_on_another_machine_is_refused(program, tiny_chat, tmp_path, on_nfs):
    listed = program.run("library", "list", "--library", tmp_path / "shared")
    assert listed.returncode == 1 and b"(NFS)" in listed.stderr and b"--library-store" in listed.stderr
    with_store = program.run("serve", "-m", tiny_chat, "--library", tmp_path / "shared", "--library-store", "redis://127.0.0.1:1", timeout=60)
    assert with_store.returncode == 1 and b"(NFS)" in with_store.stderr
    assert not (tmp_path / "shared").exists()
    with ServeProcess(program.path, "-m", tiny_chat, "--library", tmp_path / "shared") as server:
        assert any("(NFS)" in line and "it goes on in memory" in line for line in server.lines)
        assert server.ask("/v1/completions", {"prompt": "the owl", "max_tokens": 2})[0] == 200


@pytest.mark.parametrize("arguments", [("--library-store", "http://host"), ("--library-store", "redis://host:0"), ("--library", "none", "--library-store", "redis://host")])
def test_bad_addresses_are_refused(program, data, arguments):
    result = program.run("serve", "-m", data / "models" / "stories260K.gguf", *arguments, timeout=60)
    assert result.returncode != 0 and b"--library-store" in result.stderr
