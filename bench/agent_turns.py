#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A coding agent's first turns: a preamble of 7,300 tokens over Anthropic's protocol, then two further turns of the same conversation.

    bench/agent_turns.py MODEL [--tokens 7300] [--threads 2] [--program build/release/lazyllm]

Prints for each turn the seconds until the first word, the longest silence on the connection, and how many tokens were computed and taken from the cache.
"""

import argparse
import http.client
import json
import pathlib
import re
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]


class Server:
    def __init__(self, program: pathlib.Path, model: str, threads: int):
        self.process = subprocess.Popen([program, "serve", "-m", model, "--port", "0", "-t", str(threads), "--library", "none", "--temp", "0"], stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if found := re.search(r" is ready at http://([^:]+):(\d+)", line):
                self.host, self.port = found.group(1), int(found.group(2))
                return
        raise SystemExit("the server did not start")

    def ask(self, path: str, body: dict) -> dict:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=900)
        connection.request("POST", path, json.dumps(body))
        return json.loads(connection.getresponse().read())

    def stream(self, body: dict) -> dict:
        """Text, usage, seconds to the first word and the longest silence of one turn."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)  # a client that gives up after a minute of silence
        begin = last = time.monotonic()
        connection.request("POST", "/v1/messages", json.dumps({**body, "stream": True}))
        turn = {"text": "", "silence": 0.0, "first": None, "usage": {}}
        for line in connection.getresponse():
            now = time.monotonic()
            turn["silence"], last = max(turn["silence"], now - last), now
            if not line.startswith(b"data: "):
                continue
            event = json.loads(line[6:])
            turn["usage"] |= event.get("usage") or event.get("message", {}).get("usage") or {}
            if event["type"] == "content_block_delta":
                turn["first"] = turn["first"] or now - begin
                turn["text"] += event["delta"].get("text", "")
        turn["all"] = time.monotonic() - begin
        return turn


def preamble(server: Server, tokens: int) -> str:
    """Rules for an agent and the sources of this project, of about so many tokens."""
    text = "You are a coding agent. You read and change files by calling tools. Keep answers short.\n\n"
    for source in sorted((ROOT / "src" / "engine").glob("*.cpp")):
        text += f"<file path=\"{source.name}\">\n{source.read_text()}\n</file>\n"
        if len(text) > tokens * 6:
            break
    ids = server.ask("/tokenize", {"content": text, "parse_special": False})["tokens"][:tokens]
    return server.ask("/detokenize", {"tokens": ids})["content"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--tokens", type=int, default=7300)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build" / "release" / "lazyllm")
    options = parser.parse_args()
    server = Server(options.program, options.model, options.threads)
    try:
        tools = [{"name": "read_file", "description": "Reads a file.", "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}}]
        body = {"model": "agent", "max_tokens": 40, "system": preamble(server, options.tokens), "tools": tools, "messages": []}
        for number, question in enumerate(["What does the file answer_task.cpp do?", "Which function comes first in it?", "Name one more."], 1):
            body["messages"].append({"role": "user", "content": question})
            turn = server.stream(body)
            usage = turn["usage"]
            print(f"turn {number}: first word {turn['first'] or float('nan'):.1f} s, all {turn['all']:.1f} s, longest silence {turn['silence']:.1f} s, computed {usage.get('input_tokens')}, "
                  f"from the cache {usage.get('cache_read_input_tokens')}, written {usage.get('output_tokens')}")
            body["messages"].append({"role": "assistant", "content": turn["text"].strip() or "Done."})
    finally:
        server.process.terminate()
        server.process.wait(60)


if __name__ == "__main__":
    main()
