# SPDX-License-Identifier: Apache-2.0
"""Documents as people hand them over: pipes, other encodings, files that are no text."""

import os
import pathlib
import shutil
import subprocess
import threading
import time

import pytest

from pdf import make_pdf

TEXT = "The secret code is 4711. Remember the code 4711.\n"


@pytest.fixture(scope="module")
def stories(data):
    return data / "models" / "stories260K.gguf"


def prompt_tokens(program, stories, tmp_path, *arguments, **options) -> int:
    return program.stats(tmp_path, "-m", stories, "--no-chat", "-n", "4", *arguments, **options)[1]["prompt_tokens"]


@pytest.fixture
def document(tmp_path):
    file = tmp_path / "document.txt"
    file.write_text(TEXT)
    return file


def feed(fifo, text):
    threading.Thread(target=fifo.write_text, args=(text,), daemon=True).start()


@pytest.mark.parametrize("path", ["-", "/dev/stdin"])
def test_a_document_from_a_pipe_is_read(program, stories, document, tmp_path, path):
    whole = prompt_tokens(program, stories, tmp_path, "-f", document, "-p", "What is it?")
    assert prompt_tokens(program, stories, tmp_path, "-f", path, "-p", "What is it?", stdin=TEXT) == whole


def test_a_document_from_a_fifo_is_read(program, stories, document, tmp_path):
    whole = prompt_tokens(program, stories, tmp_path, "-f", document)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    feed(fifo, TEXT)
    assert prompt_tokens(program, stories, tmp_path, "-f", fifo, timeout=60) == whole
    feed(fifo, TEXT)
    ids = program.ok("tokenize", "-m", stories, "--ids", "-f", fifo, timeout=60)
    assert ids == program.ok("tokenize", "-m", stories, "--ids", "-f", document)


def test_chat_takes_a_document_from_a_fifo(program, smollm2, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    feed(fifo, TEXT)
    result = program.run("chat", "-m", smollm2, "-f", fifo, "--temp", "0", "-n", "24", stdin="What is the secret code?\n", timeout=120)
    assert result.returncode == 0 and b"4711" in result.stdout


def test_chat_without_a_place_for_questions(program, stories):
    result = subprocess.run([program.path, "chat", "-m", stories, "-f", "-"], input=TEXT.encode(), capture_output=True,
                            timeout=60, check=False, start_new_session=True)  # no terminal
    assert result.returncode == 2 and b"-f FILE" in result.stderr


def test_chat_understands_lines_of_windows(program, smollm2):
    lines = "\ufeffSay hi\r\n\r\n/exit\r\n"
    result = program.run("chat", "-m", smollm2, "--temp", "0", "-n", "4", stdin=lines, timeout=120)
    assert result.returncode == 0 and b"unknown command" not in result.stderr
    assert result.stdout.count(b"\n") == 1, "one question, one answer"


def test_marks_and_line_ends_do_not_reach_the_model(program, stories, tmp_path):
    plain = tmp_path / "plain.txt"
    plain.write_bytes("One day\na café\n".encode())
    ids = program.ok("tokenize", "-m", stories, "--ids", "-f", plain)
    for name, content in {"windows": "\ufeffOne day\r\na café\r\n".encode(), "utf16": "One day\r\na café\r\n".encode("utf-16"),
                          "utf32": "One day\na café\n".encode("utf-32")}.items():
        file = tmp_path / name
        file.write_bytes(content)
        assert program.ok("tokenize", "-m", stories, "--ids", "-f", file) == ids, name


@pytest.mark.parametrize("content, words", [
    (b"", "is empty"),
    (b"\xef\xbb\xbf\r\n", "only blank lines"),
    (b"\x89PNG\r\n\x1a\n\0", "is a picture (PNG)"),
])
def test_what_is_no_text_is_named(program, stories, tmp_path, content, words):
    file = tmp_path / "report.x"
    file.write_bytes(content)
    for arguments in (["run", "--no-chat", "-p", "x"], ["chat"], ["tokenize"],
                      ["eval", "--suite", "text", "--out", tmp_path / "out", "--data"]):
        flag = [] if arguments[0] == "eval" else ["-f"]
        result = program.run(arguments[0], "-m", stories, *arguments[1:], *flag, file)
        assert result.returncode == 1, result.stderr
        assert str(file) in result.stderr.decode() and words in result.stderr.decode()
        assert result.stdout == b""
    result = program.run("run", "-m", stories, "--no-chat", "-p", "x", "-f", "-", stdin=content)
    assert result.returncode == 1 and b"the standard input" in result.stderr


def test_texts_in_old_encodings_are_read(program, stories, tmp_path):
    plain = tmp_path / "plain.txt"
    plain.write_text("un café\n", encoding="utf-8")
    ids = program.ok("tokenize", "-m", stories, "--ids", "-f", plain)
    for name, content in {"latin1": "un café\n".encode("latin-1"), "utf16": "un café\n".encode("utf-16-le")}.items():
        file = tmp_path / name
        file.write_bytes(content)
        assert program.ok("tokenize", "-m", stories, "--ids", "-f", file) == ids, name
    note = program.run("tokenize", "-m", stories, "--ids", "-f", tmp_path / "latin1").stderr
    assert b"was read as Windows-1252" in note
    # A list of texts to be measured must not be guessed at.
    result = program.run("eval", "-m", stories, "--suite", "text", "--out", tmp_path / "out", "--data", tmp_path / "latin1")
    assert result.returncode == 1 and b"iconv -f WINDOWS-1252" in result.stderr


def test_a_pdf_is_read_where_pdftotext_is(program, stories, tmp_path):
    if not shutil.which("pdftotext"):
        pytest.skip("pdftotext (poppler-utils) is not installed")
    pdf = tmp_path / "report.pdf"
    pdf.write_bytes(make_pdf("The secret code is 4711."))
    text = "The secret code is 4711.\n\n"  # as pdftotext gives it
    ids = program.ok("tokenize", "-m", stories, "--ids", "-f", "-", stdin=text)
    assert program.ok("tokenize", "-m", stories, "--ids", "-f", pdf) == ids
    assert program.ok("tokenize", "-m", stories, "--ids", "-f", "-", stdin=pdf.read_bytes()) == ids
    pdf.write_bytes(make_pdf(""))
    result = program.run("run", "-m", stories, "--no-chat", "-f", pdf, "-p", "x")
    assert result.returncode == 1 and b"is a PDF without text" in result.stderr and result.stdout == b""


def test_a_missing_or_hanging_converter_is_told(program, stories, tmp_path):
    pdf = tmp_path / "report.pdf"
    pdf.write_bytes(make_pdf("x"))
    arguments = [program.path, "tokenize", "-m", stories, "-f", pdf]
    result = subprocess.run(arguments, env={"PATH": str(tmp_path)}, capture_output=True, timeout=60, check=False)
    assert result.returncode == 1 and b"apt install poppler-utils" in result.stderr
    fake = tmp_path / "pdftotext"
    fake.write_text("#!/bin/sh\necho begun > \"$0.began\"\nexec /bin/sleep 300\n")
    fake.chmod(0o700)
    with subprocess.Popen(arguments, env={"PATH": str(tmp_path), "TMPDIR": str(tmp_path)}, stdout=subprocess.DEVNULL) as process:
        while not (tmp_path / "pdftotext.began").exists():
            time.sleep(0.01)
        process.kill()
    for _ in range(500):  # it goes with the program that started it
        names = [link.read_bytes() for link in pathlib.Path("/proc").glob("[0-9]*/cmdline") if link.exists()]
        if b"/bin/sleep\x00300\x00" not in names:
            break
        time.sleep(0.01)
    else:
        pytest.fail("the converter outlived the program")


def test_a_folder_of_code_is_a_document(program, stories, tmp_path):
    if not shutil.which("git"):
        pytest.skip("git is not installed")
    code = tmp_path / "code"
    (code / "build").mkdir(parents=True)
    (code / "a.c").write_text("int a;\n")
    (code / "build" / "b.c").write_text("int b;\n")
    (code / ".gitignore").write_text("build\n")
    text = "## .gitignore\n\nbuild\n\n## a.c\n\nint a;\n"
    assert program.ok("tokenize", "-m", stories, "-f", code) == program.ok("tokenize", "-m", stories, "-f", "-", stdin=text)
