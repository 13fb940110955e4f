# SPDX-License-Identifier: Apache-2.0
"""The library on disk: documents and snapshots outlive the server, and nothing there can make an answer wrong."""

import pathlib
import random
import resource
import subprocess
import threading
import time

import pytest

from serving import ServeProcess

TEXT = "Once upon a time, there was a little girl named Lily. She liked to play with her red ball in the park. " * 4
LAZY = {"prune": "2:0.5", "min_prompt": 0}  # named: taken whatever the library holds
DENSE = {"policy": "dense"}


@pytest.fixture(scope="module")
def model(data):
    return data / "models" / "stories260K.gguf"


def serve(program, model, folder, *arguments):
    return ServeProcess(program.path, "-m", model, "--temp", 0, "--library", folder, *arguments)


def ask(server, prompt="One day", lazy=LAZY, **fields):
    body = {"prompt": prompt, "max_tokens": 12, "logprobs": 2, "lazy": lazy, **fields}
    status, answer = server.ask("/v1/completions", body)
    assert status == 200, answer
    return answer


def bits(answer):
    """What must not depend on any cache."""
    return answer["choices"][0]["text"], answer["choices"][0]["logprobs"]


def cached(answer):
    return answer["usage"]["prompt_tokens_details"]["cached_tokens"]


def add(server, text=TEXT, **fields):
    status, document = server.ask("/v1/documents", {"text": text, **fields})
    assert status == 200, document
    return document


def wait_until_read(server, id):
    for _ in range(600):
        _, document = server.ask(f"/v1/documents/{id}")
        if document["status"] != "reading":
            assert document["status"] == "ready", document
            return document
        time.sleep(0.05)
    raise AssertionError("the document was not read in 30 s")


def wait_until_settled(server):
    """Everything that idle time is used for is done."""
    for _ in range(600):
        if server.metric("settled") == 1:
            return
        time.sleep(0.05)
    raise AssertionError("the server is not settled after 30 s")


def request_text(text):
    return text.rstrip("\n") + "\n\n"


@pytest.mark.parametrize("idle", ["off", "on"])
def test_a_restarted_server_answers_as_one_without_cache(program, model, tmp_path, idle):
    prompts = [request_text(TEXT) + question for question in ("One day", "Her ball", "The park")]
    with serve(program, model, "none", "--cache-ram", 0) as bare:
        expected = {(prompt, lazy["min_prompt"] if "min_prompt" in lazy else "dense"): bits(ask(bare, prompt, lazy))
                    for prompt in prompts for lazy in (LAZY, DENSE)}
    for restart in range(3):
        with serve(program, model, tmp_path, "--idle", idle) as server:
            for prompt in prompts:
                for lazy in (LAZY, DENSE):
                    answer = ask(server, prompt, lazy)
                    key = (prompt, lazy["min_prompt"] if "min_prompt" in lazy else "dense")
                    assert bits(answer) == expected[key], (restart, key)
                    assert restart == 0 or cached(answer) > 50, (restart, key)
            wait_until_settled(server)
            if restart == 1:
                server.process.kill()


def test_a_document_is_named_instead_of_sent(program, model, tmp_path):
    with serve(program, model, tmp_path) as server:
        document = add(server, name="lily.txt", lazy=LAZY)
        assert document["kept"] == "library" and document["name"] == "lily.txt" and document["notes"] == []
        assert wait_until_read(server, document["id"])["progress"] == 1.0
        named = ask(server, documents=[document["id"]])
        assert cached(named) > 50
        assert bits(named) == bits(ask(server, request_text(TEXT) + "One day", cache_prompt=False))
        assert server.ask("/v1/documents")[1]["data"][0]["id"] == document["id"]
    with serve(program, model, tmp_path) as server:  # after a restart
        again = ask(server, documents=[document["id"]])
        assert bits(again) == bits(named) and cached(again) > 50
        assert server.exchange(f"/v1/documents/{document['id']}/content")[2].decode() == TEXT
        assert list((tmp_path / "snapshots").iterdir())
        status, _, _ = server.exchange(f"/v1/documents/{document['id']}", method="DELETE")
        assert status == 200
        status, answer = server.ask("/v1/completions", {"prompt": "x", "documents": [document["id"]]})
        assert status == 404 and answer["error"]["code"] == "document_not_found" and answer["error"]["param"] == "documents[0]"
        wait_until_settled(server)
    assert not list((tmp_path / "snapshots").iterdir()) and not list((tmp_path / "documents").iterdir())


def test_a_document_is_kept_when_too_much_waits(program, smollm2, tmp_path):
    with serve(program, smollm2, tmp_path, "--parallel", 1, "--max-queue", 0) as server:
        busy = {"prompt": "One day", "max_tokens": 2000, "stream": True, "ignore_eos": True}
        with server.start_post("/v1/completions", busy) as connection:
            connection.recv(1)  # the only slot is taken
            document = add(server)
            assert document["status"] == "stored" and "waiting already" in document["notes"][0], document
        server.wait_until_idle()
        asked = ask(server, documents=[document["id"]])
        assert bits(asked) == bits(ask(server, documents=[document["id"]], cache_prompt=False))


def test_documents_stand_before_the_first_user_message_of_a_chat(program, smollm2, tmp_path):
    with serve(program, smollm2, tmp_path, "-c", 1024, "--idle", "off") as server:
        first, second = add(server, "The code of the door is 4711.\n")["id"], add(server, "It is red.", read_ahead=False)["id"]
        messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is the code?"}]
        whole = [messages[0], {"role": "user", "content": "The code of the door is 4711.\n\nIt is red.\n\nWhat is the code?"}]
        count = "/v1/chat/completions/input_tokens"
        for path, field in (("/v1/chat/completions", "choices"), (count, "input_tokens")):
            body = {"messages": messages, "max_tokens": 8, "logprobs": True}
            if path == count:
                body = {"messages": messages}
            named = server.ask(path, {**body, "documents": [first, second]})
            sent = server.ask(path, {**body, "messages": whole})
            assert named[0] == sent[0] == 200 and named[1][field] == sent[1][field]
        parts = [{"role": "user", "content": [{"type": "text", "text": "What is the code?"}]}]
        named = server.ask(count, {"messages": parts, "documents": [first, second]})
        assert named[1] == server.ask(count, {"messages": whole[1:]})[1]
        status, answer = server.ask("/v1/chat/completions", {"messages": messages[:1], "documents": [first]})
        assert status == 400 and "user message" in answer["error"]["message"]


def form(name, content, boundary="XX"):
    return (f"--{boundary}\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nassistants\r\n"
            f"--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n"
            f"Content-Type: application/octet-stream\r\n\r\n").encode() + content + f"\r\n--{boundary}--\r\n".encode()


def test_files_are_uploaded(program, model, tmp_path):
    multipart = {"Content-Type": "multipart/form-data; boundary=XX"}
    with serve(program, model, tmp_path / "library", "--idle", "off") as server:
        status, document = server.ask("/v1/documents", form("sub/old.txt", b"\xef\xbb\xbfcaf\xc3\xa9\r\n"), headers=multipart)
        assert status == 200 and document["name"] == "old.txt"
        assert server.exchange(f"/v1/documents/{document['id']}/content")[2] == "café\n".encode()
        status, latin = server.ask("/v1/documents?name=a.txt", b"caf\xe9\n", headers={"Content-Type": "text/plain"})
        assert status == 200 and latin["id"] == document["id"] and "Windows-1252" in latin["notes"][0]
        for body, headers, words in (
                (form("a.bin", b"\x00\x01\x02\xff"), multipart, "not a text"), (form("a.txt", b""), multipart, "is empty"),
                (b"no form", multipart, "multipart/form-data"), (form("a", b"x")[:-8], multipart, "last boundary is missing"),
                (b'{"text": "a", "speed": 9}', None, "speed is unknown"), (b'{"name": "a"}', None, "text"),
                (b'{"text": " \\n"}', None, "blank lines")):
            status, answer = server.ask("/v1/documents", body, headers=headers)
            assert status == 400 and words in answer["error"]["message"], answer
        status, answer = server.ask("/v1/documents", {"text": TEXT * 20})
        assert status == 400 and answer["error"]["code"] == "context_length_exceeded"
        for wrong in ("doc-0123", "../index.sqlite", "%2e%2e%2findex.sqlite"):
            assert server.exchange(f"/v1/documents/{wrong}")[0] == 404
        for wrong in ("doc-0123", 5, [["doc"]]):
            status, _ = server.ask("/v1/completions", {"prompt": "x", "documents": wrong})
            assert status == 400
        status, answer = server.ask("/v1/chat/completions", form("a", b"x"), headers=multipart)
        assert status == 415


def test_servers_share_a_library(program, model, tmp_path):
    with serve(program, model, tmp_path) as first, serve(program, model, tmp_path) as second:
        id = add(first, lazy=LAZY)["id"]
        wait_until_read(first, id)
        answer = ask(first, documents=[id])
        wait_until_settled(first)
        other = ask(second, documents=[id])
        assert bits(other) == bits(answer) and cached(other) > 50
        assert first.exchange(f"/v1/documents/{id}", method="DELETE")[0] == 200
        assert second.ask("/v1/completions", {"prompt": "x", "documents": [id]})[0] == 404


def test_a_killed_server_loses_no_document(program, model, tmp_path):
    random.seed(2)
    reported = {}
    for round in range(12):
        with serve(program, model, tmp_path) as server:
            for id in list(reported)[-3:]:
                assert server.exchange(f"/v1/documents/{id}/content")[2].decode() == reported[id]
            killer = threading.Timer(random.uniform(0.0, 0.4), server.process.kill)
            killer.start()
            try:
                for number in range(1000):
                    text = f"{TEXT} {round} {number}"
                    reported[add(server, text)["id"]] = text
            except OSError:
                pass  # killed in the middle of a request
            killer.join()
    with serve(program, model, tmp_path) as server, serve(program, model, "none", "--cache-ram", 0) as bare:
        assert len(reported) > 12
        for id, text in reported.items():
            assert server.exchange(f"/v1/documents/{id}/content")[2].decode() == text
        for id, text in list(reported.items())[::7]:
            assert bits(ask(server, documents=[id])) == bits(ask(bare, request_text(text) + "One day"))
        assert not [line for line in server.lines if "put aside" in line]


def test_damaged_files_are_put_aside(program, model, tmp_path):
    with serve(program, model, tmp_path) as server:
        id = add(server, lazy=LAZY)["id"]
        expected = bits(ask(server, documents=[id]))
        wait_until_settled(server)
    snapshots = list((tmp_path / "snapshots").iterdir())
    assert snapshots
    for file in snapshots:
        damage(file)
    with serve(program, model, tmp_path, "--idle", "off") as server:
        answer = ask(server, documents=[id])
        assert bits(answer) == expected and cached(answer) == 0
        assert any("put aside" in line for line in server.lines)
        damage(tmp_path / "documents" / id)
        assert server.ask("/v1/completions", {"prompt": "x", "documents": [id]})[0] == 404
    assert list((tmp_path / "damaged").iterdir())


def damage(file: pathlib.Path):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def test_an_unusable_folder_is_told_and_memory_goes_on(program, model, tmp_path):
    with serve(program, model, "/proc/lazyllm") as server:
        assert any("cannot write there" in line and "in memory" in line for line in server.lines)
        document = add(server)
        assert document["kept"] == "memory"
        ask(server, documents=[document["id"]])
        assert cached(ask(server, documents=[document["id"]])) > 0


def test_a_full_disk_is_told_and_memory_goes_on(program, model, tmp_path, monkeypatch):
    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    # Python ignores SIGXFSZ; so does the server then, and a write fails as on a full disk.
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: popen(*a, **k, preexec_fn=small_files, restore_signals=False))
    with serve(program, model, tmp_path) as server:
        monkeypatch.undo()
        small = add(server, TEXT)
        big = add(server, "word " * 20_000, read_ahead=False)
        assert small["kept"] == "library" and big["kept"] == "memory" and "memory only" in big["notes"][0]
        expected = ask(server, request_text(TEXT) + "One day", cache_prompt=False)
        assert bits(ask(server, documents=[small["id"]])) == bits(expected)
        assert server.exchange(f"/v1/documents/{big['id']}/content")[0] == 200
        for _ in range(100):
            if any("it goes on in memory" in line for line in server.lines):
                break
            time.sleep(0.05)
        else:
            raise AssertionError("the full disk was not told")
        assert bits(ask(server, documents=[small["id"]])) == bits(expected)
        assert server.stop() == 0


# --- the program ---

def test_run_reads_a_document_once(program, model, tmp_path):
    document = tmp_path / "lily.txt"
    document.write_text(TEXT)
    flags = ["-m", model, "--no-chat", "-f", document, "-p", "\n\nOne day", "-n", 12, "--temp", 0, "--prune", "2:0.5", "--min-prompt", 0]
    plain, figures = program.stats(tmp_path, *flags, "--library", "none")
    first, begun = program.stats(tmp_path, *flags, "--library", tmp_path / "library")
    second, later = program.stats(tmp_path, *flags, "--library", tmp_path / "library")
    assert plain == first == second
    assert figures["computed_fraction"] == begun["computed_fraction"] > later["computed_fraction"]
    assert "2 of" in program.ok("library", "list", "--library", tmp_path / "library")  # the depth


def test_the_command_library(program, smollm2, tmp_path):
    library = ["--library", tmp_path / "library"]
    document = tmp_path / "memo.txt"
    document.write_text("The meeting is at nine in room 4. " * 20)
    id = program.ok("library", "add", *library, document).split()[0]
    assert id in program.ok("library", "list", *library)
    program.ok("library", "warm", *library, "-m", smollm2, "-c", 2048, timeout=300)
    listing = program.ok("library", "list", *library)
    assert "tokens to layer 30 of" in listing, listing
    # A question about it is answered from all layers.
    _, figures = program.stats(tmp_path, "-m", smollm2, "-f", document, "-p", "When?", "-n", 4, *library)
    assert figures["computed_fraction"] < 0.2
    assert "0 damaged, 0 missing" in program.ok("library", "verify", *library)
    snapshot = next((tmp_path / "library" / "snapshots").iterdir())
    damage(snapshot)
    assert program.run("library", "verify", *library).returncode == 1
    assert "0 damaged, 0 missing" in program.ok("library", "verify", *library)
    program.ok("library", "remove", *library, id)
    result = program.run("library", "remove", *library, id)
    assert result.returncode == 2 and b"lazyllm library list" in result.stderr
    assert id not in program.ok("library", "list", *library)
    assert program.run("library", "list", "--library", "/proc/x").returncode == 1


def test_chat_reads_ahead_at_its_start(program, smollm2, tmp_path):
    document = tmp_path / "memo.txt"
    document.write_text("The secret code is 4711. " + "The meeting is at nine in room 4. " * 60)
    flags = ["-m", smollm2, "-f", document, "--temp", "0", "-n", "16", "--library", "none"]
    result = program.run("chat", *flags, "--verbose", stdin="What is the secret code?\n", timeout=120)
    assert result.returncode == 0
    bare = program.run("run", *flags, "-p", "What is the secret code?", timeout=120)
    assert result.stdout.strip() == bare.stdout.strip()
    assert b"read ahead" in result.stderr


def test_a_second_run_says_what_was_read_before(program, smollm2, tmp_path):
    document = tmp_path / "a.txt"
    document.write_text("The owl sat in the old oak tree. " * 60)
    ask = ["run", "-m", smollm2, "-f", document, "-p", "Who sat?", "-n", 2, "--temp", 0, "--prune", "off", "--library", tmp_path / "library"]
    first, second = program.run(*ask), program.run(*ask)
    assert b"Read all of" in first.stderr and b"read before: nothing skipped" in second.stderr and first.stdout == second.stdout
