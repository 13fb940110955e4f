#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Mean KL divergence of an engine's next-token distributions from a float32 run of the same file.

The truth is Hugging Face transformers with the GGUF's weights dequantised to float32. Two engines can be measured
against it on identical token ids:

* lazyllm, through ``lazyllm logits -m MODEL --ids FILE -o OUT.bin`` (a dense pass),
* llama.cpp, through a small C program that this script compiles against the headers and libraries of a llama.cpp
  build (a tool outside this tree) and that calls ``llama_decode`` with logits asked for at every position. (The file
  that ``llama-perplexity`` saves rounds log-probabilities to 16 bits, hence not used.)

The first N tokens of a text are cut into chunks, each its own sequence from position 0 (with a BOS token in front, counted as one of
the chunk's tokens, where the model wants one). Every position of every chunk counts; the mean and percentiles of
KL(reference || engine) in nats, the share of equal top tokens and each side's mean negative log-likelihood are printed.

Example::

    tools/kl_divergence.py --model SmolLM2-135M-Instruct.Q4_1.gguf --text frankenstein.txt --cache DIR \\
        --lazyllm build/release/lazyllm --llama-cpp-source ~/llama.cpp --llama-cpp-lib ~/llama.cpp/build/bin

Needs torch, transformers and gguf (first run only; the reference logits are cached), numpy always.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Iterator

import numpy as np

LLAMA_LOGITS_C = r"""
#include "llama.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void quiet(enum ggml_log_level level, const char * text, void * data) {
    (void) data;
    if (level == GGML_LOG_LEVEL_ERROR) fputs(text, stderr);
}

/* llama_logits MODEL IDS OUT THREADS CACHE_TYPE: one sequence; writes int32 n, int32 vocab, float32 [n][vocab] */
int main(int argc, char ** argv) {
    if (argc != 6) return 2;
    llama_log_set(quiet, NULL);
    llama_backend_init();
    struct llama_model_params mp = llama_model_default_params();
    struct llama_model * model = llama_model_load_from_file(argv[1], mp);
    if (!model) return 1;
    int32_t n = 0, cap = 1 << 20;
    llama_token * ids = malloc(sizeof(llama_token) * (size_t) cap);
    FILE * f = fopen(argv[2], "r");
    if (!f) return 1;
    while (n < cap && fscanf(f, "%d", &ids[n]) == 1) n++;
    fclose(f);
    struct llama_context_params cp = llama_context_default_params();
    cp.n_ctx = (uint32_t) (n + 8);
    cp.n_batch = (uint32_t) n;
    cp.n_ubatch = 512;
    cp.n_threads = cp.n_threads_batch = atoi(argv[4]);
    if (!strcmp(argv[5], "f32")) cp.type_k = cp.type_v = GGML_TYPE_F32;
    struct llama_context * ctx = llama_init_from_model(model, cp);
    if (!ctx) return 1;
    struct llama_batch b = llama_batch_init(n, 0, 1);
    for (int32_t i = 0; i < n; i++) {
        b.token[i] = ids[i];
        b.pos[i] = i;
        b.n_seq_id[i] = 1;
        b.seq_id[i][0] = 0;
        b.logits[i] = 1;
    }
    b.n_tokens = n;
    if (llama_decode(ctx, b) != 0) return 1;
    int32_t vocab = llama_vocab_n_tokens(llama_model_get_vocab(model));
    f = fopen(argv[3], "wb");
    if (!f) return 1;
    fwrite(&n, 4, 1, f);
    fwrite(&vocab, 4, 1, f);
    for (int32_t i = 0; i < n; i++) {
        if (fwrite(llama_get_logits_ith(ctx, i), 4, (size_t) vocab, f) != (size_t) vocab) return 1;
    }
    return fclose(f) != 0;
}
"""


def log(message: str) -> None:
    """Progress goes to stderr; stdout carries the result only."""
    print(message, file=sys.stderr, flush=True)


def cache_key(model: Path, text: Path, tokens: int, chunk: int) -> str:
    """A name for the cached reference that changes with everything it depends on."""
    digest = hashlib.sha256()
    for path in (model, text):
        digest.update(path.name.encode())
        with path.open("rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                digest.update(block)
    digest.update(f"{tokens} {chunk}".encode())
    return f"{model.stem}-{digest.hexdigest()[:12]}"


def make_reference(model_path: Path, text_path: Path, tokens: int, chunk: int, out: Path) -> None:
    """Token ids (``ids.json``) and transformers' float32 logits (``logits-<c>.npy``) of every chunk, into ``out``."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    where, file = str(model_path.parent), model_path.name
    log("reading the tokenizer")
    tokenizer = AutoTokenizer.from_pretrained(where, gguf_file=file)
    text = text_path.read_text(encoding="utf-8")[: tokens * 12]
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    bos = bos_token(model_path)
    body = chunk - (bos is not None)
    if len(ids) < body * (tokens // chunk):
        raise SystemExit(f"{text_path}: too short for {tokens} tokens")
    chunks = [([] if bos is None else [bos]) + ids[c * body : (c + 1) * body] for c in range(tokens // chunk)]
    log("reading the model as float32")
    model = AutoModelForCausalLM.from_pretrained(where, gguf_file=file, dtype=torch.float32).eval()
    out.mkdir(parents=True, exist_ok=True)
    for c, part in enumerate(chunks):
        start = time.time()
        with torch.no_grad():
            logits = model(torch.tensor([part])).logits[0]
        np.save(out / f"logits-{c}.npy", logits.float().numpy())
        log(f"reference: chunk {c + 1}/{len(chunks)}, {len(part)} tokens, {time.time() - start:.1f} s")
    (out / "ids.json").write_text(json.dumps(chunks))


def bos_token(model_path: Path) -> int | None:
    """The token the file wants in front of every text, or None."""
    import gguf

    reader = gguf.GGUFReader(str(model_path))

    def value(key: str) -> object:
        field = reader.get_field(key)
        return None if field is None else field.contents()

    add = value("tokenizer.ggml.add_bos_token")
    if add is None:
        add = value("tokenizer.ggml.model") == "llama"
    return int(value("tokenizer.ggml.bos_token_id")) if add else None  # type: ignore[call-overload]


def log_softmax(x: np.ndarray) -> np.ndarray:
    """Natural-logarithm softmax along the last axis, in float64."""
    x = x.astype(np.float64)
    x -= x.max(axis=-1, keepdims=True)
    x -= np.log(np.exp(x).sum(axis=-1, keepdims=True))
    return x


def read_logits(path: Path) -> np.ndarray:
    """int32 n, int32 vocab, float32 [n][vocab]."""
    n, vocab = np.fromfile(path, dtype="<i4", count=2)
    return np.memmap(path, dtype="<f4", mode="r", offset=8, shape=(int(n), int(vocab)))


def compare(reference: np.ndarray, engine: np.ndarray, ids: list[int]) -> Iterator[tuple[float, bool, float, float]]:
    """Per position: KL(reference || engine), same top token, and both negative log-likelihoods of the next token."""
    if reference.shape != engine.shape:
        raise SystemExit(f"shapes differ: reference {reference.shape}, engine {engine.shape}")
    for i in range(len(ids)):
        p, q = log_softmax(reference[i]), log_softmax(engine[i])
        kl = float(np.sum(np.exp(p) * (p - q)))
        nll = (-float(p[ids[i + 1]]), -float(q[ids[i + 1]])) if i + 1 < len(ids) else (np.nan, np.nan)
        yield kl, bool(p.argmax() == q.argmax()), *nll


def measure(name: str, command: list[str], chunks: list[list[int]], reference: Path) -> dict[str, object]:
    """Runs ``command`` (with {ids} and {out} filled in) once per chunk and sums up."""
    rows: list[tuple[float, bool, float, float]] = []
    for c, ids in enumerate(chunks):
        with tempfile.TemporaryDirectory() as folder:
            ids_file, out = Path(folder, "ids.txt"), Path(folder, "out.bin")
            ids_file.write_text(" ".join(map(str, ids)) + "\n")
            subprocess.run([part.format(ids=ids_file, out=out) for part in command], check=True)
            rows += compare(np.load(reference / f"logits-{c}.npy", mmap_mode="r"), read_logits(out), ids)
        log(f"{name}: chunk {c + 1}/{len(chunks)}, mean KL so far {np.mean([r[0] for r in rows]):.6f}")
    kl = np.array([r[0] for r in rows])
    return {
        "engine": name,
        "tokens": len(rows),
        "mean_kl": float(kl.mean()),
        "standard_error": float(kl.std() / np.sqrt(len(kl))),
        "median_kl": float(np.median(kl)),
        "p99_kl": float(np.percentile(kl, 99)),
        "max_kl": float(kl.max()),
        "same_top": float(np.mean([r[1] for r in rows])),
        "nll_reference": float(np.nanmean([r[2] for r in rows])),
        "nll_engine": float(np.nanmean([r[3] for r in rows])),
    }


def build_llama_logits(source: Path, library: Path, folder: Path) -> Path:
    """Compiles the C program above against a llama.cpp build."""
    c_file, program = folder / "llama_logits.c", folder / "llama_logits"
    c_file.write_text(LLAMA_LOGITS_C)
    subprocess.run(
        ["cc", "-O2", "-I", str(source / "include"), "-I", str(source / "ggml" / "include"), str(c_file), "-o", str(program),
         "-L", str(library), "-lllama", "-lggml", "-lggml-base", f"-Wl,-rpath,{library.resolve()}"],
        check=True,
    )
    return program


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="GGUF file")
    parser.add_argument("--text", type=Path, required=True, help="a book, UTF-8")
    parser.add_argument("--tokens", type=int, default=2000, help="tokens in all (default %(default)s)")
    parser.add_argument("--chunk", type=int, default=500, help="tokens of one sequence, BOS included (default %(default)s)")
    parser.add_argument("--cache", type=Path, required=True, help="folder for reference logits (GBs; outside the tree)")
    parser.add_argument("--lazyllm", type=Path, help="the program to measure")
    parser.add_argument("--lazyllm-args", default="", help="more arguments for it, separated by blanks")
    parser.add_argument("--llama-cpp-source", type=Path, help="llama.cpp source tree (headers)")
    parser.add_argument("--llama-cpp-lib", type=Path, help="folder with libllama.so")
    parser.add_argument("--llama-cpp-cache-type", choices=["f16", "f32"], default="f16", help="its K,V type (default %(default)s)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, help="also write the result here")
    args = parser.parse_args()
    if (args.llama_cpp_source is None) != (args.llama_cpp_lib is None):
        parser.error("--llama-cpp-source and --llama-cpp-lib go together")

    reference = args.cache / cache_key(args.model, args.text, args.tokens, args.chunk)
    if not (reference / "ids.json").exists():
        make_reference(args.model, args.text, args.tokens, args.chunk, reference)
    chunks: list[list[int]] = json.loads((reference / "ids.json").read_text())

    results: list[dict[str, object]] = []
    if args.llama_cpp_lib is not None:
        with tempfile.TemporaryDirectory() as folder:
            program = build_llama_logits(args.llama_cpp_source, args.llama_cpp_lib, Path(folder))
            command = [str(program), str(args.model), "{ids}", "{out}", str(args.threads), args.llama_cpp_cache_type]
            results.append(measure(f"llama.cpp kv-{args.llama_cpp_cache_type}", command, chunks, reference))
    if args.lazyllm is not None:
        command = [str(args.lazyllm), "logits", "-m", str(args.model), "--ids", "{ids}", "-o", "{out}", *args.lazyllm_args.split()]
        results.append(measure("lazyllm", command, chunks, reference))

    print(f"{args.model.name}, {args.text.name}: {len(chunks)} chunks of {args.chunk} tokens")
    print(f"{'engine':20} {'mean KL':>10} {'+-':>9} {'median':>10} {'p99':>9} {'max':>9} {'same top':>9} {'nll ref':>8} {'nll':>8}")
    for r in results:
        print(f"{r['engine']:20} {r['mean_kl']:10.6f} {r['standard_error']:9.6f} {r['median_kl']:10.6f} {r['p99_kl']:9.5f} "
              f"{r['max_kl']:9.5f} {r['same_top']:9.4f} {r['nll_reference']:8.4f} {r['nll_engine']:8.4f}")
    if len(results) == 2:
        bound = 1.1 * float(results[0]["mean_kl"]) + 1e-4  # type: ignore[arg-type]
        verdict = "holds" if float(results[1]["mean_kl"]) <= bound else "DOES NOT HOLD"  # type: ignore[arg-type]
        print(f"bound 1.1 x llama.cpp + 1e-4 = {bound:.6f}: {verdict}")
    if args.json is not None:
        args.json.write_text(json.dumps({"model": args.model.name, "text": args.text.name, "chunk": args.chunk, "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
