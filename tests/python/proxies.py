# SPDX-License-Identifier: Apache-2.0
"""HAProxy and nginx from packaging/proxy in front of replicas that a test started, on ports of its own."""

import contextlib
import pathlib
import re
import shutil
import socket
import subprocess
import time

import pytest

FOLDER = pathlib.Path(__file__).parents[2] / "packaging" / "proxy"


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def program(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def with_ports(text: str, port: int, replicas: list[int]) -> str:
    """The file as it is shipped, but for its ports; as many replicas as there are."""
    text = text.replace("127.0.0.1:8080", f"127.0.0.1:{port}")
    for number in range(1, 4):
        line = re.compile(rf"^.*127\.0\.0\.1:808{number}.*\n", re.MULTILINE)
        assert line.search(text), f"replica {number} is missing"
        if number <= len(replicas):
            text = text.replace(f"127.0.0.1:808{number}", f"127.0.0.1:{replicas[number - 1]}")
        else:
            text = line.sub("", text)
    return text


def nginx_command(folder: pathlib.Path, http: str) -> list:
    """nginx without root and without anything outside `folder`."""
    temporary = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(f"daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;\n"
                                       f"events {{ worker_connections 256; }}\nhttp {{ access_log off; {temporary}\n{http}\n}}\n")
    return [program("nginx"), "-p", folder, "-c", folder / "nginx.conf"]


@contextlib.contextmanager
def running(command: list, port: int):
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 20
        while True:
            assert process.poll() is None and time.monotonic() < end, f"{command[0]} did not start"
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(20)


def proxy_command(kind: str, folder: pathlib.Path, port: int, replicas: list[int]) -> list:
    if kind == "nginx":
        return nginx_command(folder, with_ports((FOLDER / "nginx.conf").read_text(), port, replicas))
    (folder / "haproxy.cfg").write_text(with_ports((FOLDER / "haproxy.cfg").read_text(), port, replicas))
    return [program("haproxy"), "-q", "-f", folder / "haproxy.cfg"]
