#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A model of a named shape with random weights, for measuring speed.

    bench/make_model.py --shape tinyllama-1.1b --out DIR

writes ``DIR/<shape>-BF16.gguf`` and ``DIR/<shape>/{config.json,model.safetensors}`` with the same weights and without a
tokenizer. ``llama-quantize`` makes the quantised files from the GGUF.

    bench/make_model.py --shape llama-2-7b --type q4_0 --out DIR

writes ``DIR/<shape>-Q4_0.gguf`` alone, without the 13 GB in between. Only NumPy is needed.
"""

from __future__ import annotations

import argparse
import json
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ALIGNMENT = 32


@dataclass(frozen=True)
class Storage:
    """How GGUF stores the matrices."""

    kind: int  # GGUF's number of the type
    file_type: int
    block_values: int
    block_bytes: int


F32, BF16, Q4_0 = Storage(0, 0, 1, 4), Storage(30, 32, 1, 2), Storage(2, 2, 32, 18)


@dataclass(frozen=True)
class Shape:
    """A llama in numbers."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    intermediate: int
    vocabulary: int
    context: int
    theta: float = 10000.0
    epsilon: float = 1e-5

    @property
    def head_dim(self) -> int:
        """Width of one head."""
        return self.hidden // self.heads


SHAPES = {
    "tinyllama-1.1b": Shape(22, 2048, 32, 4, 5632, 32000, 8192),
    "llama-3.2-1b": Shape(16, 2048, 32, 8, 8192, 128256, 32768, 500000.0),
    "llama-2-7b": Shape(32, 4096, 32, 32, 11008, 32000, 4096),
    "xgen-7b": Shape(32, 4096, 32, 32, 11008, 51200, 8192),
    "llama-3.1-8b": Shape(32, 4096, 32, 8, 14336, 128256, 131072, 500000.0),
    "smollm2-135m": Shape(30, 576, 9, 3, 1536, 49152, 8192, 100000.0),
}


def tensor_list(shape: Shape) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """GGUF name, Hugging Face name and shape ([out, in]) of every tensor."""
    d, kv = shape.hidden, shape.kv_heads * shape.head_dim
    yield "token_embd.weight", "model.embed_tokens.weight", (shape.vocabulary, d)
    for i in range(shape.layers):
        g, h = f"blk.{i}.", f"model.layers.{i}."
        yield g + "attn_norm.weight", h + "input_layernorm.weight", (d,)
        yield g + "attn_q.weight", h + "self_attn.q_proj.weight", (d, d)
        yield g + "attn_k.weight", h + "self_attn.k_proj.weight", (kv, d)
        yield g + "attn_v.weight", h + "self_attn.v_proj.weight", (kv, d)
        yield g + "attn_output.weight", h + "self_attn.o_proj.weight", (d, d)
        yield g + "ffn_norm.weight", h + "post_attention_layernorm.weight", (d,)
        yield g + "ffn_gate.weight", h + "mlp.gate_proj.weight", (shape.intermediate, d)
        yield g + "ffn_up.weight", h + "mlp.up_proj.weight", (shape.intermediate, d)
        yield g + "ffn_down.weight", h + "mlp.down_proj.weight", (d, shape.intermediate)
    yield "output_norm.weight", "model.norm.weight", (d,)
    yield "output.weight", "lm_head.weight", (shape.vocabulary, d)


def numbers(index: int, shape: tuple[int, ...]) -> np.ndarray:
    """The tensor as float32: ones for a norm, else a normal distribution."""
    if len(shape) == 1:
        return np.ones(shape, np.float32)
    return np.random.default_rng(index).standard_normal(shape, dtype=np.float32) * np.float32(shape[1] ** -0.5)


def to_bf16(values: np.ndarray) -> bytes:
    """The upper halves of the floats."""
    return (values.view(np.uint32) >> np.uint32(16)).astype(np.uint16).tobytes()


def q4_0_blocks(index: int, dimensions: tuple[int, ...]) -> bytes:
    """Of the same spread as numbers(). Blocks of 32: a half-precision scale, then value i in the low and i + 16 in the high
    half of byte i. Drawn as codes, for quantising drawn numbers takes hours."""
    scale = np.float16(dimensions[1] ** -0.5 / np.arange(-8, 8).std())
    blocks = np.empty((int(np.prod(dimensions)) // 32, 18), dtype=np.uint8)
    blocks[:, :2] = np.frombuffer(scale.tobytes(), dtype=np.uint8)
    blocks[:, 2:] = np.random.default_rng(index).integers(0, 256, (len(blocks), 16), dtype=np.uint8)
    return blocks.tobytes()


def text(value: str) -> bytes:
    """A GGUF string."""
    return struct.pack("<Q", len(value.encode())) + value.encode()


def key(name: str, value: str | int | float) -> bytes:
    """A metadata entry."""
    if isinstance(value, str):
        return text(name) + struct.pack("<I", 8) + text(value)
    return text(name) + (struct.pack("<If", 6, value) if isinstance(value, float) else struct.pack("<II", 4, value))


def gguf_head(name: str, shape: Shape, storage: Storage) -> bytes:
    """Everything before the data."""
    metadata: dict[str, str | int | float] = {
        "general.architecture": "llama", "general.name": name, "general.file_type": storage.file_type,
        "llama.vocab_size": shape.vocabulary, "llama.context_length": shape.context, "llama.embedding_length": shape.hidden,
        "llama.block_count": shape.layers, "llama.feed_forward_length": shape.intermediate,
        "llama.attention.head_count": shape.heads, "llama.attention.head_count_kv": shape.kv_heads,
        "llama.attention.layer_norm_rms_epsilon": shape.epsilon, "llama.rope.freq_base": shape.theta,
        "llama.rope.dimension_count": shape.head_dim, "tokenizer.ggml.model": "none",
    }
    tensors = list(tensor_list(shape))
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata)) + b"".join(key(k, v) for k, v in metadata.items())
    offset = 0
    for tensor, _, dimensions in tensors:
        stored = F32 if len(dimensions) == 1 else storage
        head += text(tensor) + struct.pack(f"<I{len(dimensions)}QIQ", len(dimensions), *reversed(dimensions), stored.kind, offset)
        size = int(np.prod(dimensions)) // stored.block_values * stored.block_bytes
        offset += size + -size % ALIGNMENT
    return head + b"\0" * (-len(head) % ALIGNMENT)


def safetensors_head(shape: Shape) -> bytes:
    """The length and the JSON header."""
    header, offset = {}, 0
    for _, name, dimensions in tensor_list(shape):
        kind, width = ("F32", 4) if len(dimensions) == 1 else ("BF16", 2)
        size = int(np.prod(dimensions)) * width
        header[name] = {"dtype": kind, "shape": list(dimensions), "data_offsets": [offset, offset + size]}
        offset += size
    packed = json.dumps(header, separators=(",", ":")).encode()
    packed += b" " * (-len(packed) % 8)
    return struct.pack("<Q", len(packed)) + packed


def config(shape: Shape) -> dict[str, object]:
    """config.json."""
    return {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16", "hidden_size": shape.hidden,
            "num_hidden_layers": shape.layers, "num_attention_heads": shape.heads, "num_key_value_heads": shape.kv_heads,
            "intermediate_size": shape.intermediate, "vocab_size": shape.vocabulary, "max_position_embeddings": shape.context,
            "rope_theta": shape.theta, "rms_norm_eps": shape.epsilon, "hidden_act": "silu", "tie_word_embeddings": False,
            "bos_token_id": 1, "eos_token_id": 2, "use_cache": True}


def padded(data: bytes) -> bytes:
    """Up to GGUF's alignment."""
    return data + b"\0" * (-len(data) % ALIGNMENT)


def show(name: str, tensor: str) -> None:
    """Progress, on a terminal."""
    if sys.stderr.isatty():
        print(f"\r{name}: {tensor:30}", end="", file=sys.stderr, flush=True)


def write_bf16(out: Path, name: str, shape: Shape) -> None:
    """Both files, tensor by tensor. The rows of q and k have no order to keep: the weights are random."""
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config(shape), indent=1) + "\n")
    with (out / f"{name}-BF16.gguf").open("wb") as gguf, (folder / "model.safetensors").open("wb") as safetensors:
        gguf.write(gguf_head(name, shape, BF16))
        safetensors.write(safetensors_head(shape))
        for index, (tensor, _, dimensions) in enumerate(tensor_list(shape)):
            values = numbers(index, dimensions)
            data = values.tobytes() if len(dimensions) == 1 else to_bf16(values)
            gguf.write(padded(data))
            safetensors.write(data)
            show(name, tensor)


def write_q4_0(out: Path, name: str, shape: Shape) -> None:
    """The GGUF file alone."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / f"{name}-Q4_0.gguf").open("wb") as gguf:
        gguf.write(gguf_head(name, shape, Q4_0))
        for index, (tensor, _, dimensions) in enumerate(tensor_list(shape)):
            gguf.write(padded(numbers(index, dimensions).tobytes() if len(dimensions) == 1 else q4_0_blocks(index, dimensions)))
            show(name, tensor)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=sorted(SHAPES), default="tinyllama-1.1b")
    parser.add_argument("--type", choices=["bf16", "q4_0"], default="bf16")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    (write_bf16 if args.type == "bf16" else write_q4_0)(args.out, args.shape, SHAPES[args.shape])
    if sys.stderr.isatty():
        print(file=sys.stderr)


if __name__ == "__main__":
    main()
