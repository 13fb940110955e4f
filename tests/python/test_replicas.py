# SPDX-License-Identifier: Apache-2.0
"""Two replicas behind the proxies of packaging/proxy: what belongs together meets one replica, and when that one
goes, the other answers the same."""

import contextlib
import json
import time
import urllib.error
import urllib.request

import proxies
import pytest
from serving import ServeProcess

HEADER = "X-Lazyllm-Affinity"


def ask(port: int, body: dict, affinity: str = "") -> tuple[str, str]:
    """The text, and the header of the answer."""
    headers = {"Content-Type": "application/json"} | ({HEADER: affinity} if affinity else {})
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/completions", data=json.dumps(body).encode(), headers=headers)
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.loads(response.read())["choices"][0]["text"], response.headers[HEADER]


def document(number: int) -> str:
    return f"Text {number}. " + "Once upon a time there was a cat. " * 8


def question(number: int, turn: int) -> dict:
    return {"prompt": document(number) + f"Then {turn}", "max_tokens": 4, "temperature": 0}


@pytest.fixture
def replicas(program, data):
    with contextlib.ExitStack() as stack:
        model = data / "models" / "stories260K.gguf"
        yield [stack.enter_context(ServeProcess(program.path, "-m", model, "--library", "none", "--drain-seconds", "5")) for _ in range(2)]


def answered(server: ServeProcess) -> int:
    return int(server.metric("requests_total")) if server.process.poll() is None else 0


@pytest.mark.parametrize("kind", ["haproxy", "nginx"])
def test_one_text_meets_one_replica(kind, replicas, tmp_path):
    port = proxies.free_port()
    with proxies.running(proxies.proxy_command(kind, tmp_path, port, [replica.port for replica in replicas]), port):
        counts = []
        for number in range(8):
            _, affinity = ask(port, question(number, 0), "" if kind == "haproxy" else f"text-{number}")
            before = [answered(replica) for replica in replicas]
            for turn in range(1, 4):
                assert ask(port, question(number, turn), affinity)[1] == affinity
            counts.append([after - start for after, start in zip((answered(replica) for replica in replicas), before, strict=True)])
        assert all(sorted(count) == [0, 3] for count in counts), counts
        assert 0 < sum(count[0] == 3 for count in counts) < 8, "the texts are spread"


@pytest.mark.parametrize("kind", ["haproxy", "nginx"])
def test_a_replica_goes_and_the_other_answers(kind, replicas, tmp_path):
    port = proxies.free_port()
    with proxies.running(proxies.proxy_command(kind, tmp_path, port, [replica.port for replica in replicas]), port):
        first = [ask(port, question(number, 0)) for number in range(6)]
        assert replicas[0].stop() == 0
        for number, (text, affinity) in enumerate(first):
            assert ask(port, question(number, 0), affinity) == (text, affinity)


@pytest.mark.parametrize("kind", ["haproxy", "nginx"])
def test_a_stream_comes_word_by_word_and_inside_views_do_not(kind, replicas, tmp_path):
    port = proxies.free_port()
    with proxies.running(proxies.proxy_command(kind, tmp_path, port, [replica.port for replica in replicas]), port):
        body = json.dumps({"prompt": "Once", "max_tokens": 200, "ignore_eos": True, "stream": True}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/completions", data=body)
        pieces, start = [], time.monotonic()
        with urllib.request.urlopen(request, timeout=60) as response:
            while piece := response.read1(65536):
                pieces.append(time.monotonic() - start)
        assert len(pieces) > 10, "the proxy kept the words back"
        for path in ("/metrics", "/slots"):
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60)
            assert refused.value.code == 403
