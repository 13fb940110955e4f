# SPDX-License-Identifier: Apache-2.0
"""Request smuggling through nginx: a request that the proxy refuses never reaches the server inside another one.

nginx passes everything on but /slots. Each form below hides a request for /slots behind a request of two readings:
whatever nginx and the server make of it, the server must not have answered /slots, and the next client of the same
connection to the server must get its own answer."""

import json
import socket
import time

import proxies
import pytest
from serving import ServeProcess

SMUGGLED = b"GET /slots HTTP/1.1\r\nHost: localhost\r\nX-Form: smuggled\r\n\r\n"
CHUNK = b"5\r\nhello\r\n0\r\n\r\n"
LENGTH_OF_SMUGGLED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)

# What follows "POST /tokenize HTTP/1.1\r\n"; SMUGGLED is sent behind each.
FORMS = {
    "two lengths": b"Host: localhost\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "two different lengths": b"Host: localhost\r\nContent-Length: 5\r\nContent-Length: 0\r\n\r\nhello",
    "a list of lengths": b"Host: localhost\r\nContent-Length: 5, 0\r\n\r\nhello",
    "a signed length": b"Host: localhost\r\nContent-Length: +5\r\n\r\nhello",
    "a length in hexadecimal": b"Host: localhost\r\nContent-Length: 0x5\r\n\r\nhello",
    "a blank before the colon of a length": b"Host: localhost\r\nContent-Length : 5\r\n\r\nhello",
    "a length that is too large": b"Host: localhost\r\nContent-Length: 18446744073709551621\r\n\r\nhello",
    "length, then chunks": b"Host: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNK,
    "chunks, then length": b"Host: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n" + CHUNK,
    "chunks that end at once, and a length": b"Host: localhost\r\nContent-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" % (5 + len(SMUGGLED)),
    "a request as a chunk": b"Host: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + LENGTH_OF_SMUGGLED,
    "a blank before the colon of chunked": b"Host: localhost\r\nTransfer-Encoding : chunked\r\n\r\n" + CHUNK,
    "a blank before the colon, and a length": b"Host: localhost\r\nTransfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "xchunked": b"Host: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n" + CHUNK,
    "xchunked and a length": b"Host: localhost\r\nTransfer-Encoding: xchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "chunked, identity": b"Host: localhost\r\nTransfer-Encoding: chunked, identity\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "identity, chunked": b"Host: localhost\r\nTransfer-Encoding: identity, chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two transfer encodings": b"Host: localhost\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "an empty transfer encoding": b"Host: localhost\r\nTransfer-Encoding:\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "a vertical tab": b"Host: localhost\r\nTransfer-Encoding:\x0bchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "a folded header": b"Host: localhost\r\nX: a\r\n Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "a folded value": b"Host: localhost\r\nTransfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "a bare line feed": b"Host: localhost\r\nX: a\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "a bare carriage return": b"Host: localhost\r\nX: a\rTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "a zero byte": b"Host: localhost\r\nX: a\0b\r\nContent-Length: 5\r\n\r\nhello",
    "a length named by Connection": b"Host: localhost\r\nConnection: keep-alive, Content-Length\r\nContent-Length: %d\r\n\r\n" % len(SMUGGLED),
    "an underscore": b"Host: localhost\r\nTransfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two hosts": b"Host: localhost\r\nHost: evil\r\nContent-Length: 5\r\n\r\nhello",
    "no host": b"Content-Length: 5\r\n\r\nhello",
    "an unnamed header": b"Host: localhost\r\n: x\r\nContent-Length: 5\r\n\r\nhello",
    "a chunk's size with a sign": b"Host: localhost\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
    "a chunk's size with a letter": b"Host: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5x\r\nhello\r\n0\r\n\r\n",
    "a chunk's size that is too large": b"Host: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff5\r\nhello\r\n0\r\n\r\n",
    "a chunk's extension with a line feed": b"Host: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5;a\nb\r\nhello\r\n0\r\n\r\n",
    "chunks with bare line feeds": b"Host: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n",
    "a request as a trailer": b"Host: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\nContent-Length: 40\r\n\r\n",
    "expect and a body that comes early": b"Host: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
    "an upgrade to HTTP/2": b"Host: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nContent-Length: 0\r\n\r\n",
    "an upgrade to a web socket": b"Host: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 1\r\nContent-Length: 0\r\n\r\n",
}


@pytest.fixture(scope="module")
def behind_nginx(program, data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("nginx")
    log = folder / "requests.log"
    with ServeProcess(program.path, "-m", data / "models" / "stories260K.gguf", "--log-file", log, "--log-format", "json") as server:
        port = proxies.free_port()
        command = proxies.nginx_command(folder, f"""
  upstream lazyllm {{ server 127.0.0.1:{server.port}; keepalive 1; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://lazyllm; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host localhost; proxy_request_buffering off; proxy_buffering off; }}
    location /slots {{ return 403; }}
  }}""")
        with proxies.running(command, port):
            yield port, log


def send(port: int, request: bytes) -> bytes:
    """What comes back until the proxy closes or is silent for a while."""
    with socket.create_connection(("127.0.0.1", port), timeout=0.5) as client:
        answer = b""
        try:
            client.sendall(request)
            while more := client.recv(65536):
                answer += more
        except (TimeoutError, ConnectionResetError, BrokenPipeError):
            pass
        return answer


def paths(log) -> list[str]:
    return [json.loads(line)["path"] for line in log.read_text().splitlines() if '"path"' in line]


def test_the_proxy_is_in_front(behind_nginx):
    port, log = behind_nginx
    assert send(port, b"GET /slots HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 403")
    assert b'"object"' in send(port, b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    end = time.monotonic() + 10
    while "/v1/models" not in paths(log):
        assert time.monotonic() < end
        time.sleep(0.02)
    assert "/slots" not in paths(log)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.replace(" ", "-"))
def test_nothing_is_smuggled(behind_nginx, form):
    port, log = behind_nginx
    for method in (b"POST", b"GET"):
        answer = send(port, method + b" /tokenize HTTP/1.1\r\n" + FORMS[form] + SMUGGLED)
        assert b"is_processing" not in answer, "the answer of /slots came through"
    # The one connection between the two is whole: who comes next gets what he asked for.
    good = send(port, b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert good.startswith(b"HTTP/1.1 200") and b'"object"' in good
    assert "/slots" not in paths(log)
