#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A model of Gemma 4 E2B's shape with random Q4_0 weights, for measuring speed.

    bench/make_gemma4_model.py --out FILE.gguf [--layers 35] [--vocabulary 16384] [--own-kv]

The last 20 of 35 layers (the same share of fewer) read keys and values of earlier ones, with a feed-forward twice as wide. With --own-kv
they have keys and values of their own and are computed for every token: what sharing saves is the difference. The vocabulary is smaller
than E2B's 262,144, since its embeddings take most of the file and no time. Without a tokenizer. Only NumPy is needed.
"""

from __future__ import annotations

import argparse
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from make_model import ALIGNMENT, F32, Q4_0, key, q4_0_blocks, text

HIDDEN, HEADS, HEAD, FULL_HEAD, INNER, PER_LAYER, WINDOW, PERIOD = 1536, 8, 256, 512, 6144, 256, 512, 5


def tensor_list(layers: int, own: int, vocabulary: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """GGUF name and shape ([out, in]) of every tensor; `own` layers have keys and values."""
    yield "token_embd.weight", (vocabulary, HIDDEN)
    yield "per_layer_token_embd.weight", (vocabulary, layers * PER_LAYER)
    yield "per_layer_model_proj.weight", (layers * PER_LAYER, HIDDEN)
    yield "per_layer_proj_norm.weight", (PER_LAYER,)
    yield "output_norm.weight", (HIDDEN,)
    yield "rope_freqs.weight", (FULL_HEAD // 2,)
    for i in range(layers):
        at, head = f"blk.{i}.", FULL_HEAD if i % PERIOD == PERIOD - 1 else HEAD
        inner = 2 * INNER if i >= shared_from(layers) else INNER
        for name in ("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm", "post_norm"):
            yield f"{at}{name}.weight", (HIDDEN,)
        yield at + "layer_output_scale.weight", (1,)
        yield at + "attn_q_norm.weight", (head,)
        yield at + "attn_q.weight", (HEADS * head, HIDDEN)
        if i < own:
            yield at + "attn_k_norm.weight", (head,)
            yield at + "attn_k.weight", (head, HIDDEN)
            yield at + "attn_v.weight", (head, HIDDEN)
        yield at + "attn_output.weight", (HIDDEN, HEADS * head)
        yield at + "ffn_gate.weight", (inner, HIDDEN)
        yield at + "ffn_up.weight", (inner, HIDDEN)
        yield at + "ffn_down.weight", (HIDDEN, inner)
        yield at + "inp_gate.weight", (PER_LAYER, HIDDEN)
        yield at + "proj.weight", (HIDDEN, PER_LAYER)


def shared_from(layers: int) -> int:
    """The first layer of those with the wide feed-forward: E2B's 15 of 35, in whole periods."""
    return max(1, round(layers * 15 / 35 / PERIOD)) * PERIOD


def list_key(name: str, values: list[int]) -> bytes:
    """A metadata entry: numbers as i32."""
    return text(name) + struct.pack("<IIQ", 9, 5, len(values)) + struct.pack(f"<{len(values)}i", *values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--layers", type=int, default=35, help="a multiple of 5, so that the last one is full")
    parser.add_argument("--vocabulary", type=int, default=16384)
    parser.add_argument("--own-kv", action="store_true", help="no layer reads keys and values of another")
    args = parser.parse_args()
    layers, first = args.layers, shared_from(args.layers)
    if layers % PERIOD != 0 or layers <= first:
        parser.error(f"--layers {layers}: write a multiple of {PERIOD} above {first}")
    own = layers if args.own_kv else first
    numbers: dict[str, str | int | float] = {
        "general.architecture": "gemma4", "general.name": "gemma4-e2b", "general.file_type": Q4_0.file_type, "gemma4.vocab_size": args.vocabulary,
        "gemma4.context_length": 32768, "gemma4.embedding_length": HIDDEN, "gemma4.block_count": layers, "gemma4.attention.head_count": HEADS,
        "gemma4.attention.head_count_kv": 1, "gemma4.attention.key_length": FULL_HEAD, "gemma4.attention.value_length": FULL_HEAD,
        "gemma4.attention.key_length_swa": HEAD, "gemma4.attention.value_length_swa": HEAD, "gemma4.attention.sliding_window": WINDOW,
        "gemma4.attention.layer_norm_rms_epsilon": 1e-6, "gemma4.attention.shared_kv_layers": layers - own,
        "gemma4.embedding_length_per_layer_input": PER_LAYER, "gemma4.rope.freq_base": 1e6, "gemma4.rope.freq_base_swa": 1e4,
        "gemma4.rope.dimension_count": FULL_HEAD, "gemma4.rope.dimension_count_swa": HEAD, "gemma4.final_logit_softcapping": 30.0,
        "tokenizer.ggml.model": "none",
    }
    lists = {"gemma4.attention.sliding_window_pattern": [int(i % PERIOD != PERIOD - 1) for i in range(layers)],
             "gemma4.feed_forward_length": [INNER if i < first else 2 * INNER for i in range(layers)]}
    tensors = list(tensor_list(layers, own, args.vocabulary))
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(numbers) + len(lists))
    head += b"".join(key(*item) for item in numbers.items()) + b"".join(list_key(*item) for item in lists.items())
    offset = 0
    for name, shape in tensors:
        stored = F32 if len(shape) == 1 else Q4_0
        size = int(np.prod(shape)) // stored.block_values * stored.block_bytes
        head += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *reversed(shape), stored.kind, offset)
        offset += size + -size % ALIGNMENT
    with args.out.open("wb") as file:
        file.write(head + b"\0" * (-len(head) % ALIGNMENT))
        for index, (_, shape) in enumerate(tensors):
            data = np.ones(shape, np.float32).tobytes() if len(shape) == 1 else q4_0_blocks(index, shape)
            file.write(data + b"\0" * (-len(data) % ALIGNMENT))


if __name__ == "__main__":
    main()
