#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A coding agent's first turns: a preamble of 7,300 tokens, then two further turns of the same conversation, over the protocols that agents speak.

    bench/agent_turns.py MODEL [--tokens 7300] [--threads 2] [--protocol chat|messages|responses] [--program build/release/lazyllm]

Each protocol gets a server of its own, so that each first turn is cold. Prints for each turn the seconds until the first word, the longest silence on the connection, and how many tokens were computed and taken from the cache.
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

    def stream(self, protocol: str, body: dict) -> dict:
        """Text, tokens computed, cached and written, seconds to the first word and the longest silence of one turn."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)  # a client that gives up after a minute of silence
        begin = last = time.monotonic()
        connection.request("POST", f"/v1/{protocol}", json.dumps({**body, "stream": True}))
        turn = {"text": "", "silence": 0.0, "first": None, "computed": None, "cached": None, "written": None}
        for line in connection.getresponse():
            now = time.monotonic()
            turn["silence"], last = max(turn["silence"], now - last), now
            if not line.startswith(b"data: ") or line.startswith(b"data: [DONE]"):
                continue
            event = json.loads(line[6:])
            text = READERS[protocol](event, turn)
            if text:
                turn["first"] = turn["first"] or now - begin
                turn["text"] += text
        turn["all"] = time.monotonic() - begin
        return turn


def note_openai(usage: dict, turn: dict, words: tuple[str, str]):
    """OpenAI's count of a prompt includes what came from the cache."""
    turn["cached"] = usage[f"{words[0]}_tokens_details"]["cached_tokens"]
    turn["computed"], turn["written"] = usage[f"{words[0]}_tokens"] - turn["cached"], usage[f"{words[1]}_tokens"]


def read_chat(event: dict, turn: dict) -> str:
    if event.get("usage"):
        note_openai(event["usage"], turn, ("prompt", "completion"))
    return "".join(choice["delta"].get("content") or "" for choice in event["choices"])


def read_messages(event: dict, turn: dict) -> str:
    usage = event.get("usage") or event.get("message", {}).get("usage") or {}
    for name, key in (("input_tokens", "computed"), ("cache_read_input_tokens", "cached"), ("output_tokens", "written")):
        turn[key] = usage.get(name, turn[key])
    return event["delta"].get("text", "") if event["type"] == "content_block_delta" else ""


def read_responses(event: dict, turn: dict) -> str:
    usage = event.get("response", {}).get("usage")
    if usage:
        note_openai(usage, turn, ("input", "output"))
    return event["delta"] if event["type"] == "response.output_text.delta" else ""


READERS = {"chat/completions": read_chat, "messages": read_messages, "responses": read_responses}
PATHS = {"chat": "chat/completions", "messages": "messages", "responses": "responses"}


def request(protocol: str, system: str, turns: list[dict]) -> dict:
    schema = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
    tool = {"name": "read_file", "description": "Reads a file."}
    if protocol == "messages":
        return {"model": "agent", "max_tokens": 40, "system": system, "tools": [{**tool, "input_schema": schema}], "messages": turns}
    if protocol == "responses":
        return {"model": "agent", "max_output_tokens": 40, "instructions": system, "tools": [{"type": "function", **tool, "parameters": schema}], "input": turns}
    return {"model": "agent", "max_tokens": 40, "tools": [{"type": "function", "function": {**tool, "parameters": schema}}], "stream_options": {"include_usage": True},
            "messages": [{"role": "system", "content": system}, *turns]}


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
    parser.add_argument("--protocol", choices=PATHS, help="one of them (default: all)")
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build" / "release" / "lazyllm")
    options = parser.parse_args()
    for protocol in [options.protocol] if options.protocol else PATHS:
        server = Server(options.program, options.model, options.threads)
        try:
            system, turns = preamble(server, options.tokens), []
            for number, question in enumerate(["What does the file answer_task.cpp do?", "Which function comes first in it?", "Name one more."], 1):
                turns.append({"role": "user", "content": question})
                turn = server.stream(PATHS[protocol], request(protocol, system, turns))
                print(f"{protocol}, turn {number}: first word {turn['first'] or float('nan'):.1f} s, all {turn['all']:.1f} s, longest silence {turn['silence']:.1f} s, "
                      f"computed {turn['computed']}, from the cache {turn['cached']}, written {turn['written']}", flush=True)
                turns.append({"role": "assistant", "content": turn["text"].strip() or "Done."})
        finally:
            server.process.terminate()
            server.process.wait(60)


if __name__ == "__main__":
    main()
