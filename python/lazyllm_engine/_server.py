# SPDX-License-Identifier: Apache-2.0
"""The server, as a process of its own."""

from __future__ import annotations

import collections
import os
import pathlib
import re
import shutil
import subprocess
import sysconfig
import threading
from typing import Any

from ._errors import Error, UsageError


def find_program() -> pathlib.Path:
    """The program that came with this package, or one that is installed."""
    beside = pathlib.Path(sysconfig.get_path("scripts")) / "lazyllm"
    if beside.exists():
        return beside
    found = shutil.which("lazyllm")
    if found is None:
        raise Error("the program lazyllm is not installed; install the package lazyllm-engine again")
    return pathlib.Path(found)


class Server:
    """``lazyllm serve`` on a free port of this machine: the protocols of OpenAI, Anthropic, ollama and llama-server, and a page.

    Flags of the program are keyword arguments: ``Server(path, ctx_size=4096, parallel=2)``. It is ready when the object is there, and ends with ``stop()``,
    with the ``with`` block, or with the object.
    """

    def __init__(self, model: str | os.PathLike[str], *, host: str = "127.0.0.1", port: int = 0, api_key: str | None = None, wait: float = 300.0, **flags: Any):
        command = [str(find_program()), "serve", "--model", os.fspath(model), "--host", host, "--port", str(port)]
        for name, value in flags.items():
            flag = "--" + name.replace("_", "-")
            if value is True:
                command.append(flag)
            elif value is not None and value is not False:
                command += [flag, str(value)]
        environment = dict(os.environ)
        if api_key is not None:
            environment["LAZYLLM_API_KEY"] = api_key  # not in the list of processes
        self.log: collections.deque[str] = collections.deque(maxlen=1000)
        self.url = ""
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment)
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read, name="lazyllm-log", daemon=True)
        self._reader.start()
        if not self._ready.wait(wait):
            self.stop()
            raise Error(f"the server was not ready after {wait:.0f} s; the last line of its log: {self._last()}")
        if not self.url:
            code = self._process.wait()
            self._reader.join()
            raise (UsageError if code == 2 else Error)(self._last().removeprefix("lazyllm: "))

    def _read(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            for line in lines:
                self.log.append(line.rstrip("\n"))
                found = re.search(r" is ready at (http://\S+)$", line.rstrip())
                if found:
                    self.url = found.group(1)
                    self._ready.set()
        self._ready.set()

    def _last(self) -> str:
        return next((line for line in reversed(self.log) if line), "it wrote nothing")

    @property
    def base_url(self) -> str:
        """Where clients of OpenAI's protocol are pointed to."""
        return self.url + "/v1"

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def stop(self, timeout: float = 60.0) -> int:
        """Lets running answers end, and returns the exit code. After ``timeout`` seconds it is ended at once."""
        if self.is_running:
            self._process.terminate()
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._reader.join()
        return code

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __del__(self) -> None:
        if getattr(self, "_process", None) is not None and self.is_running:
            self._process.kill()
            self._process.wait()
