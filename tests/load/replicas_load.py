#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Three replicas in three network namespaces behind HAProxy (packaging/proxy/haproxy.cfg), with one Redis: mixed requests about 50 documents while replicas are
killed and restarted one at a time, the Redis goes and comes back, and a replica's wire is cut. Standard library only; needs root, iproute2, haproxy and redis-server.

    tests/load/replicas_load.py --program build/release/lazyllm --requests 2000

Every answer is held against that of one server without cache, text and logprobs. A request may fail only if it ran while a replica was away, and only on that one;
it is asked again then. Exit code 1: something was wrong; 77: what it needs is not here, with the reason.
"""

import argparse
import concurrent.futures
import contextlib
import http.client
import json
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import network
import tiny_chat_model

HEADER = "X-Lazyllm-Affinity"
PORT = 8080
ROOT = pathlib.Path(__file__).resolve().parents[2]


class Replica:
    """`lazyllm serve` on a machine of the network (None: here)."""

    def __init__(self, command: list, address: str):
        self.command, self.address, self.process = command, address, None
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 120
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the server did not start: {' '.join(map(str, self.command))}")
            time.sleep(0.05)

    def is_ready(self) -> bool:
        connection = http.client.HTTPConnection(self.address, PORT, timeout=2)
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        return False

    def stop(self, how: int):
        self.process.send_signal(how)
        self.process.wait(60)


class Broken(Exception):
    """An answer that did not come whole; on which replica, if that is known."""

    def __init__(self, why: str, replica: str):
        super().__init__(why)
        self.replica = replica


def ask(address: str, body: dict, affinity: str = "") -> dict:
    """Text, logprobs, cached tokens, affinity, replica."""
    replica, data = "", b""
    connection = http.client.HTTPConnection(address, PORT, timeout=120)
    try:
        headers = {"Content-Type": "application/json"} | ({HEADER: affinity} if affinity else {})
        connection.request("POST", "/v1/completions", json.dumps(body), headers)
        response = connection.getresponse()
        replica = response.headers.get("X-Replica", "")
        data = response.read()
        if response.status != 200:
            raise Broken(f"status {response.status}: {data[:200]!r}", replica)
        said = response.headers[HEADER]
    except (OSError, http.client.HTTPException) as error:
        raise Broken(f"{type(error).__name__}: {error}", replica) from None
    finally:
        connection.close()
    if not body.get("stream"):
        parts = [json.loads(data)]
    else:
        events = [event.removeprefix("data: ") for event in data.decode().split("\n\n") if event.startswith("data: ")]
        if not events or events[-1] != "[DONE]":
            raise Broken(f"a stream without its end: {data[-200:]!r}", replica)
        parts = [json.loads(event) for event in events[:-1]]
    choices = [part["choices"][0] for part in parts if part.get("choices")]
    usage = next(part["usage"] for part in reversed(parts) if part.get("usage"))
    return {"text": "".join(choice["text"] for choice in choices),
            "logprobs": [value for choice in choices if choice.get("logprobs") for value in choice["logprobs"]["token_logprobs"]],
            "cached": usage["prompt_tokens_details"]["cached_tokens"], "affinity": said, "replica": replica}


class Plan:
    """Request number i of a seed, the same in every run."""

    def __init__(self, seed: int, documents: int, words: int):
        self.seed = seed
        draw = random.Random(seed)
        self.documents = [f"Text {number}. " + " ".join(draw.choice(tiny_chat_model.TEXT_WORDS) for _ in range(words)) for number in range(documents)]

    def request(self, number: int) -> tuple[int, dict]:
        """The document, and the body."""
        draw = random.Random(f"{self.seed}-{number}")
        # In the first round each document once; then any.
        document = number if number < len(self.documents) else draw.randrange(len(self.documents))
        body = {"prompt": self.documents[document] + " " + " ".join(draw.choice(tiny_chat_model.TEXT_WORDS) for _ in range(draw.randint(2, 12))), "max_tokens": draw.randint(1, 24),
                "temperature": 0, "logprobs": 1, "ignore_eos": True, "lazy": draw.choice([{"policy": "dense"}, {"policy": "lazy", "prune": draw.choice(["2:0.5", "3:0.3"]), "min_prompt": 0}])}
        if draw.random() < 0.4:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return document, body


class Load:
    """Sends the requests, and breaks what they need."""

    def __init__(self, plan: Plan, total: int, replicas: list[Replica], redis, net):
        self.plan, self.total, self.replicas, self.redis, self.net = plan, total, replicas, redis, net
        self.lock = threading.Lock()
        self.done = 0
        self.affinity: dict[int, str] = {}
        self.answers: dict[int, dict] = {}
        self.outages: list[list] = []  # replica's name, begin, end (inf: still away)
        self.lost: list[str] = []
        self.wrong: list[str] = []
        self.second = self.warm = 0

    def excused(self, begin: float, replica: str) -> bool:
        """Whether a replica that could have had this request was away meanwhile. A second more: health is looked at once a second."""
        return any(begin < end + 1 and replica in ("", name) for name, _, end in self.outages)

    def one(self, number: int):
        document, body = self.plan.request(number)
        with self.lock:
            affinity = self.affinity.get(document, "")
        for attempt in range(6):
            begin = time.monotonic()
            try:
                answer = ask(network.HUB, body, affinity)
                break
            except Broken as broken:
                with self.lock:
                    (self.lost if self.excused(begin, broken.replica) else self.wrong).append(f"request {number} on {broken.replica or 'no replica'}: {broken}")
                time.sleep(0.3 * (attempt + 1))
        else:
            with self.lock:
                self.wrong.append(f"request {number} was never answered")
                self.done += 1
            return
        with self.lock:
            self.done += 1
            self.answers[number] = answer
            if affinity:
                self.second += 1
                self.warm += answer["cached"] > 0
            self.affinity[document] = answer["affinity"]

    def wait_for(self, share: float, most_seconds: float = float("inf")):
        end = time.monotonic() + most_seconds
        while self.done < share * self.total and time.monotonic() < end:
            time.sleep(0.01)

    @contextlib.contextmanager
    def away(self, number: int):
        outage = [f"replica{number + 1}", time.monotonic(), float("inf")]
        with self.lock:
            self.outages.append(outage)
        yield
        outage[2] = time.monotonic()

    def breaks(self):
        """Eight losses of a replica, one of the Redis, one cut wire, at shares of the work."""
        for step in range(8):
            start = 0.08 + 0.1 * step
            self.wait_for(start)
            number = step % len(self.replicas)
            if step == 3:
                self.redis.stop()
                print(f"at {self.done}: the Redis is gone", flush=True)
            if step == 6:
                print(f"at {self.done}: the wire of replica {number + 1} is cut", flush=True)
                with self.away(number):
                    self.net.cut(number)
                    self.wait_for(start + 0.05, 8)
                    self.net.join(number)
                    self.wait_for(start + 0.07, 3)
            else:
                how = signal.SIGKILL if step % 2 == 0 else signal.SIGTERM
                print(f"at {self.done}: replica {number + 1} gets {how.name}", flush=True)
                with self.away(number):
                    self.replicas[number].stop(how)
                    self.wait_for(start + 0.03)
                    self.replicas[number].start()
            if step == 4:
                self.redis.start()
                print(f"at {self.done}: the Redis is back", flush=True)

    def run(self, clients: int):
        breaker = concurrent.futures.ThreadPoolExecutor(1)
        broken = breaker.submit(self.breaks)
        first = min(len(self.plan.documents), self.total)
        with concurrent.futures.ThreadPoolExecutor(clients) as pool:
            for numbers in (range(first), range(first, self.total)):
                list(pool.map(self.one, numbers))
        broken.result()

    def compare(self, reference: Replica):
        for number, answer in sorted(self.answers.items()):
            alone = ask(reference.address, self.plan.request(number)[1] | {"cache_prompt": False})
            if (alone["text"], alone["logprobs"]) != (answer["text"], answer["logprobs"]):
                self.wrong.append(f"request {number} on {answer['replica']}: {answer}, alone {alone}")


class Redis:
    def __init__(self, folder: pathlib.Path):
        self.command = ["redis-server", "--port", "6379", "--bind", network.HUB, "--protected-mode", "no", "--save", "", "--appendonly", "no", "--dir", folder]
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL)

    def stop(self):
        self.process.kill()
        self.process.wait(20)


def proxy(folder: pathlib.Path, addresses: list[str]) -> subprocess.Popen:
    """HAProxy with the shipped file, but for its addresses, and a header that tells who answered."""
    text = (ROOT / "packaging" / "proxy" / "haproxy.cfg").read_text().replace("127.0.0.1:8080", f"{network.HUB}:{PORT}")
    for number, address in enumerate(addresses, 1):
        text = text.replace(f"127.0.0.1:808{number}", f"{address}:{PORT}")
    assert "127.0.0.1" not in text
    (folder / "haproxy.cfg").write_text(text.rstrip() + "\n    http-response set-header X-Replica %s\n")
    return subprocess.Popen(["haproxy", "-q", "-f", folder / "haproxy.cfg"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait_for_proxy(haproxy: subprocess.Popen, addresses: list[str]):
    """Until a request through it is answered by each replica."""
    end, met = time.monotonic() + 60, set()
    while len(met) < len(addresses):
        if haproxy.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"HAProxy ended with {haproxy.poll()}" if haproxy.poll() is not None else f"the proxy has met {len(met)} replicas within 60 s")
        with contextlib.suppress(Broken):
            met.add(ask(network.HUB, {"prompt": f"Until the proxy is there, {time.monotonic()}", "max_tokens": 1})["replica"])
        time.sleep(0.05)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=pathlib.Path, required=True)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--documents", type=int, default=50)
    parser.add_argument("--words", type=int, default=250, help="of each document")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--warm", type=float, default=0.0, help="least share of second questions that are to be warm")
    args = parser.parse_args()
    missing = network.why_not() or next((f"{name} is not installed" for name in ("haproxy", "redis-server") if shutil.which(name) is None), "")
    if missing:
        print(missing)
        return 77
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lazyllm-replicas-")))
        model = folder / "model.gguf"
        tiny_chat_model.write_model(model)
        net = network.Network(3)
        stack.callback(net.close)
        redis = Redis(folder)
        stack.callback(lambda: redis.stop())
        serve = [args.program.resolve(), "serve", "-m", model, "--port", PORT, "-t", 1, "--drain-seconds", 20]

        def start(before: list, address: str, *more) -> Replica:
            replica = Replica([str(word) for word in [*before, *serve, "--host", address, *more]], address)
            stack.callback(lambda: replica.process.kill())
            return replica

        replicas = [start(net.on(number), address, "--library", folder / f"library{number}", "--library-store", f"redis://{network.HUB}:6379")
                    for number, address in enumerate(net.addresses)]
        haproxy = proxy(folder, net.addresses)
        stack.callback(haproxy.kill)
        wait_for_proxy(haproxy, net.addresses)
        load = Load(Plan(args.seed, args.documents, args.words), args.requests, replicas, redis, net)
        begin = time.monotonic()
        load.run(args.clients)
        seconds = time.monotonic() - begin
        haproxy.kill()
        haproxy.wait()
        load.compare(start([], "127.0.0.1", "--library", "none"))
        share = load.warm / max(load.second, 1)
        print(f"{args.requests} requests about {args.documents} documents in {seconds:.0f} s: {len(load.wrong)} wrong, {len(load.lost)} lost on replicas that were away and asked "
              f"again, {load.warm} of {load.second} second questions warm ({100 * share:.1f} %)")
        for line in load.lost[:20]:
            print("lost:", line[:300])
        for line in load.wrong[:20]:
            print("WRONG:", line[:2000])
        if share < args.warm:
            print(f"fewer than {100 * args.warm:.0f} % of the second questions were warm")
        return int(bool(load.wrong) or share < args.warm)


if __name__ == "__main__":
    sys.exit(main())
