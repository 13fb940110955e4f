# SPDX-License-Identifier: Apache-2.0
"""HTTPS: certificates made here, asked for by Python's ssl and the openai client; wrong files; clients that behave badly."""

import http.client
import json
import shutil
import signal
import socket
import ssl
import subprocess
import time

import httpx
import openai
import pytest

from serving import ServeProcess

QUESTION = {"prompt": "Once upon a time", "max_tokens": 8, "temperature": 0}


def make_certificate(folder, name: str, *options):
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "2", "-subj", f"/CN={name}", "-addext",
                    "subjectAltName=DNS:localhost,IP:127.0.0.1", "-out", certificate, "-keyout", key, *(options or ["-nodes"])], check=True, capture_output=True)
    return certificate, key


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is absent")
    return make_certificate(tmp_path_factory.mktemp("tls"), "first")


@pytest.fixture(scope="module")
def server(program, data, pair):
    with ServeProcess(program.path, "-m", data / "models" / "stories260K.gguf", "--ssl-cert-file", pair[0], "--ssl-key-file", pair[1]) as process:
        yield process


def post(server, context, body=QUESTION, path="/v1/completions"):
    connection = http.client.HTTPSConnection("localhost", server.port, context=context, timeout=60)
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    return connection, response.status, response.read()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_answers_under_the_certificate(server, pair, version):
    context = ssl.create_default_context(cafile=pair[0])
    context.minimum_version = context.maximum_version = version
    connection, status, text = post(server, context)
    assert status == 200 and json.loads(text)["choices"][0]["text"]
    # The connection stays for further requests.
    for _ in range(3):
        connection.request("GET", "/health")
        assert connection.getresponse().read() == b'{"status":"ok"}'


def test_streams_to_the_openai_client(server, pair):
    client = openai.OpenAI(base_url=f"https://localhost:{server.port}/v1", api_key="x", max_retries=0,
                           http_client=httpx.Client(verify=ssl.create_default_context(cafile=pair[0])))
    whole = client.completions.create(model="m", **QUESTION).choices[0].text
    pieces = [part.choices[0].text for part in client.completions.create(model="m", stream=True, **QUESTION) if part.choices]
    assert len(pieces) > 3 and "".join(pieces) == whole


def test_large_bodies_go_both_ways(server, pair):
    text = "Once upon a time. " * 60000  # about a megabyte, in many records
    _, status, answer = post(server, ssl.create_default_context(cafile=pair[0]), {"content": text}, "/tokenize")
    assert status == 200 and len(json.loads(answer)["tokens"]) > 300000


def test_nobody_is_trusted_blindly(server):
    with pytest.raises(ssl.SSLCertVerificationError):
        post(server, ssl.create_default_context())
    with pytest.raises(ssl.SSLError):
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        post(server, old)


def test_plain_http_is_told_so(server):
    answer = server.raw(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ") and b"https://" in answer


def test_bad_handshakes_disturb_nobody(server, pair):
    waiting = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(30)]
    waiting[0].sendall(b"\x16\x03\x01\x02\x00")  # the beginning of a hello, and no more
    begin = time.monotonic()
    for junk in (b"\x00" * 100, b"\x16\x03\x01\x00\x05hello", b"\x80\x2e\x01\x00\x02" + b"x" * 60, bytes(range(255)) * 40):
        client = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        client.sendall(junk)
        try:
            while client.recv(4096):
                pass
        except ConnectionResetError:
            pass
    assert post(server, ssl.create_default_context(cafile=pair[0]))[1] == 200
    # Those that say nothing more are closed by the limit for a request's head.
    for client in waiting:
        client.settimeout(20)
        try:
            assert client.recv(100) == b""
        except ConnectionResetError:
            pass
    assert time.monotonic() - begin < 15


def test_a_client_that_leaves_in_the_middle_cancels(server, pair):
    context = ssl.create_default_context(cafile=pair[0])
    client = context.wrap_socket(socket.create_connection(("127.0.0.1", server.port)), server_hostname="localhost")
    body = json.dumps({"prompt": "Once", "max_tokens": 400, "ignore_eos": True, "stream": True}).encode()
    client.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    assert client.recv(200)
    client.close()
    connection = http.client.HTTPSConnection("localhost", server.port, context=context, timeout=60)
    for _ in range(200):
        connection.request("GET", "/slots")
        if not any(slot["is_processing"] for slot in json.loads(connection.getresponse().read())):
            return
        time.sleep(0.05)
    raise AssertionError("the slot stays busy")


def test_hangup_shows_the_new_certificate(program, data, tmp_path, pair):
    certificate, key = tmp_path / "now.pem", tmp_path / "now.key"
    shutil.copy(pair[0], certificate), shutil.copy(pair[1], key)
    with ServeProcess(program.path, "-m", data / "models" / "stories260K.gguf", "--ssl-cert-file", certificate, "--ssl-key-file", key) as server:
        assert post(server, ssl.create_default_context(cafile=pair[0]))[1] == 200
        new, new_key = make_certificate(tmp_path, "second")
        shutil.copy(new, certificate)  # the key is still the old one
        server.process.send_signal(signal.SIGHUP)
        wait_for_line(server, "not reloaded")
        assert post(server, ssl.create_default_context(cafile=pair[0]))[1] == 200
        shutil.copy(new_key, key)
        server.process.send_signal(signal.SIGHUP)
        wait_for_line(server, "new connections see the certificate")
        assert post(server, ssl.create_default_context(cafile=new))[1] == 200


def wait_for_line(server, text: str):
    for _ in range(200):
        if any(text in line for line in server.lines):
            return
        time.sleep(0.05)
    raise AssertionError(server.lines)


def test_wrong_files_are_said_at_the_start(program, data, tmp_path, pair):
    other = make_certificate(tmp_path, "other")
    locked = make_certificate(tmp_path, "locked", "-passout", "pass:secret")
    (tmp_path / "junk").write_text("junk")
    (tmp_path / "empty").write_text("")
    for certificate, key, words in ((pair[0], other[1], "not the one of the certificate"), (pair[0], tmp_path / "none", "cannot be read"),
                                    (tmp_path / "junk", pair[1], "no certificate"), (pair[0], tmp_path / "junk", "no private key"),
                                    (tmp_path / "empty", pair[1], "empty"), (locked[0], locked[1], "without a password"), (pair[0], None, "belong together"), (tmp_path, pair[1], "cannot be read")):
        arguments = ["--ssl-cert-file", certificate] + (["--ssl-key-file", key] if key else [])
        done = subprocess.run([program.path, "serve", "--port", "0", "-m", data / "models" / "stories260K.gguf", *arguments], capture_output=True, text=True,
                              timeout=60, check=False, stdin=subprocess.DEVNULL)
        assert done.returncode in {1, 2, 3} and words in done.stderr and "--ssl" in done.stderr, (words, done)
