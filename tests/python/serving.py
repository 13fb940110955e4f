# SPDX-License-Identifier: Apache-2.0
"""Runs `lazyllm serve` for tests and speaks to it: as JSON over HTTP and over bare sockets."""

import json
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request


class ServeProcess:
    """A server on the loopback interface, on a free port unless one is named; its log is kept."""

    def __init__(self, program: pathlib.Path, *arguments, wait: float = 120, port: int = 0):
        self.process = subprocess.Popen([program, "serve", "--port", str(port), *map(str, arguments)],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines: list[str] = []
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._ready.wait(wait) or self.process.poll() is not None:
            self.process.kill()
            raise RuntimeError("the server did not start:\n" + "\n".join(self.lines))

    def _read(self):
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))
            found = re.search(r" is ready at https?://([^:]+):(\d+)$", line.rstrip())
            if found:
                self.host, self.port = found.group(1), int(found.group(2))
                self._ready.set()
        self._ready.set()

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def stop(self, timeout: float = 30) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self._reader.join(5)
        return code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    # --- JSON ---

    def ask(self, path: str, body=None, *, headers=None, timeout: float = 120) -> tuple[int, dict]:
        """Status and JSON of a request; `body` may be an object or raw bytes."""
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, headers={"Content-Type": "application/json", **(headers or {})})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                return response.status, json.loads(response.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def exchange(self, path: str, body=None, *, method=None, headers=None, timeout: float = 120):
        """Status, headers and the body's bytes."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                return response.status, response.headers, response.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def get(self, path: str, **options) -> tuple[int, dict]:
        return self.ask(path, **options)

    def events(self, path: str, body: dict, timeout: float = 120) -> list:
        """Data of all server-sent events; comments as strings that begin with a colon."""
        request = urllib.request.Request(self.url + path, data=json.dumps(body).encode())
        events = []
        with urllib.request.urlopen(request, timeout=timeout) as response:
            assert response.headers["Content-Type"] == "text/event-stream"
            for part in response.read().decode().split("\n\n")[:-1]:
                if part.startswith(":"):
                    events.append(part)
                else:
                    assert part.startswith("data: "), part
                    events.append(part[6:] if part == "data: [DONE]" else json.loads(part[6:]))
        return events

    # --- bare sockets ---

    def connect(self, timeout: float = 30) -> socket.socket:
        return socket.create_connection((self.host, self.port), timeout=timeout)

    def raw(self, *pieces: bytes, timeout: float = 30) -> bytes:
        """What comes back until the server closes."""
        with self.connect(timeout) as client:
            try:
                for piece in pieces:
                    client.sendall(piece)
            except (BrokenPipeError, ConnectionResetError):
                pass
            answer = b""
            while True:
                try:
                    more = client.recv(65536)
                except ConnectionResetError:
                    break
                if not more:
                    return answer
                answer += more
            return answer

    def start_post(self, path: str, body: dict) -> socket.socket:
        """Sends a request and leaves the answer to the caller."""
        data = json.dumps(body).encode()
        client = self.connect()
        client.sendall(b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (path.encode(), len(data), data))
        return client

    def wait_until_idle(self, timeout: float = 10) -> float:
        """Seconds until no slot is busy and nothing waits."""
        start = time.monotonic()
        while time.monotonic() - start < timeout:
            busy = any(slot["is_processing"] for slot in self.get("/slots")[1])
            if not busy and self.metric("requests_deferred") == 0:
                return time.monotonic() - start
            time.sleep(0.01)
        raise AssertionError("slots stay busy")

    def wait_for_metric(self, name: str, value: float, timeout: float = 10) -> float:
        """Seconds until the metric is `value`: a slot is free a moment before its request is counted."""
        start = time.monotonic()
        while (now := self.metric(name)) != value:
            assert time.monotonic() - start < timeout, f"{name} stays {now}, wanted {value}"
            time.sleep(0.01)
        return time.monotonic() - start

    def metric(self, name: str) -> float:
        with urllib.request.urlopen(self.url + "/metrics", timeout=30) as response:
            text = response.read().decode()
        return float(re.search(rf"^lazyllm:{name} (\S+)$", text, re.MULTILINE).group(1))


# --- requests that many tests make ---

HI = [{"role": "user", "content": "Name three colours."}]
AUTH = {"Authorization": "Bearer second"}


def complete(server, headers=AUTH, **body):
    return server.ask("/v1/completions", {"prompt": "Once upon a time", "temperature": 0, **body}, headers=headers)


def long_chat(words: int = 600) -> list[dict]:
    return [{"role": "system", "content": "You are \u00e9xact. \U0001f9a5"}, {"role": "user", "content": "The owl sat in the tree. " * (words // 6) + "Who sat?"}]
