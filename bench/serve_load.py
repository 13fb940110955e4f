#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Load for a server on this machine. Only the standard library; loopback only; every mode ends by itself.

    bench/serve_load.py mixed --pid PID --requests 10000        good, bad and broken-off requests
    bench/serve_load.py parallel --clients 4 --prompt 128 --answer 256
    bench/serve_load.py beside --prompt 7000                     a long prefill beside another client's tokens
    bench/serve_load.py overload --clients 100                   how soon a full queue says so
    bench/serve_load.py repeat --prompt 7000                     further questions about a document
    bench/serve_load.py overhead --program lazyllm -m MODEL      time to first token and of further ones beside `lazyllm run`

`mixed` fails (exit code 1) if a request gets an answer that its kind cannot get, the server dies, a slot stays busy, or memory grows by
more than --growth MiB after the first quarter. The others print one JSON object with what they measured. `parallel` also works with other
servers that speak OpenAI's /v1/completions.
"""

import argparse
import bisect
import http.client
import itertools
import json
import os
import pathlib
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

os.environ["LAZYLLM_LIBRARY"] = "none"  # each run begins from nothing

WORDS = ("the owl sat in a tall tree and looked over the river while children of the village carried baskets of bread to an old mill "
         "where seven brothers kept their books about stars wind rain and the long roads of the north").split()


class Target:
    """Where the server listens."""

    def __init__(self, url: str, key: str):
        parts = urllib.parse.urlsplit(url)
        if parts.hostname not in {"127.0.0.1", "localhost", "::1"}:
            sys.exit(f"{url} is not on this machine; this tool puts load on the loopback interface only")
        self.host, self.port = parts.hostname, parts.port or 80
        self.headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}

    def connect(self, timeout: float = 300) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.host, self.port, timeout=timeout)

    def post(self, path: str, body) -> tuple[int, bytes]:
        connection = self.connect()
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            connection.request("POST", path, data, self.headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def get(self, path: str) -> tuple[int, bytes]:
        connection = self.connect()
        try:
            connection.request("GET", path, headers=self.headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


def text(words: int, seed: int) -> str:
    source = random.Random(seed)
    return " ".join(source.choice(WORDS) for _ in range(words))


def prompt_of(target: Target, tokens: int, seed: int) -> list[int]:
    """A prompt of exactly so many tokens, different for each seed from its first token on."""
    _, answer = target.post("/tokenize", {"content": text(tokens * 2, seed), "add_special": True})
    ids = json.loads(answer)["tokens"]
    assert len(ids) >= tokens
    return ids[:tokens]


def stream(target: Target, body: dict) -> tuple[list[float], dict]:
    """Times at which the tokens of a streamed completion came, from its start, and the last chunk. Reads only while the answer runs and parses
    afterwards: what this program computes meanwhile, the server lacks."""
    data = json.dumps({**body, "stream": True}).encode()
    head = "".join(f"{name}: {value}\r\n" for name, value in target.headers.items())
    pieces: list[tuple[float, bytes]] = []
    with socket.create_connection((target.host, target.port), timeout=300) as client:
        start = time.perf_counter()
        client.sendall(f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
        while piece := client.recv(1 << 16):
            pieces.append((time.perf_counter() - start, piece))
    received = b"".join(piece for _, piece in pieces)
    status = int(received[:20].split()[1])
    if status != 200:
        raise RuntimeError(f"status {status}: {received[-300:]!r}")
    ends = list(itertools.accumulate(len(piece) for _, piece in pieces))
    times, last = [], {}
    # An event is one line, in one chunk of the transfer coding.
    for event in re.finditer(rb"^data: (\{.*\})\r?$", received, re.MULTILINE):
        chunk = json.loads(event[1])
        if any(choice.get("text") or choice.get("logprobs") for choice in chunk.get("choices", [])):
            times.append(pieces[bisect.bisect_left(ends, event.end())][0])
        last = chunk
    return times, last


# --- mixed ---


class Mixed:
    """Requests of all kinds from several threads. Each kind knows which statuses it may get."""

    def __init__(self, target: Target, requests: int, seed: int):
        self.target = target
        self.requests = requests
        self.seed = seed
        self.lock = threading.Lock()
        self.started = 0
        self.statuses: dict[str, dict[str, int]] = {}
        self.wrong: list[str] = []
        self.slowest_refusal = 0.0

    def body(self, source: random.Random, **more) -> dict:
        return {"prompt": text(source.randint(1, 120), source.randrange(50)), "max_tokens": source.randint(1, 12), **more}

    def good(self, source):
        return self.target.post("/v1/completions", self.body(source))[0], {200, 503}

    def streamed(self, source):
        status, body = self.target.post("/v1/completions", self.body(source, stream=True))
        if status == 200 and not body.endswith(b"data: [DONE]\n\n"):
            raise RuntimeError("a stream without its end")
        return status, {200, 503}

    def several(self, source):
        return self.target.post("/v1/completions", self.body(source, n=2, logprobs=1))[0], {200, 503}

    def gone(self, source):
        """Leaves at a random moment: while it sends, waits or receives."""
        data = json.dumps(self.body(source, stream=source.random() < 0.5, max_tokens=200)).encode()
        head = "".join(f"{name}: {value}\r\n" for name, value in self.target.headers.items())
        request = f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n{head}Content-Length: {len(data)}\r\n\r\n".encode() + data
        with socket.create_connection((self.target.host, self.target.port), timeout=60) as client:
            client.sendall(request[:source.randint(1, len(request))])
            time.sleep(source.random() * 0.1)
        return 0, {0}

    def bad_json(self, source):
        data = json.dumps(self.body(source)).encode()
        return self.target.post("/v1/completions", data[:source.randint(0, len(data) - 1)])[0], {400}

    def bad_fields(self, source):
        change = source.choice([{"temperature": "hot"}, {"max_tokens": -7}, {"prompt": 5}, {"n": 0}, {"lazy": {"policy": "magic"}},
                                {"lazy": {"prune": "99:1"}}, {"logit_bias": {"-1": 1}}, {"stop": [1]}, {"model": "other"}])
        return self.target.post("/v1/completions", self.body(source, **change))[0], {400, 404}

    def oversize(self, source):
        head = "".join(f"{name}: {value}\r\n" for name, value in self.target.headers.items())
        with socket.create_connection((self.target.host, self.target.port), timeout=60) as client:
            client.sendall(f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n{head}Content-Length: {10**9}\r\n\r\n".encode())
            client.sendall(b"x" * source.randint(1, 200000))
            answer = client.recv(100)
        return int(answer.split()[1]), {413}

    def too_long(self, source):
        return self.target.post("/v1/completions", {"prompt": text(20000, source.randrange(3))})[0], {400}

    def other(self, source):
        path = source.choice(["/health", "/metrics", "/slots", "/props", "/v1/models", "/none"])
        return self.target.get(path)[0], {404} if path == "/none" else {200}

    KINDS = [(good, 30), (streamed, 20), (several, 5), (gone, 15), (bad_json, 8), (bad_fields, 8), (oversize, 4), (too_long, 2), (other, 8)]

    def run_one(self, number: int):
        source = random.Random(f"{self.seed} {number}")
        kind = source.choices([kind for kind, _ in self.KINDS], [weight for _, weight in self.KINDS])[0]
        begin = time.perf_counter()
        try:
            status, allowed = kind(self, source)
            problem = None if status in allowed else f"status {status}"
        except (OSError, http.client.HTTPException, RuntimeError, IndexError, ValueError) as error:
            status, problem = -1, repr(error)
        seconds = time.perf_counter() - begin
        with self.lock:
            counts = self.statuses.setdefault(kind.__name__, {})
            counts[str(status)] = counts.get(str(status), 0) + 1
            if status == 503:
                self.slowest_refusal = max(self.slowest_refusal, seconds)
            if problem:
                self.wrong.append(f"request {number} ({kind.__name__}): {problem}")

    def run(self, threads: int, until: int):
        def work():
            while True:
                with self.lock:
                    if self.started >= until:
                        return
                    number = self.started
                    self.started += 1
                self.run_one(number)

        workers = [threading.Thread(target=work) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()


def resident_mib(pid: int) -> float:
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no process {pid}")


def wait_until_idle(target: Target, seconds: float = 30) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not any(slot["is_processing"] for slot in json.loads(target.get("/slots")[1])):
            return True
        time.sleep(0.05)
    return False


def run_mixed(target: Target, options) -> int:
    load = Mixed(target, options.requests, options.seed)
    begin = time.monotonic()
    memory = []
    for quarter in range(1, 5):
        load.run(options.clients, options.requests * quarter // 4)
        memory.append(resident_mib(options.pid) if options.pid else 0.0)
    idle = wait_until_idle(target)
    growth = memory[-1] - memory[0]
    good = target.post("/v1/completions", {"prompt": "The owl", "max_tokens": 2})[0]
    print(json.dumps({
        "requests": load.started, "seconds": round(time.monotonic() - begin, 1), "statuses": load.statuses,
        "wrong": load.wrong[:20], "wrong_count": len(load.wrong), "slots_idle": idle, "answers_afterwards": good == 200,
        "slowest_refusal_ms": round(load.slowest_refusal * 1e3, 1), "memory_mib_after_each_quarter": [round(m, 1) for m in memory],
        "growth_after_first_quarter_mib": round(growth, 1)}, indent=1))
    return 0 if not load.wrong and idle and good == 200 and growth <= options.growth else 1


# --- figures ---


def generate_all(target: Target, prompts: list[list[int]], answer: int, parallel: bool) -> tuple[float, int]:
    """Seconds for all prompts, and tokens written."""
    tokens = []

    def one(prompt):
        status, body = target.post("/v1/completions", {"prompt": prompt, "max_tokens": answer, "ignore_eos": True, "temperature": 0,
                                                       "cache_prompt": False, "lazy": {"policy": "dense"}})
        assert status == 200, body[:300]
        tokens.append(json.loads(body)["usage"]["completion_tokens"])

    begin = time.perf_counter()
    if parallel:
        threads = [threading.Thread(target=one, args=(prompt,)) for prompt in prompts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    else:
        for prompt in prompts:
            one(prompt)
    return time.perf_counter() - begin, sum(tokens)


def run_parallel(target: Target, options) -> int:
    prompts = [prompt_of(target, options.prompt, options.seed + i) for i in range(options.clients)]
    generate_all(target, prompts[:1], 8, False)  # warm
    one_by_one, tokens = generate_all(target, prompts, options.answer, False)
    together, same = generate_all(target, prompts, options.answer, True)
    assert tokens == same == options.clients * options.answer
    print(json.dumps({"clients": options.clients, "prompt_tokens": options.prompt, "answer_tokens": options.answer,
                      "one_by_one_tokens_per_second": round(tokens / one_by_one, 2), "together_tokens_per_second": round(tokens / together, 2),
                      "ratio": round(one_by_one / together, 2)}))
    return 0


def intervals(times: list[float]) -> list[float]:
    return [b - a for a, b in zip(times, times[1:])]


def milliseconds(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(1e3 * s for s in seconds)
    at = {"median": 0.5, "p95": 0.95, "p99": 0.99, "p99.9": 0.999, "worst": 1.0}
    return {name: round(ordered[min(int(share * len(ordered)), len(ordered) - 1)], 2) for name, share in at.items()}


def run_beside(target: Target, options) -> int:
    """Time between tokens of one client, quiet and while another's long prompt is read."""
    short = {"prompt": prompt_of(target, 32, options.seed), "max_tokens": 64, "ignore_eos": True, "temperature": 0, "logprobs": 0}
    quiet = intervals(stream(target, short)[0])
    long_prompt = {"prompt": prompt_of(target, options.prompt, options.seed + 1), "max_tokens": 1, "cache_prompt": False, "lazy": {"policy": "dense"}}
    window = {}

    def read_long():
        window["begin"] = time.perf_counter()
        stream(target, long_prompt)
        window["end"] = time.perf_counter()

    begin = time.perf_counter()
    reader = threading.Timer(0.3, read_long)
    reader.start()
    times, _ = stream(target, {**short, "max_tokens": 1500})
    reader.join()
    during = [b - a for a, b in zip(times, times[1:]) if begin + a > window["begin"] and begin + b < window["end"]]
    assert during, "the prompt was read between two tokens; use a longer one"
    before, beside = milliseconds(quiet), milliseconds(during)
    print(json.dumps({"prompt_tokens": options.prompt, "quiet_ms": before, "during_prefill_ms": beside, "tokens_during_prefill": len(during),
                      "prefill_s": round(window["end"] - window["begin"], 2),
                      "ratio": {name: round(beside[name] / before[name], 2) for name in ("median", "p95", "p99", "p99.9")}}))
    return 0


def run_overload(target: Target, options) -> int:
    """Fills slots and queue with answers that take long, then times refusals one by one. The waiting clients go away at the end."""
    body = {"prompt": text(200, options.seed), "max_tokens": 2000, "ignore_eos": True}
    data = json.dumps(body).encode()
    head = "".join(f"{name}: {value}\r\n" for name, value in target.headers.items())
    request = f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n{head}Content-Length: {len(data)}\r\n\r\n".encode() + data
    waiting = []
    for _ in range(options.clients):
        waiting.append(socket.create_connection((target.host, target.port), timeout=60))
        waiting[-1].sendall(request)
    time.sleep(2)
    refused, retry_after = [], set()
    for _ in range(50):
        connection = target.connect()
        begin = time.perf_counter()
        connection.request("POST", "/v1/completions", data, target.headers)
        response = connection.getresponse()
        response.read()
        refused.append(time.perf_counter() - begin)
        assert response.status == 503, f"status {response.status}: more --clients are needed to fill the queue"
        retry_after.add(response.headers["Retry-After"])
        connection.close()
    for client in waiting:
        client.close()
    idle = wait_until_idle(target)
    print(json.dumps({"waiting": options.clients, "refused": len(refused), "refusal_ms": milliseconds(refused), "retry_after": sorted(retry_after), "slots_idle": idle}))
    return 0 if idle and max(refused) < 0.1 else 1


QUESTIONS = ("Who sat in the tree?", "What did the children carry?", "Where is the old mill?", "What did the brothers keep?", "How long are the roads?", "Is there rain?")


def run_repeat(target: Target, options) -> int:
    """The first and further questions about one document beside dense runs before and after, and one further question without any cache."""
    document = prompt_of(target, options.prompt, options.seed)
    questions = [json.loads(target.post("/tokenize", {"content": f"\n\nQuestion: {q}\nAnswer:", "add_special": False})[1])["tokens"] for q in QUESTIONS]

    def ask(question, cache, policy):
        body = {"max_tokens": 16, "temperature": 0, "logprobs": 0, "prompt": document + question, "cache_prompt": cache, "lazy": {"policy": policy}}
        times, last = stream(target, body)
        return times[0], last

    dense_before, whole = ask(questions[0], False, "dense")
    first, _ = ask(questions[0], True, options.policy)
    further = [ask(question, True, options.policy) for question in questions[1:]]
    fresh, without = ask(questions[-1], False, options.policy)
    dense_after, whole_after = ask(questions[0], False, "dense")
    dense = (dense_before + dense_after) / 2
    second = statistics.median(seconds for seconds, _ in further)
    expected = statistics.median((expected_seconds(last, whole) + expected_seconds(last, whole_after)) / 2 for _, last in further)
    last = further[-1][1]
    print(json.dumps({"prompt_tokens": options.prompt, "policy": options.policy, "dense_ttft_s": [round(dense_before, 3), round(dense_after, 3)],
                      "first_ttft_s": round(first, 3), "further_ttft_s": [round(seconds, 3) for seconds, _ in further],
                      "further_without_cache_ttft_s": round(fresh, 3), "cost_model_s": round(expected, 3), "further_over_cost_model": round(second / expected, 3),
                      "further_over_dense": round(second / dense, 3), "cached_tokens": last["timings"]["cache_n"],
                      "same_tokens_kept": last["lazy"]["kept_per_layer"] == without["lazy"]["kept_per_layer"]}))
    return 0


def expected_seconds(run: dict, dense: dict) -> float:
    """Cost model: the run's operations at the speed that a dense run of the same prompt had."""
    work, speed = run["lazy"]["prefill"], dense["lazy"]["prefill"]
    return sum(work[f"{kind}_operations"] * speed[f"{kind}_ms"] / speed[f"{kind}_operations"] for kind in ("linear", "attention")) / 1e3


def run_overhead(target: Target, options) -> int:
    """The same greedy prompts through the server and through `lazyllm run`, by turns."""
    ours: dict[str, list[float]] = {"ttft": [], "tpot": []}
    program: dict[str, list[float]] = {"ttft": [], "tpot": []}
    for turn in range(options.rounds + 1):
        prompt = text(options.prompt * 3 // 4, options.seed + turn)
        body = {"prompt": prompt, "max_tokens": options.answer, "ignore_eos": True, "temperature": 0, "cache_prompt": False}
        times, last = stream(target, body)
        with tempfile.TemporaryDirectory() as folder:
            figures = pathlib.Path(folder) / "figures.json"
            subprocess.run([options.program, "run", "-m", options.model, "-p", prompt, "-n", str(options.answer), "--ignore-eos", "--no-chat", "--temp", "0",
                            "--stats-json", figures], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            run = json.loads(figures.read_text())
        if turn == 0:
            continue  # warm
        assert last["timings"]["predicted_n"] == options.answer == run["generated_tokens"]
        ours["ttft"].append(times[0])
        ours["tpot"].append((times[-1] - times[0]) / (last["timings"]["predicted_n"] - 1))  # a chunk may hold several tokens
        program["ttft"].append(run["ttft_ms"] / 1e3)
        program["tpot"].append(run["tpot_ms"] / 1e3)
    ratios = {name: [a / b for a, b in zip(ours[name], program[name])] for name in ours}
    print(json.dumps({"prompt_words": options.prompt * 3 // 4, "answer_tokens": options.answer, "rounds": options.rounds,
                      **{f"{name}_ms": {"server": round(1e3 * statistics.median(ours[name]), 2), "run": round(1e3 * statistics.median(program[name]), 2)} for name in ours},
                      "ratio": {name: round(statistics.median(ratios[name]), 4) for name in ratios}}))
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", choices=["mixed", "parallel", "beside", "overload", "repeat", "overhead"])
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--key", default="")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=None, help="default: mixed 16, parallel 4, overload 100")
    parser.add_argument("--requests", type=int, default=10000)
    parser.add_argument("--pid", type=int, default=0, help="of the server, to watch its memory")
    parser.add_argument("--growth", type=float, default=16.0, help="MiB that memory may grow after the first quarter")
    parser.add_argument("--prompt", type=int, default=None, help="tokens (default: parallel 128, others 7000)")
    parser.add_argument("--answer", type=int, default=256, help="tokens")
    parser.add_argument("--policy", default="lazy")
    parser.add_argument("--program", type=pathlib.Path, help="lazyllm, for overhead")
    parser.add_argument("-m", "--model", type=pathlib.Path, help="the server's model, for overhead")
    parser.add_argument("--rounds", type=int, default=5, help="of overhead")
    options = parser.parse_args()
    options.clients = options.clients or {"mixed": 16, "overload": 100}.get(options.mode, 4)
    options.prompt = options.prompt or (128 if options.mode == "parallel" else 7000)
    target = Target(options.url, options.key)
    return {"mixed": run_mixed, "parallel": run_parallel, "beside": run_beside, "overload": run_overload, "repeat": run_repeat, "overhead": run_overhead}[options.mode](target, options)


if __name__ == "__main__":
    sys.exit(main())
