#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Mixed requests for a server, and the law of its cache: every answer is the one that the same request gets alone, without cache and drafts,
token by token and bit by bit in its logprobs. Standard library only.

    tests/load/mixed_load.py --program build/asan/lazyllm --requests 10000     a server of its own on tiny random models
    tests/load/mixed_load.py --program build/asan/lazyllm -m stories260K.gguf  the same on this model
    tests/load/mixed_load.py --url http://127.0.0.1:8080 --layers 30           a server that runs

All requests follow from --seed. Several clients send chat and completions in the protocols of OpenAI, Anthropic, ollama and llama-server, whole and
streamed, on documents that share beginnings and differ in edits, under differing schedules, scores and policies, with and without cache and prompt lookup; among them are slots that are
saved, restored and erased, schemas that cannot be met, prompts that give NaN (the model of tiny_chat_model.py), bad requests, and clients that leave during the prefill or a stream. Exit code 1:
something was wrong; what, is printed with the request that shows it.
"""

import argparse
import concurrent.futures
import http.client
import json
import pathlib
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

import protocols
import tiny_chat_model

SCORES = ["last", "window:8", "ahead", "ahead:2", "accumulate:4", "peak:8"]
SLOTS = 4
POLICIES = ["lazy"] * 8 + ["dense", "static", "tsp", "gem", "random", "compress"]
BAD = [b"{", b"[]", b'{"prompt": 5}', b'{"prompt": "x", "lazy": {"prune": "0:9"}}', b'{"prompt": "x", "temperature": "hot"}',
       b'{"prompt": "x", "lazy": {"policy": "none such"}}', b'{"messages": []}', b'{"prompt": "x", "response_format": {"type": "json_schema"}}',
       b'{"prompt": "x", "n": 0}', b"\xff\xfe", b'{"prompt": "x", "lazy": {"score": "peak:-1"}}', b'{"prompt": "x", "seed": 1e99}']


class Plan:
    """Request number i of a seed, the same in every run."""

    def __init__(self, seed: int, layers: int, *, chat: bool, nan: bool, constant: dict | None, document: int, slots: int = 0):
        self.seed, self.layers, self.chat, self.nan, self.constant, self.slots = seed, layers, chat, nan, constant, slots
        draw = random.Random(seed)
        self.documents = [[draw.choice(tiny_chat_model.TEXT_WORDS) for _ in range(draw.randint(max(8, document // 8), max(8, document)))] for _ in range(6)]

    def _text(self, draw: random.Random) -> str:
        words = list(draw.choice(self.documents))
        kind = draw.random()
        if kind < 0.3:
            words = words[:draw.randint(4, len(words))]
        elif kind < 0.6:
            place = draw.randrange(len(words))
            words[place:place + draw.randint(0, 3)] = [draw.choice(tiny_chat_model.TEXT_WORDS) for _ in range(draw.randint(0, 3))]
        return " ".join(words) + draw.choice(["", " so", " What is the star of the mill?", " Who sat by the river?"])

    def _schedule(self, draw: random.Random) -> str:
        places = sorted(draw.sample(range(1, self.layers), min(draw.choice([1, 1, 2]), self.layers - 1)))
        return ",".join(f"{place}:{draw.choice([0.8, 0.6, 0.5, 0.3])}" for place in places)

    def request(self, number: int) -> dict:
        """kind, path, body, and when the client leaves (bytes of the answer it awaits)."""
        draw = random.Random(f"{self.seed} {number}")
        if draw.random() < 0.05:
            return {"kind": "bad", "path": "/v1/chat/completions" if draw.random() < 0.2 else "/v1/completions", "body": draw.choice(BAD)}
        if self.slots and draw.random() < 0.05:
            path = f"/slots/{draw.randrange(self.slots)}?action={draw.choice(['save', 'save', 'restore', 'restore', 'erase'])}"
            return {"kind": "slot", "path": path, "body": {"filename": f"file{draw.randrange(3)}"}}
        text = self._text(draw)
        body = {"max_tokens": draw.randint(1, 16), "temperature": draw.choice([0, 0, 0.7, 1.5]), "seed": draw.randrange(1000),
                "cache_prompt": draw.random() < 0.85, "stream": draw.random() < 0.5}
        lazy = {"policy": draw.choice(POLICIES), "min_prompt": draw.choice([0, 0, 64]), "protect_first": draw.choice([0, 4]),
                "protect_last": draw.choice([0, 8, 32]), "revive_budget": draw.choice([0, 2, "all", "none"])}
        if lazy["policy"] == "lazy":
            lazy["prune"] = self._schedule(draw)
            lazy["score"] = draw.choice(SCORES)
            if draw.random() < 0.2:
                lazy["keep_mass"] = draw.choice([0.5, 0.9])
        elif lazy["policy"] == "static" and draw.random() < 0.5:
            lazy["prune"] = f"{draw.randint(1, self.layers - 1)}:0.5"
        if draw.random() < 0.9:
            body["lazy"] = lazy
        if self.slots and draw.random() < 0.5:
            body["id_slot"] = draw.randrange(self.slots)
        kind = draw.random()
        name = "good"
        if kind < 0.06:
            body["response_format"] = {"type": "json_schema", "json_schema": {"name": "s", "schema": {
                "type": "object", "properties": {"n": {"type": "integer"}, "word": {"enum": ["owl", "mill"]}}, "required": ["n"]}}}
        elif kind < 0.10 and self.constant:
            name = "impossible"
            body["response_format"] = {"type": "json_schema", "json_schema": {"name": "s", "schema": {"const": 12}}}
            body["logit_bias"] = self.constant
            body["max_tokens"] = 16
        elif kind < 0.14 and self.nan:
            name = "nan"
            if lazy["policy"] == "random" and "lazy" in body:
                body["lazy"] = {"policy": "dense"}  # random may leave out just this token, before anything is computed
            text += " " + tiny_chat_model.POISON
        elif kind < 0.18:
            body["ignore_eos"], body["repeat_penalty"] = True, 1.2
        path = "/v1/completions"
        if self.chat and draw.random() < 0.4:
            path = "/v1/chat/completions"
            body.update(messages=[{"role": "user", "content": text}], logprobs=True, top_logprobs=3)
        else:
            body.update(prompt=text, logprobs=3)
        request = {"kind": name, "path": path, "body": body}
        if draw.random() < 0.45:
            request["protocol"] = draw.choice(["native", "embeddings", *(["rerank"] if self.chat else []), *(protocols.CHAT if self.chat else [])])
            request["path"] = protocols.PATHS[request["protocol"]]
            request["body"] = protocols.translate(request["protocol"], body, text)
        if request.get("protocol", "native") == "native" and draw.random() < 0.5:
            request["body"]["prompt_lookup_num_tokens"] = draw.choice([1, 4, 16])
        leave = draw.random()
        if leave < 0.06:
            request["leave"] = 0  # during the prefill
        elif leave < 0.12 and body["stream"]:
            request["leave"] = draw.randint(200, 2000)
        return request


class Client:
    def __init__(self, host: str, port: int, timeout: float):
        self.host, self.port, self.timeout = host, port, timeout

    def send(self, request: dict, **changes):
        """What came back in a form that can be compared; None if the client left."""
        body, alone = request["body"], bool(changes)
        if request.get("protocol") in {"embeddings", "rerank"}:
            changes = {}  # they use no cache
        data = body if isinstance(body, bytes) else json.dumps({**body, **changes}).encode()
        connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
        try:
            connection.request("POST", request["path"], data, {"Content-Type": "application/json"})
            if "leave" in request and not alone:
                if request["leave"]:
                    connection.getresponse().read(request["leave"])
                return None
            response = connection.getresponse()
            raw = response.read()
        finally:
            connection.close()
        if "protocol" in request:
            streamed = not response.getheader("Content-Type", "").startswith("application/json")
            answer = protocols.read(request["protocol"], raw.decode(), streamed)
        elif response.getheader("Content-Type", "").startswith("text/event-stream"):
            parts = [part[6:] for part in raw.decode().split("\n\n") if part.startswith("data: ")]
            answer = join([json.loads(part) for part in parts if part != "[DONE]"])
            if not answer["error"] and parts[-1:] != ["[DONE]"]:
                answer["error"] = "the stream has no end"
        else:
            answer = join([json.loads(raw)])
        answer["status"] = response.status
        return answer


def join(chunks: list[dict]) -> dict:
    """One answer of a whole response or of a stream's chunks: text, tokens with logprobs, reason, error."""
    answer = {"text": "", "logprobs": [], "finish_reason": None, "error": None, "chosen": None}
    for chunk in chunks:
        answer["chosen"] = (chunk.get("lazy") or {}).get("plan", {}).get("chosen") or answer["chosen"]
        if "error" in chunk:
            answer["error"] = chunk["error"].get("code") or chunk["error"].get("message")
            answer["message"] = chunk["error"].get("message")
        for choice in chunk.get("choices", []):
            part = choice.get("message") or choice.get("delta") or choice
            answer["text"] += part.get("content") or choice.get("text") or ""
            answer["finish_reason"] = choice.get("finish_reason") or answer["finish_reason"]
            logprobs = choice.get("logprobs") or {}
            if "content" in logprobs:
                answer["logprobs"] += [[t["token"], t["logprob"], [[o["token"], o["logprob"]] for o in t["top_logprobs"]]]
                                       for t in logprobs["content"] or []]
            elif logprobs:
                # An object of equal texts keeps one of them: the order is that of the server.
                answer["logprobs"] += [list(t) for t in zip(logprobs["tokens"], logprobs["token_logprobs"], logprobs["top_logprobs"])]
    return answer


def difference(first: dict, second: dict, streamed: bool) -> str | None:
    """A stream that ends with an error has the status 200 and part of the answer; a whole response has the error alone."""
    for key in ("error", "finish_reason", "text", "logprobs"):
        if first[key] != second[key]:
            return f"{key}: {json.dumps(first[key])[:600]}\n   alone: {json.dumps(second[key])[:600]}"
    if not streamed and first["status"] != second["status"]:
        return f"status {first['status']}, alone {second['status']}"
    return None


class Load:
    def __init__(self, client: Client, plan: Plan, alive):
        self.client, self.plan, self.alive = client, plan, alive
        self.faults: list[str] = []
        self.counts: dict[str, int] = {}
        self.lock = threading.Lock()

    def fault(self, number: int, what: str):
        request = self.plan.request(number)
        with self.lock:
            self.faults.append(f"request {number} ({request['kind']}): {what}\n   {request['path']} {str(request['body'])[:700]}")

    def count(self, name: str):
        with self.lock:
            self.counts[name] = self.counts.get(name, 0) + 1

    def one(self, number: int):
        if len(self.faults) >= 20 or not self.alive():
            return None
        request = self.plan.request(number)
        try:
            answer = self.client.send(request)
        except (OSError, http.client.HTTPException, ValueError) as error:
            if "leave" not in request:
                self.fault(number, f"no answer: {error!r}")
            return None
        if answer is None:
            self.count("left")
            return None
        self.count(request["kind"])
        self.count(request.get("protocol", "openai"))
        status, error = answer["status"], answer["error"]
        if status == 503:  # the queue is full
            self.count("overloaded")
            return None
        if request["kind"] == "bad" and not 400 <= status < 500:
            self.fault(number, f"status {status} for a bad request")
        elif request["kind"] == "slot":
            self.count(f"slot {status}")
            if status not in {200, 400}:  # 400: nothing ended in the slot, or nothing was saved under the name
                self.fault(number, f"status {status}, {answer.get('message')}")
        elif request["kind"] in {"nan", "impossible"} and not error:
            # An impossible answer may also end before its impossible token.
            if request["kind"] == "nan" or answer["finish_reason"] != "length":
                self.fault(number, f"no error, but {answer['text']!r}, {answer['finish_reason']}")
        elif request["kind"] == "good" and error and not self.plan.nan:
            self.fault(number, f"error {answer.get('message')}")
        return number, answer

    @staticmethod
    def ways(request: dict, answer: dict) -> list[dict]:
        """A request that names no way to prune may get the dense one, where the cache makes it no later. An answer that ends with an error does not say which."""
        dense = {"lazy": {"policy": "dense"}}
        if request["body"].get("lazy") is not None:
            return [{}]
        if answer["chosen"] == "dense":
            return [dense]
        return [{}, dense] if answer["error"] else [{}]

    def run(self, requests: int, clients: int, replay: int):
        with concurrent.futures.ThreadPoolExecutor(clients) as pool:
            results = [result for result in pool.map(self.one, range(requests)) if result]
        sample = [result for result in results if result[1] and self.plan.request(result[0])["kind"] not in {"bad", "slot"}]
        random.Random(self.plan.seed).shuffle(sample)
        compared = 0
        for number, answer in sample[:replay]:
            if not self.alive():
                break
            request = self.plan.request(number)
            unlike = None
            try:
                for way in self.ways(request, answer):
                    if "prompt_lookup_num_tokens" in request["body"]:
                        way = {**way, "prompt_lookup_num_tokens": 0}
                    alone = self.client.send(request, cache_prompt=False, **way)
                    unlike = difference(answer, alone, request["body"].get("stream", False))
                    if not unlike:
                        break
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.fault(number, f"no answer alone: {error!r}")
                break
            compared += 1
            if unlike:
                self.fault(number, f"differs from the answer alone and without cache\n   {unlike}")
        if not self.alive():
            self.faults.append("the server is dead")
        else:
            self.settle()
        return compared

    def settle(self):
        """No slot stays busy after the last client."""
        for _ in range(600):
            connection = http.client.HTTPConnection(self.client.host, self.client.port, timeout=self.client.timeout)
            connection.request("GET", "/slots")
            if not any(slot["is_processing"] for slot in json.loads(connection.getresponse().read())):
                return
            time.sleep(0.1)
        self.faults.append("a slot stays busy for 60 s after the last client")


class Server:
    """`lazyllm serve` on a free port; everything it says goes to a file."""

    def __init__(self, program: pathlib.Path, model: pathlib.Path, log: pathlib.Path, extra: list[str]):
        self.log = log
        arguments = [program, "serve", "-m", model, "--port", "0", "--profile", "none", "--library", "none", "-t", "2", *extra]
        with open(log, "wb") as file:
            self.process = subprocess.Popen(list(map(str, arguments)), stdout=subprocess.DEVNULL, stderr=file)
        for _ in range(1200):
            found = re.search(r" is ready at http://([^:]+):(\d+)", log.read_text(errors="replace"))
            if found:
                self.host, self.port = found.group(1), int(found.group(2))
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        self.process.kill()
        sys.exit("the server did not start:\n" + log.read_text(errors="replace"))

    def alive(self) -> bool:
        return self.process.poll() is None

    def stop(self) -> list[str]:
        """What was wrong: an exit code, a sanitizer's report."""
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(120)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return ["the server does not stop within 120 s of SIGTERM"]
        said = self.log.read_text(errors="replace")
        faults = [] if code == 0 else [f"the server ended with exit code {code}"]
        report = re.search(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|terminate called", said)
        if report or faults:
            start = report.start() if report else max(0, len(said) - 3000)
            faults.append("it said:\n" + said[start:start + 6000])
        return faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=pathlib.Path, help="start `PROGRAM serve`")
    parser.add_argument("-m", "--model", type=pathlib.Path, help="model of --program (default: a tiny random one, with a token of NaN)")
    parser.add_argument("--url", help="a running server instead of --program")
    parser.add_argument("--layers", type=int, default=0, help="of the model (default: as --model's kind; needed with --url)")
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--replay", type=int, default=-1, help="answers compared with the one alone and without cache (default: a third)")
    parser.add_argument("--document", type=int, default=250, help="most words of a document")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--timeout", type=float, default=300, help="seconds for one answer")
    parser.add_argument("--serve", action="append", default=[], help="further argument of `serve`; may be repeated")
    arguments = parser.parse_args()
    if bool(arguments.program) == bool(arguments.url):
        parser.error("give one of --program and --url")
    own_model = arguments.program is not None and arguments.model is None
    with tempfile.TemporaryDirectory() as folder:
        server = None
        if arguments.program:
            model = arguments.model or pathlib.Path(folder) / "tiny.gguf"
            if own_model:
                tiny_chat_model.write_model(model, nan=True)
            slots = ["--parallel", str(SLOTS), "--slot-save-path", str(pathlib.Path(folder) / "slots")]
            server = Server(arguments.program, model, pathlib.Path(folder) / "serve.log", [*slots, *arguments.serve])
            host, port = server.host, server.port
        else:
            parts = urllib.parse.urlsplit(arguments.url)
            host, port = parts.hostname, parts.port or 80
        client = Client(host, port, arguments.timeout)
        layers = arguments.layers or (tiny_chat_model.LAYERS if own_model else 5)
        constant = {str(tiny_chat_model.token_id("2")): -100, str(tiny_chat_model.token_id("<0x32>")): -100} if own_model else None
        plan = Plan(arguments.seed, layers, chat=own_model, nan=own_model, constant=constant, document=arguments.document, slots=SLOTS if server else 0)
        load = Load(client, plan, server.alive if server else lambda: True)
        start = time.monotonic()
        compared = load.run(arguments.requests, arguments.clients, arguments.requests // 3 if arguments.replay < 0 else arguments.replay)
        faults = load.faults + (server.stop() if server else [])
    for fault in faults:
        print(fault)
    print(f"{arguments.requests} requests in {time.monotonic() - start:.0f} s: {load.counts}; {compared} compared; {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
