# SPDX-License-Identifier: Apache-2.0
"""Serves src/server/page with answers that a test writes: what a real model says only by chance, and a server that goes away."""

import http.server
import json
import pathlib
import re
import threading
import time

BREAK = object()  # the connection is closed in the middle
LAYERS = 10
TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
LAZY = {"policies": [{"name": "dense", "summary": "nothing is skipped", "default_schedule": ""},
                     {"name": "lazy", "summary": "skips what the question does not look at", "default_schedule": "careful"},
                     {"name": "random", "summary": "drops by chance", "default_schedule": "0:0.5"}],
        "presets": [{"name": name, "summary": name, "schedule": "7:0.2", "score_pool": 7, "protect_first": 4, "protect_last": 32,
                     "revive_budget": 2, "min_prompt": 256} for name in ("careful", "balanced", "fast", "paper")]}
DEFAULTS = {"policy": "lazy", "profile": None, "prune": "careful", "protect_first": None, "protect_last": None, "revive_budget": None,
            "min_prompt": None}


def chunk(text=None, **members):
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}], **members}


def progress(processed, total, cache=0):
    return {"choices": [], "prompt_progress": {"total": total, "cache": cache, "processed": processed, "time_ms": 1}}


def last(body, deep=lambda piece: False, policy="lazy", completion=3):
    """The last chunk: every word is a token; `deep(word)`: it went through all layers, the others through half."""
    prompt = "<|user|>\n" + "\n<|end|>\n<|user|>\n".join(message["content"] for message in body["messages"]) + "\n<|end|>\n<|bot|>"
    pieces = re.findall(r"\s*\S+", prompt)
    depths = [LAYERS if deep(piece) else LAYERS // 2 for piece in pieces]
    lazy = {"policy": policy, "schedule": "5:0.5", "layers": LAYERS, "computed_fraction": 0.5, "computed_fraction_end": 0.6, "ttft_ms": 1200,
            "dense_cached_ttft_ms_estimate": 2400, "cached_tokens": 0}
    if policy != "dense":
        lazy["tokens"] = {"pieces": pieces, "depths": depths, "revived": []}
    return {"choices": [], "usage": {"prompt_tokens": len(pieces), "completion_tokens": completion, "total_tokens": len(pieces) + completion},
            "timings": {"predicted_per_second": 20, "predicted_n": completion, "cache_n": 0}, "lazy": lazy}


class PageServer:
    """`answer(body)` gives the chunks of an answer: dicts, numbers (seconds to wait) and BREAK."""

    def __init__(self, folder: pathlib.Path, context=4096, defaults=DEFAULTS):
        self.folder, self.context, self.defaults = folder, context, defaults
        self.answer = lambda body: [chunk("Yes."), last(body)]
        self.asked = []  # bodies of completions that were to be answered
        self.loading = False
        self.httpd = None
        self.start(0)

    def start(self, port):
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                server.get(self)

            def do_POST(self):
                server.post(self)

        class Server(http.server.ThreadingHTTPServer):
            allow_reuse_address = True
            daemon_threads = True

        self.httpd = Server(("127.0.0.1", port), Handler)
        self.port = self.httpd.server_address[1]
        threading.Thread(target=self.httpd.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def stop(self):
        if self.httpd is not None:
            self.httpd.shutdown()
            self.httpd.server_close()
            self.httpd = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @staticmethod
    def send(handler, content, status=200, kind="application/json"):
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(data)))
        handler.send_header("Content-Security-Policy", "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'")
        if status == 503:
            handler.send_header("Retry-After", "1")
        handler.send_header("Connection", "close")
        handler.close_connection = True
        handler.end_headers()
        handler.wfile.write(data)

    def get(self, handler):
        if self.loading:
            if handler.path in ("/props", "/v1/models"):
                error = {"message": "Loading model", "type": "unavailable_error", "code": "loading_model", "param": None}
                return self.send(handler, {"error": error}, 503)
        if handler.path == "/props":
            return self.send(handler, {"n_ctx": self.context, "model": "stub.gguf", "default_lazy": self.defaults, "lazy": LAZY})
        if handler.path == "/v1/models":
            return self.send(handler, {"data": [{"id": "stub"}]})
        file = self.folder / ("index.html" if handler.path == "/" else handler.path[1:])
        if not file.is_file():
            return self.send(handler, {"error": {"message": "not found", "code": "not_found"}}, 404)
        return self.send(handler, file.read_bytes(), kind=TYPES[file.suffix])

    def post(self, handler):
        content = handler.rfile.read(int(handler.headers["Content-Length"]))
        if handler.path == "/v1/documents":  # as the server says it of a file that is cut
            return self.send(handler, {"error": {"message": "the PDF is damaged", "type": "invalid_request_error"}}, 400)
        body = json.loads(content)
        if handler.path == "/tokenize":
            return self.send(handler, {"tokens": body["content"].split()})
        if body.get("max_tokens") == 0:
            return self.stream(handler, [last(body)])  # read ahead
        self.asked.append(body)
        return self.stream(handler, self.answer(body))

    @staticmethod
    def stream(handler, chunks):
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Connection", "close")
        handler.close_connection = True
        handler.end_headers()
        try:
            for item in chunks:
                if item is BREAK:
                    return
                if isinstance(item, (int, float)):
                    time.sleep(item)
                    continue
                handler.wfile.write(b"data: " + json.dumps(item).encode() + b"\n\n")
                handler.wfile.flush()
            handler.wfile.write(b"data: [DONE]\n\n")
        except (BrokenPipeError, ConnectionResetError):
            pass  # the page went away
