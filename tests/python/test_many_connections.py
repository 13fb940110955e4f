# SPDX-License-Identifier: Apache-2.0
"""Clients that wait or dawdle cost memory only: a good client beside them is answered at once."""

import contextlib
import os
import resource
import statistics
import threading
import time

import pytest

from serving import ServeProcess

WANTED = int(os.environ.get("LAZYLLM_CONNECTIONS", "2000"))
MEDIAN_SECONDS = 0.05


@pytest.fixture
def connections() -> int:
    """How many are possible here; set before the server starts, which inherits the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED + 500  # the server's side of them; the clients' side is in this process
    possible = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, possible), hard))
    yield min(WANTED, possible - 500)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def server(connections, program, data):
    if connections < 200:
        pytest.skip("the limit of open files (ulimit -Hn) is too low for this test")
    with ServeProcess(program.path, "-m", data / "models" / "stories260K.gguf") as process:
        yield process


def seconds_of_health(server) -> float:
    start = time.monotonic()
    status, _ = server.get("/health", timeout=5)
    assert status == 200
    return time.monotonic() - start


def is_open(client) -> bool:
    client.setblocking(False)
    try:
        client.recv(1)  # an answer (503) or the end
        return False
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False


@pytest.mark.parametrize("first_bytes", [b"", b"GET /hea", b"POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"],
                         ids=["idle", "slow head", "slow body"])
def test_a_good_client_beside_many(server, connections, first_bytes):
    with contextlib.ExitStack() as stack:
        clients = []
        for _ in range(connections):
            client = stack.enter_context(server.connect())
            client.sendall(first_bytes)
            clients.append(client)
        seconds = [seconds_of_health(server) for _ in range(20)]
        still_open = sum(map(is_open, clients[-200:]))
    assert statistics.median(seconds) < MEDIAN_SECONDS, sorted(seconds)
    assert still_open == 200, "the last clients were turned away"


def test_a_good_client_beside_reconnecting_ones(server):
    ends = threading.Event()

    def reconnect():
        while not ends.is_set():
            try:
                clients = [server.connect(5) for _ in range(30)]
            except OSError:
                continue
            for client in clients:
                client.close()

    threads = [threading.Thread(target=reconnect, daemon=True) for _ in range(10)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(50):  # seconds_of_health() fails at a 503
            seconds_of_health(server)
    finally:
        ends.set()
        for thread in threads:
            thread.join(10)
