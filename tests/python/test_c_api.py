# SPDX-License-Identifier: Apache-2.0
"""The C interface as another language binds to it: structs of other versions, NULL, errors, answers, cancelling."""

import ctypes
import re
import subprocess
import threading
import time

import pytest

c = ctypes
OK, USAGE, INVALID_FILE, IO, CONTEXT_FULL = 0, 1, 3, 5, 6
ON_TEXT = c.CFUNCTYPE(c.c_bool, c.c_char_p, c.c_void_p)


class Sized(c.Structure):
    def __init__(self, **members):
        super().__init__(struct_size=c.sizeof(type(self)), **members)


class SessionOptions(Sized):
    _fields_ = [("struct_size", c.c_size_t), ("context", c.c_int64), ("policy", c.c_char_p), ("prune", c.c_char_p), ("profile", c.c_char_p),
                ("score", c.c_char_p), *((name, c.POINTER(c.c_int64)) for name in ("revive_budget", "protect_first", "protect_last", "min_prompt"))]


class GenerationOptions(Sized):
    _fields_ = [("struct_size", c.c_size_t), ("max_tokens", c.c_int64), ("temperature", c.c_float), ("top_k", c.c_int32), ("top_p", c.c_float),
                ("min_p", c.c_float), ("seed", c.c_uint64), ("stop", c.POINTER(c.c_char_p)), ("stop_count", c.c_size_t), ("on_text", ON_TEXT), ("user", c.c_void_p)]


class Statistics(Sized):
    _fields_ = [("struct_size", c.c_size_t), ("prompt_tokens", c.c_int64), ("generated_tokens", c.c_int64), ("ttft_ms", c.c_double), ("total_ms", c.c_double),
                ("computed_fraction", c.c_double), ("computed_fraction_end", c.c_double), ("revived_tokens", c.c_int64), ("finish_reason", c.c_int32)]


class Message(c.Structure):
    _fields_ = [("role", c.c_char_p), ("content", c.c_char_p)]


@pytest.fixture(scope="module")
def library(build):
    if build.name in ("asan", "tsan"):
        pytest.skip("an interpreter without sanitizers cannot load it")
    (path,) = [found for found in build.rglob("liblazyllm_c.so.0")]
    loaded = c.CDLL(str(path))
    loaded.path = path
    for name in ("lazyllm_version", "lazyllm_last_error"):
        getattr(loaded, name).restype = c.c_char_p
    for name in ("lazyllm_model_context_length", "lazyllm_model_vocabulary_size"):
        getattr(loaded, name).restype = c.c_int64
    for name in ("lazyllm_model_free", "lazyllm_session_free", "lazyllm_session_cancel", "lazyllm_session_reset", "lazyllm_free"):
        getattr(loaded, name).restype = None
    return loaded


@pytest.fixture(scope="module")
def model(library, smollm2):
    handle = c.c_void_p()
    assert library.lazyllm_model_load(str(smollm2).encode(), None, c.byref(handle)) == OK
    yield handle
    library.lazyllm_model_free(handle)


@pytest.fixture
def session(library, model):
    handle = c.c_void_p()
    assert library.lazyllm_session_create(model, None, c.byref(handle)) == OK
    yield handle
    library.lazyllm_session_free(handle)


def taken(library, pointer):
    text = c.string_at(pointer).decode()
    library.lazyllm_free(pointer)
    return text


def test_only_its_own_names_are_seen(library, root):
    header = (root / "include/lazyllm/c/lazyllm_c.h").read_text()
    declared = set(re.findall(r"\b(lazyllm_\w+)\(", header)) - {"lazyllm_c_init"}  # a template for C++
    symbols = subprocess.run(["nm", "-D", "--defined-only", library.path], capture_output=True, text=True, check=True).stdout
    seen = {line.split()[-1].split("@")[0] for line in symbols.splitlines()} - {"LAZYLLM_0"}
    assert seen == declared
    assert library.lazyllm_version().decode() == re.search(r"VERSION (\d+\.\d+\.\d+)", (root / "CMakeLists.txt").read_text()).group(1)
    assert library.lazyllm_c_api_version() == int(re.search(r"LAZYLLM_C_API_VERSION (\d+)", header).group(1))


def test_errors_are_sentences_and_null_is_refused(library, model, tmp_path):
    handle = c.c_void_p(1)
    assert library.lazyllm_model_load(b"/absent.gguf", None, c.byref(handle)) == IO and handle.value is None
    assert b"/absent.gguf" in library.lazyllm_last_error()
    (tmp_path / "broken.gguf").write_bytes(b"GGUF\x03\0\0\0")
    assert library.lazyllm_model_load(str(tmp_path / "broken.gguf").encode(), None, c.byref(handle)) == INVALID_FILE
    assert library.lazyllm_model_load(None, None, c.byref(handle)) == USAGE and b"NULL" in library.lazyllm_last_error()
    assert library.lazyllm_session_create(None, None, c.byref(handle)) == USAGE
    assert library.lazyllm_session_create(model, c.byref(SessionOptions(prune=b"a lot")), c.byref(handle)) == USAGE
    assert b"careful" in library.lazyllm_last_error()
    assert library.lazyllm_session_chat(None, None, c.c_size_t(0), None, None) == USAGE
    for name in ("lazyllm_model_free", "lazyllm_session_free", "lazyllm_session_cancel", "lazyllm_session_reset", "lazyllm_free"):
        getattr(library, name)(None)


def test_an_answer(library, model, session):
    pieces = []
    keep = ON_TEXT(lambda text, user: pieces.append(text.decode()) or True)
    options = GenerationOptions(max_tokens=16, on_text=keep)
    turn = Message(b"user", b"What is the capital of France? Answer in one sentence.")
    text = c.c_void_p()
    assert library.lazyllm_session_chat(session, c.byref(turn), c.c_size_t(1), c.byref(options), c.byref(text)) == OK
    answer = taken(library, text)
    assert "Paris" in answer and "".join(pieces) == answer
    figures = Statistics()
    assert library.lazyllm_session_statistics(session, c.byref(figures)) == OK
    assert figures.prompt_tokens > 10 and figures.generated_tokens <= 16 and figures.computed_fraction == 1.0

    tokens, count = c.POINTER(c.c_int32)(), c.c_size_t()
    assert library.lazyllm_model_tokenize(model, "Größe matters".encode(), c.c_bool(False), c.c_bool(False), c.byref(tokens), c.byref(count)) == OK
    assert library.lazyllm_model_detokenize(model, tokens, count, c.c_bool(False), c.byref(text)) == OK
    assert taken(library, text) == "Größe matters"
    library.lazyllm_free(tokens)
    assert library.lazyllm_model_context_length(model) == 8192 and library.lazyllm_model_vocabulary_size(model) == 49152


def test_structs_of_other_versions(library, model):
    handle = c.c_void_p()

    class Newer(SessionOptions):
        _fields_ = [("unheard_of", c.c_int64)]

    assert library.lazyllm_session_create(model, c.byref(Newer()), c.byref(handle)) == OK  # nothing new is asked for
    library.lazyllm_session_free(handle)
    assert library.lazyllm_session_create(model, c.byref(Newer(unheard_of=1)), c.byref(handle)) == USAGE
    assert b"newer" in library.lazyllm_last_error()
    older = SessionOptions(context=128, prune=b"not read")
    older.struct_size = SessionOptions.policy.offset
    assert library.lazyllm_session_create(model, c.byref(older), c.byref(handle)) == OK
    long = b"word " * 200
    assert library.lazyllm_session_complete(handle, long, None, None) == CONTEXT_FULL
    library.lazyllm_session_free(handle)
    unset = SessionOptions()
    unset.struct_size = 0
    assert library.lazyllm_session_create(model, c.byref(unset), c.byref(handle)) == USAGE

    figures = Statistics(total_ms=7.0)
    figures.struct_size = Statistics.total_ms.offset
    assert library.lazyllm_session_create(model, None, c.byref(handle)) == OK
    assert library.lazyllm_session_statistics(handle, c.byref(figures)) == OK and figures.total_ms == 7.0
    library.lazyllm_session_free(handle)


def test_an_answer_is_stopped_by_its_callback_and_by_another_thread(library, session):
    stop = ON_TEXT(lambda text, user: False)
    figures = Statistics()
    assert library.lazyllm_session_complete(session, b"Once upon a time", c.byref(GenerationOptions(on_text=stop)), None) == OK
    library.lazyllm_session_statistics(session, c.byref(figures))
    assert figures.finish_reason == 2 and figures.generated_tokens < 50
    begun = threading.Event()
    note = ON_TEXT(lambda text, user: begun.set() or True)

    def cancel():
        begun.wait(60)
        time.sleep(0.05)
        library.lazyllm_session_cancel(session)

    thread = threading.Thread(target=cancel)
    thread.start()
    assert library.lazyllm_session_complete(session, b"Once upon a time", c.byref(GenerationOptions(on_text=note)), None) == OK
    thread.join()
    library.lazyllm_session_statistics(session, c.byref(figures))
    assert figures.finish_reason == 2
