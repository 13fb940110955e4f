# SPDX-License-Identifier: Apache-2.0
"""`lazyllm chat`: its commands, and lines that are edited at a terminal."""

import os
import pty
import re
import select
import time

import pytest


def test_documents_join_and_the_conversation_is_saved(program, smollm2, tmp_path):
    document = tmp_path / "keeper.txt"
    document.write_text("The keeper of the lighthouse is called Mira.\n")
    saved = tmp_path / "talk.md"
    lines = f"/file {tmp_path}/absent.txt\n/file {document}\nWhat is the keeper of the lighthouse called?\n/save {saved}\n/save {saved}\n/save\n/nonsense\n/help\n"
    result = program.run("chat", "-m", smollm2, "-n", "16", "--temp", 0, stdin=lines)
    told = result.stderr.decode()
    assert result.returncode == 0 and b"Mira" in result.stdout
    assert "absent.txt" in told and "goes before your next question" in told and "Saved as" in told and "exists already" in told
    assert "/save needs the name of a file" in told and "unknown command /nonsense" in told and "/file NAME" in told
    text = saved.read_text()
    assert text.startswith("## What is the keeper of the lighthouse called?\n\n") and "Mira" in text


def test_a_line_goes_on_after_a_backslash(program, smollm2, tmp_path):
    saved = tmp_path / "talk.md"
    program.ok("chat", "-m", smollm2, "-n", "2", "--temp", 0, stdin=f"First\\\nsecond\n/save {saved}\n")
    assert saved.read_text().startswith("## First\nsecond\n")


PROMPT = r"> (\x1b\[0m)?$"


class Terminal:
    """The program at a terminal of its own."""

    def __init__(self, program, *arguments, **environment):
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.execve(program.path, [str(program.path), *map(str, arguments)], {**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8", **environment})
        self.seen = ""

    def read(self, seconds):
        ready, _, _ = select.select([self.terminal], [], [], seconds)
        try:
            more = os.read(self.terminal, 65536).decode(errors="replace") if ready else ""
        except OSError:  # the program has ended
            more = ""
        self.seen += more
        return more

    def until(self, pattern, begin=0, seconds=120):
        end = time.monotonic() + seconds
        while not re.search(pattern, self.seen[begin:]):
            assert time.monotonic() < end, self.seen
            self.read(0.2)

    def type(self, text):
        os.write(self.terminal, text.encode())

    def close(self, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.read(0.1)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                while self.read(0.2):
                    pass
                os.close(self.terminal)
                return os.waitstatus_to_exitcode(status)
        os.kill(self.pid, 9)
        raise AssertionError(self.seen)


@pytest.fixture
def terminal(program, smollm2, tmp_path, request):
    opened = []

    def open_one(**environment):
        opened.append(Terminal(program, "chat", "-m", smollm2, "-n", 3, XDG_STATE_HOME=str(tmp_path / "state"), **environment))
        opened[-1].until(PROMPT)
        return opened[-1]

    return open_one


def test_lines_are_edited_and_come_back(terminal, program, tmp_path):
    first = terminal()
    begin = len(first.seen)
    first.type("Helo there\x1b[D\x1b[D\x1b[D\x1b[D\x1b[D\x1b[D\x1b[Dl\r")  # left, and the missing letter
    first.until(r"(?s)details: --verbose.*" + PROMPT, begin)
    begin = len(first.seen)
    first.type("\x1b[A")  # up: the line before
    try:
        first.until("Hello there", begin, seconds=20)
    except AssertionError:
        pytest.skip("the program was built without libedit")
    first.type("\x15/exit\r")  # Ctrl-U clears the line
    assert first.close() == 0
    assert re.search(r"1 answer, \d+ tokens read, \d+ written", first.seen)
    history = tmp_path / "state" / "lazyllm" / "history"
    assert "Hello\\040there" in history.read_text() and history.stat().st_mode & 0o077 == 0

    second = terminal()
    begin = len(second.seen)
    second.type("\x1b[A\x1b[A")
    second.until("Hello there", begin, seconds=20)
    second.type("\x15\x04")  # Ctrl-D ends
    assert second.close() == 0

    none = terminal(LAZYLLM_HISTORY="")
    begin = len(none.seen)
    none.type("A secret\r")
    none.until(r"(?s)details: --verbose.*" + PROMPT, begin)
    none.type("\x15/exit\r")
    assert none.close() == 0
    assert "secret" not in history.read_text()


def test_ctrl_c_between_answers_does_not_end_it(terminal):
    open_one = terminal()
    open_one.type("half a line\x03")
    time.sleep(0.3)
    open_one.type("\x15/exit\r")
    assert open_one.close() == 0


def test_a_line_a_minute_where_nobody_watches(program, data, tmp_path):
    command = ["eval", "-m", data / "models" / "stories260K.gguf", "--suite", "text", "--data", data / "text" / "frankenstein.txt", "--limit", 6]
    os.environ["LAZYLLM_PROGRESS_SECONDS"] = "0.001"
    try:
        told = program.run(*command, "--out", tmp_path / "one").stderr.decode()
        del os.environ["LAZYLLM_PROGRESS_SECONDS"]
        quiet = program.run(*command, "--out", tmp_path / "two").stderr.decode()
    finally:
        os.environ.pop("LAZYLLM_PROGRESS_SECONDS", None)
    assert len(re.findall(r"^eval: \d+ %, ", told, re.MULTILINE)) >= 2, told
    assert "\x1b" not in told and "eval: " not in quiet
