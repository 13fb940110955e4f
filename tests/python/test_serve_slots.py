# SPDX-License-Identifier: Apache-2.0
"""/slots/{id}?action=save|restore|erase, as llama-server has them."""

import pytest

from serving import ServeProcess

PROMPT = "Once upon a time there was a little girl named Lily who loved to play outside in the park with her friends."


@pytest.fixture
def model(data):
    return data / "models" / "stories260K.gguf"


@pytest.fixture
def server(program, model, tmp_path):
    with ServeProcess(program.path, "-m", model, "--temp", 0, "--slot-save-path", tmp_path / "slots") as process:
        yield process


def ask(server, slot: int, prompt: str = PROMPT):
    status, answer = server.ask("/completion", {"prompt": prompt, "n_predict": 20, "id_slot": slot})
    assert status == 200, answer
    return answer


def act(server, slot, action: str, **body):
    return server.ask(f"/slots/{slot}?action={action}", body)


def test_saved_restored_after_a_restart_and_erased(program, model, server, tmp_path):
    cold = ask(server, 1)
    status, saved = act(server, 1, "save", filename="a.bin")
    assert status == 200 and saved["id_slot"] == 1 and saved["filename"] == "a.bin", saved
    assert saved["n_saved"] == cold["tokens_evaluated"] + 19 and saved["n_written"] == (tmp_path / "slots" / "a.bin").stat().st_size and saved["timings"]["save_ms"] > 0
    status, erased = act(server, 1, "erase")
    assert (status, erased) == (200, {"id_slot": 1, "n_erased": cold["tokens_evaluated"] + 19})
    assert ask(server, 1)["timings"]["cache_n"] == 0
    server.stop()
    for file in (tmp_path / "slots").glob("*.lazysnapshot"):
        file.unlink()  # so that nothing but the saved file helps
    with ServeProcess(program.path, "-m", model, "--temp", 0, "--slot-save-path", tmp_path / "slots") as again:
        status, restored = act(again, 0, "restore", filename="a.bin")
        assert status == 200 and restored["n_restored"] == saved["n_saved"] and restored["n_read"] == saved["n_written"] and restored["timings"]["restore_ms"] > 0
        warm = ask(again, 0)
        assert warm["content"] == cold["content"] and warm["timings"]["prompt_n"] <= 2
        assert act(again, 0, "save", filename="b.bin")[1]["n_saved"] >= saved["n_saved"]


@pytest.mark.parametrize("name", ["", ".", "..", "../a", "a/b", "/etc/passwd", "a\\b", ".hidden", "a\u0000b", "a\nb", "x" * 201, "a.part", "a.lazysnapshot", 5, None])
def test_names_stay_in_the_folder(server, name):
    ask(server, 0)
    for action in ("save", "restore"):
        status, answer = act(server, 0, action, filename=name)
        assert status == 400 and answer["error"]["param"] == "filename", answer


def test_what_cannot_be_is_refused(server, tmp_path):
    assert act(server, 0, "save", filename="a")[0] == 400  # nothing ended there
    ask(server, 0)
    assert act(server, 0, "restore", filename="absent")[0] == 400
    for slot, action in ((4, "save"), (-1, "save"), ("x", "save"), (0, "fly"), (0, ""), (99999999999, "erase")):
        status, answer = act(server, slot, action, filename="a")
        assert status == 400, answer
    assert server.ask("/completion", {"prompt": "x", "id_slot": 4})[0] == 400
    assert act(server, 0, "erase")[1]["n_erased"] > 0 and act(server, 0, "erase")[1]["n_erased"] == 0
    assert act(server, 0, "save")[1]["error"]["param"] == "filename"


def test_foreign_and_damaged_files_are_refused(program, server, tmp_path, tiny_models):
    ask(server, 0)
    assert act(server, 0, "save", filename="a")[0] == 200
    folder = tmp_path / "slots"
    whole = (folder / "a").read_bytes()
    for name, content in (("cut", whole[:-9]), ("junk", b"junk"), ("empty", b""), ("flipped", whole[:200] + bytes([whole[200] ^ 1]) + whole[201:]), ("longer", whole + b"x" * 40)):
        (folder / name).write_bytes(content)
        status, answer = act(server, 1, "restore", filename=name)
        if name != "longer":
            assert status >= 400 and name in answer["error"]["message"], (name, answer)
    assert act(server, 1, "restore", filename="a")[0] == 200
    with ServeProcess(program.path, "-m", tiny_models / "llama-gqa", "--slot-save-path", folder) as other:
        status, answer = act(other, 0, "restore", filename="a")
        assert status >= 400 and "another model" in answer["error"]["message"], answer


def test_without_a_folder_only_erase_works(chat):
    for action in ("save", "restore"):
        status, answer = act(chat, 0, action, filename="a")
        assert status == 501 and "--slot-save-path" in answer["error"]["message"]
    assert act(chat, 0, "erase")[0] == 200
