#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How soon the first word of the first, second, tenth question about one document comes, and of one after a restart.

    bench/document_reuse.py --program build/release/lazyllm -m MODEL [--tokens 3300] [--llama-server PATH]

Servers are started one after the other on this machine; all answer the same questions about the same text, as a client of OpenAI's API
sees it: time from the request to the first word, in milliseconds. A Markdown table goes to stdout.

    no cache            dense, --cache-ram 0; one question, since all take the same
    dense, its cache    dense with the snapshots of prompts in memory
    lazy, at once       the defaults with a library; the first question is the first that is heard of the document
    read ahead          the same, and the document was posted to /v1/documents before; "ready": until it says so, "settled": idle work done
    llama-server        with its prefix cache, if --llama-server names it
"""

import argparse
import http.client
import json
import os
import pathlib
import platform
import re
import socket
import subprocess
import sys
import tempfile
import time

QUESTIONS = ["What is this text about?", "Name one flag of the program.", "What does it say about memory?", "Who should read it?", "What is the first step?",
             "What is TTFT?", "What can go wrong?", "How is a model chosen?", "What is a profile?", "How does it end?", "Which word comes most often?"]
SHOWN = {0: "1st", 1: "2nd", 9: "10th"}
os.environ["LAZYLLM_LIBRARY"] = "none"


class Server:
    def __init__(self, command: list, path: str = "/health"):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen([*map(str, command), "--port", str(self.port)], stdout=self.log, stderr=self.log)
        for _ in range(3000):
            if self.process.poll() is not None:
                self.log.seek(0)
                sys.exit(f"{command[0]} ended:\n{self.log.read().decode(errors='replace')[-2000:]}")
            try:
                if self.request("GET", path)[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.1)
        sys.exit(f"{command[0]} is not ready after five minutes")

    def request(self, method: str, path: str, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=3600)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def first_word_ms(self, text: str, question: str) -> float:
        """Time to the first piece of a streamed answer."""
        body = {"messages": [{"role": "user", "content": text + "\n\n" + question}], "max_tokens": 4, "temperature": 0, "stream": True}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=3600)
        begin = time.perf_counter()
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        assert response.status == 200, response.read()
        elapsed = None
        for line in response:
            if line.startswith(b"data: {") and elapsed is None:
                delta = json.loads(line[6:])["choices"]
                if delta and (delta[0]["delta"].get("content") or delta[0].get("finish_reason")):
                    elapsed = time.perf_counter() - begin
        connection.close()
        return elapsed * 1e3

    def wait_for(self, done, what: str):
        begin = time.perf_counter()
        while not done():
            if time.perf_counter() - begin > 3600:
                sys.exit(f"{what}: not after an hour")
            time.sleep(0.05)

    def settle(self):
        self.wait_for(lambda: re.search(r"^lazyllm:settled 1", self.request("GET", "/metrics")[1], re.MULTILINE), "idle work")

    def read_ahead(self, text: str) -> tuple[float, float]:
        begin = time.perf_counter()
        status, answer = self.request("POST", "/v1/documents", {"text": text})
        assert status == 200, answer
        path = "/v1/documents/" + json.loads(answer)["id"]
        self.wait_for(lambda: json.loads(self.request("GET", path)[1])["status"] == "ready", "reading ahead")
        ready = time.perf_counter() - begin
        self.settle()
        return ready * 1e3, (time.perf_counter() - begin) * 1e3

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(120)


def document(options) -> tuple[str, int]:
    """So many tokens of the file, as the model counts them."""
    text = options.text.read_text()
    ids = subprocess.run([options.program, "tokenize", "-m", options.model, "-f", options.text, "--ids", "--no-bos"],
                         check=True, capture_output=True, text=True).stdout.split()
    if len(ids) < options.tokens:
        sys.exit(f"{options.text} has {len(ids)} tokens only; name a longer text or fewer --tokens")
    # The share of the characters is near enough, and no half character is left.
    text = text[:len(text) * options.tokens // len(ids)].rstrip()
    return text, options.tokens


def measure(name: str, start, text: str, *, questions=10, settles=False, reads_ahead=False, restarts=False) -> dict:
    row = {"name": name}
    with start() as server:
        server.first_word_ms("A word.", "Say hello.")  # pages of the weights
        if reads_ahead:
            row["ready"], row["settled"] = server.read_ahead(text)
        for number, question in enumerate(QUESTIONS[:questions]):
            row[number] = server.first_word_ms(text, question)
            if settles:
                server.settle()
        if settles:
            server.settle()
    if restarts:
        with start() as server:
            server.first_word_ms("A word.", "Say hello.")
            row["restart"] = server.first_word_ms(text, QUESTIONS[10])
    print(json.dumps(row), file=sys.stderr)
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=pathlib.Path, required=True)
    parser.add_argument("-m", "--model", type=pathlib.Path, required=True)
    parser.add_argument("--tokens", type=int, default=3300)
    parser.add_argument("--text", type=pathlib.Path, default=pathlib.Path(__file__).parents[1] / "docs" / "handbook.md")
    parser.add_argument("--llama-server", type=pathlib.Path)
    options = parser.parse_args()
    text, tokens = document(options)
    context = tokens + 1024

    def lazyllm(*flags):
        return lambda: Server([options.program, "serve", "-m", options.model, "-c", context, "--parallel", "1", *flags])

    rows = [measure("no cache", lazyllm("--policy", "dense", "--cache-ram", "0"), text, questions=1),
            measure("dense, its cache", lazyllm("--policy", "dense", "--cache-ram", "4096"), text, restarts=True)]
    with tempfile.TemporaryDirectory() as folder:
        rows.append(measure("lazy, at once", lazyllm("--cache-ram", "4096", "--library", folder), text, settles=True, restarts=True))
    with tempfile.TemporaryDirectory() as folder:
        rows.append(measure("lazy, read ahead", lazyllm("--cache-ram", "4096", "--library", folder), text, settles=True, reads_ahead=True, restarts=True))
    if options.llama_server:
        command = [options.llama_server, "-m", options.model, "-c", context, "-np", "1", "-t", os.cpu_count(), "--no-webui"]
        rows.append(measure("llama-server", lambda: Server(command), text, restarts=True))

    print(f"{options.model.name}, {tokens} tokens, {os.cpu_count()} threads, {platform.machine()}; first word in ms\n")
    columns = [*SHOWN.values(), "after a restart", "ready", "settled"]
    print("| | " + " | ".join(columns) + " |\n|---|" + "---:|" * len(columns))
    for row in rows:
        cells = [row.get(key) for key in (*SHOWN, "restart", "ready", "settled")]
        print(f"| {row['name']} | " + " | ".join("" if cell is None else f"{cell:.0f}" for cell in cells) + " |")


if __name__ == "__main__":
    main()
