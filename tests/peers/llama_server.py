#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Stands in for llama-server: translates its flags and becomes `lazyllm serve`.

LAZYLLM names the program, LAZYLLM_PEER_MODELS the folder in which models lie.
"""

import os
import pathlib
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
# What llama.cpp fetches -> a file in LAZYLLM_PEER_MODELS.
MODELS = {"ggml-org/test-model-stories260K": "stories260K.gguf", "ggml-org/models tinyllamas/stories260K.gguf": "stories260K.gguf",
          # Without tokens for it, /infill completes; what is asked of wrong requests is the same.
          "ggml-org/test-model-stories260K-infill": "stories260K.gguf",
          # Any model gives embeddings; what is asked of them does not depend on this one.
          "ggml-org/models bert-bge-small/ggml-model-f16.gguf": "stories260K.gguf",
          # A reranker needs no model of its own here, but one that can read.
          "ggml-org/models jina-reranker-v1-tiny-en/ggml-model-f16.gguf": str(ROOT / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf")}
LONGEST = 2048  # the context of stories260K; lazyllm refuses more, llama-server warns
# Ours under another name.
SAME = {"--port": "--port", "--host": "--host", "--temp": "--temp", "--seed": "--seed", "--alias": "--alias", "--api-key": "--api-key",
        "--n-predict": "-n", "--slot-save-path": "--slot-save-path", "--cors-origins": "--cors-origin", "--cache-ram": "--cache-ram",
        "--chat-template-file": "--chat-template-file", "--threads": "--threads", "--reasoning": "--reasoning", "-ctk": "--cache-type-k", "-ctv": "--cache-type-v"}
# How it is computed, or what is always on here.
DROPPED = {"--batch-size", "--ubatch-size", "-fa", "--n-gpu-layers"}
DROPPED_FLAGS = {"--offline", "--cont-batching", "--slots", "--no-slots", "--metrics", "--jinja", "--no-jinja", "--kv-unified",
                 "--swa-full", "--embedding", "--reranking", "--no-cache-idle-slots", "--no-mmproj", "--backend_sampling"}


def fail(message: str):
    sys.exit(f"tests/peers/llama_server.py: {message}")


def translate(arguments: list[str]) -> list[str]:
    given, translated, rest = {}, [], list(arguments)
    while rest:
        flag = rest.pop(0)
        if flag == "--kv-unified":
            given[flag] = ""
        if flag in DROPPED_FLAGS:
            continue
        if flag in {"--no-ui", "--verbose"}:
            translated.append(flag)
        elif flag in DROPPED:
            rest.pop(0)
        elif flag in SAME:
            translated += [SAME[flag], rest.pop(0)]
        elif flag == "--pooling" and rest[0] in {"mean", "last", "none"}:
            translated += [flag, rest.pop(0)]
        elif flag in {"--hf-repo", "--hf-file", "--model", "--ctx-size", "--parallel", "--chat-template"}:
            given[flag] = rest.pop(0)
        else:
            fail(f"{flag} has no counterpart")
    if "--model" in given:
        model = pathlib.Path(given["--model"])
    else:
        # Without a model llama-server is a router; what the tests ask of it here is its CORS.
        name = " ".join(given[flag] for flag in ("--hf-repo", "--hf-file") if flag in given) or "ggml-org/test-model-stories260K"
        if name not in MODELS:
            fail(f"the model {name or '(none)'} is absent")
        model = pathlib.Path(os.environ["LAZYLLM_PEER_MODELS"]) / MODELS[name]
    translated += ["-m", str(model), "--library", "none"]  # nothing of an earlier test
    if "--cors-origin" not in translated:
        translated += ["--cors-origin", "*"]  # llama-server's own
    slots = int(given.get("--parallel", 4))
    translated += ["--parallel", str(slots)]
    if "--ctx-size" in given:  # theirs is that of all slots together
        translated += ["--ctx-size", str(min(LONGEST, int(given["--ctx-size"]) // (1 if "--kv-unified" in given else slots)))]
    if template := given.get("--chat-template"):
        if " " not in template:
            translated += ["--chat-template", template]
        else:
            with tempfile.NamedTemporaryFile("w", suffix=".jinja", delete=False) as file:
                file.write(template)
            translated += ["--chat-template-file", file.name]
    return translated


if __name__ == "__main__":
    program = os.environ["LAZYLLM"]
    command = [program, "serve", *translate(sys.argv[1:])]
    os.execv(program, command)
