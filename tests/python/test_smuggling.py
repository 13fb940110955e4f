# SPDX-License-Identifier: Apache-2.0
"""Requests that two programs may read differently (RFC 9112): refused, and the connection ends."""

import re

import pytest

from serving import ServeProcess

HOST = b"Host: localhost\r\n"
POST = b"POST /tokenize HTTP/1.1\r\n" + HOST
HIDDEN = b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n"
BODY = b'{"content": "a"}'
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNKS = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)


@pytest.fixture(scope="module")
def server(program, data):
    with ServeProcess(program.path, "-m", data / "models" / "stories260K.gguf", "--max-body", 1) as process:
        yield process


def statuses(answer: bytes) -> list[int]:
    """Of all answers in a row; no body of these tests has such a line."""
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", answer)]


BAD = {
    # Where does the body end?
    "two lengths": (POST + LENGTH + b"Content-Length: 0\r\n\r\n" + BODY, {400}),
    "two equal lengths": (POST + LENGTH + LENGTH + b"\r\n" + BODY, {400}),
    "list of lengths": (POST + b"Content-Length: 16, 16\r\n\r\n" + BODY, {400}),
    "length and chunked": (POST + LENGTH + CHUNKED + b"\r\n0\r\n\r\n", {400}),
    "chunked and length": (POST + CHUNKED + LENGTH + b"\r\n0\r\n\r\n", {400}),
    "signed length": (POST + b"Content-Length: +16\r\n\r\n" + BODY, {400}),
    "negative length": (POST + b"Content-Length: -1\r\n\r\n", {400}),
    "hexadecimal length": (POST + b"Content-Length: 0x10\r\n\r\n" + BODY, {400}),
    "empty length": (POST + b"Content-Length:\r\n\r\n", {400}),
    "length beyond 64 bits": (POST + b"Content-Length: 18446744073709551632\r\n\r\n" + BODY, {400, 413}),
    "blank before the colon": (POST + b"Transfer-Encoding : chunked\r\n\r\n" + CHUNKS, {400}),
    "blank before the colon of a length": (POST + b"Content-Length : 16\r\n\r\n" + BODY, {400}),
    "xchunked": (POST + b"Transfer-Encoding: xchunked\r\n\r\n" + CHUNKS, {400, 501}),
    "chunked twice": (POST + CHUNKED + CHUNKED + b"\r\n" + CHUNKS, {400}),
    "chunked, identity": (POST + b"Transfer-Encoding: chunked, identity\r\n\r\n" + CHUNKS, {400, 501}),
    "gzip, chunked": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + CHUNKS, {400, 501}),
    "vertical tab before chunked": (POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n" + CHUNKS, {400, 501}),
    "chunked in HTTP/1.0": (b"POST /tokenize HTTP/1.0\r\n" + HOST + CHUNKED + b"\r\n" + CHUNKS, {400}),
    # Chunks.
    "chunk size with 0x": (POST + CHUNKED + b"\r\n0x10\r\n" + BODY + b"\r\n0\r\n\r\n", {400}),
    "chunk size with a sign": (POST + CHUNKED + b"\r\n+10\r\n" + BODY + b"\r\n0\r\n\r\n", {400}),
    "chunk size beyond 64 bits": (POST + CHUNKED + b"\r\n10000000000000010\r\n" + BODY + b"\r\n0\r\n\r\n", {400, 413}),
    "empty chunk size": (POST + CHUNKED + b"\r\n\r\n" + BODY + b"\r\n0\r\n\r\n", {400}),
    "chunk longer than its size": (POST + CHUNKED + b"\r\n2\r\n" + BODY + b"\r\n0\r\n\r\n", {400}),
    "chunk line ended by LF": (POST + CHUNKED + b"\r\n10\n" + BODY + b"\r\n0\r\n\r\n", {400}),
    "chunk data ended by LF": (POST + CHUNKED + b"\r\n10\r\n" + BODY + b"\n0\r\n\r\n", {400}),
    # Lines and characters.
    "folded line": (POST + b"X: a\r\n b\r\n" + LENGTH + b"\r\n" + BODY, {400}),
    "folded encoding": (POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + CHUNKS, {400}),
    "first field begins with a blank": (b"GET /health HTTP/1.1\r\n " + HOST + b"\r\n", {400}),
    "NUL in a value": (b"GET /health HTTP/1.1\r\n" + HOST + b"X: a\0b\r\n\r\n", {400}),
    "NUL in a name": (b"GET /health HTTP/1.1\r\n" + HOST + b"X\0: a\r\n\r\n", {400}),
    "LF inside a value": (b"GET /health HTTP/1.1\r\n" + HOST + b"X: a\nContent-Length: 5\r\n\r\n", {400}),
    "CR inside a value": (b"GET /health HTTP/1.1\r\n" + HOST + b"X: a\rb\r\n\r\n", {400}),
    "line without a colon": (b"GET /health HTTP/1.1\r\n" + HOST + b"no colon\r\n\r\n", {400}),
    "empty name": (b"GET /health HTTP/1.1\r\n" + HOST + b": a\r\n\r\n", {400}),
    # Host.
    "no host": (b"GET /health HTTP/1.1\r\n\r\n", {400}),
    "two hosts": (b"GET /health HTTP/1.1\r\n" + HOST + b"Host: evil\r\n\r\n", {400}),
    "empty host": (b"GET /health HTTP/1.1\r\nHost:\r\n\r\n", {400}),
    "host with a user": (b"GET /health HTTP/1.1\r\nHost: localhost@evil\r\n\r\n", {400}),
    # The first line.
    "method with a control character": (b"G\x01T /health HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "target without a slash": (b"GET health HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "two blanks": (b"GET  /health HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "blank in the target": (b"GET /hea lth HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "lower case http": (b"GET /health http/1.1\r\n" + HOST + b"\r\n", {400}),
    "another version": (b"GET /health HTTP/3.0\r\n" + HOST + b"\r\n", {505}),
    # Too much.
    "long head": (b"GET /health HTTP/1.1\r\n" + HOST + b"X: " + b"x" * 200_000 + b"\r\n\r\n", {431}),
    "many fields": (b"GET /health HTTP/1.1\r\n" + HOST + b"X: y\r\n" * 1000 + b"\r\n", {431}),
    "long body": (POST + b"Content-Length: 10000000\r\n\r\n", {413}),
}


@pytest.mark.parametrize("name", BAD)
def test_ambiguous_requests_end_the_connection(server, name):
    request, wanted = BAD[name]
    answer = server.raw(request, HIDDEN, timeout=8)  # a connection left open runs into the time limit
    found = statuses(answer)
    assert len(found) == 1, f"what follows was answered too: {answer!r}"
    assert found[0] in wanted, answer
    assert b'"error"' in answer and b'"message"' in answer
    assert re.search(rb"\r\nConnection: close\r\n", answer, re.IGNORECASE), answer


def test_garbage_after_a_request_is_not_skipped(server):
    answer = server.raw(HIDDEN + b"garbage\r\n\r\n" + HIDDEN, timeout=8)
    assert statuses(answer) == [200, 400], answer


LAST = HIDDEN.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")


@pytest.mark.parametrize("request_bytes, wanted", [
    (HIDDEN + LAST, [200, 200]),
    (POST + LENGTH + b"\r\n" + BODY + LAST, [200, 200]),
    (POST + CHUNKED + b"\r\n" + CHUNKS + LAST, [200, 200]),
    (POST + CHUNKED + b"\r\n10;name=value\r\n" + BODY + b"\r\n0\r\n\r\n" + LAST, [200, 200]),
    (b"GET /health HTTP/1.0\r\n\r\n" + HIDDEN, [200]),
    (POST + LENGTH + b"Expect: 100-continue\r\nConnection: close\r\n\r\n" + BODY, [100, 200]),
])
def test_plain_forms_are_answered(server, request_bytes, wanted):
    answer = server.raw(request_bytes, timeout=8)
    assert statuses(answer) == wanted, answer


def test_head_has_no_body(server):
    answer = server.raw(b"HEAD /health HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n", timeout=8)
    assert statuses(answer) == [200] and answer.endswith(b"\r\n\r\n"), answer


@pytest.mark.parametrize("host", ["evil", "evil:8080", "localhost.evil", "127.0.0.1.evil", "10.0.0.1"])
@pytest.mark.parametrize("with_origin", [False, True])
def test_another_name_of_this_machine_is_refused(server, host, with_origin):
    origin = f"Origin: http://{host}\r\n" if with_origin else ""
    answer = server.raw(f"GET /health HTTP/1.1\r\nHost: {host}\r\n{origin}Connection: close\r\n\r\n".encode(), timeout=8)
    assert statuses(answer) == [403] and b"--allowed-hosts" in answer, answer


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:9", "[::1]:80"])
def test_names_of_this_machine_are_answered(server, host):
    answer = server.raw(f"GET /health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode(), timeout=8)
    assert statuses(answer) == [200], answer
