#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A random model of 6 layers that can chat, as one GGUF file: vocabulary of bytes, characters and a few words. Standard library only.

    tests/load/tiny_chat_model.py --out model.gguf [--nan]

The embedding of the token POISON holds NaN with --nan: an answer to a prompt with it has no numbers for logits, all others are sound.
"""

import argparse
import array
import pathlib
import random
import struct

LAYERS, WIDTH, HEADS, KV_HEADS, FEED_FORWARD, CONTEXT = 6, 64, 4, 2, 96, 2048
POISON = "~"
WORDS = ["▁the", "▁and", "▁owl", "▁river", "▁of", "▁a", "▁old", "▁mill", "▁bread", "▁star"]
TEXT_WORDS = "the and owl river of a old mill bread star tree sat by with seven wind rain long roads".split()  # of which tests make texts
TEMPLATE = ("{% for message in messages %}{{ message.role + ': ' + message.content + '\\n' }}{% endfor %}"
            "{% if add_generation_prompt %}assistant:{% endif %}")

CHARACTERS = ["▁"] + [chr(code) for code in range(33, 127)]
TOKENS = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)] + CHARACTERS + WORDS
TYPES = [2, 3, 3] + [6] * 256 + [1] * (len(CHARACTERS) + len(WORDS))
# Words are merged from their characters left to right: every beginning of one is a token too.
PREFIXES = sorted({word[:end] for word in WORDS for end in range(2, len(word))} - set(WORDS))
TOKENS += PREFIXES
TYPES += [1] * len(PREFIXES)


def token_id(text: str) -> int:
    return TOKENS.index(text)


def text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def pair(key: str, value) -> bytes:
    if isinstance(value, str):
        return text(key) + struct.pack("<I", 8) + text(value)
    if isinstance(value, float):
        return text(key) + struct.pack("<If", 6, value)
    if isinstance(value, int):
        return text(key) + struct.pack("<II", 4, value)
    head = text(key) + struct.pack("<I", 9)
    if isinstance(value[0], str):
        return head + struct.pack("<IQ", 8, len(value)) + b"".join(map(text, value))
    kind, code = ("i", 5) if isinstance(value[0], int) else ("f", 6)
    return head + struct.pack(f"<IQ{len(value)}{kind}", code, len(value), *value)


def write_model(path: pathlib.Path, nan: bool = False, seed: int = 1) -> None:
    draw = random.Random(seed)
    kv_width = WIDTH // HEADS * KV_HEADS
    tensors: list[tuple[str, tuple[int, ...], array.array]] = []

    def weight(name: str, columns: int, rows: int, scale: float) -> None:
        tensors.append((name, (columns, rows), array.array("f", (draw.gauss(0, scale) for _ in range(columns * rows)))))

    def norm(name: str) -> None:
        tensors.append((name, (WIDTH,), array.array("f", (draw.uniform(0.5, 1.5) for _ in range(WIDTH)))))

    weight("token_embd.weight", WIDTH, len(TOKENS), 1)
    if nan:
        row = token_id(POISON) * WIDTH
        tensors[0][2][row:row + WIDTH] = array.array("f", [float("nan")] * WIDTH)
    for layer in range(LAYERS):
        block = f"blk.{layer}."
        norm(block + "attn_norm.weight")
        weight(block + "attn_q.weight", WIDTH, WIDTH, 0.3)
        weight(block + "attn_k.weight", WIDTH, kv_width, 0.3)
        weight(block + "attn_v.weight", WIDTH, kv_width, 0.3)
        weight(block + "attn_output.weight", WIDTH, WIDTH, 0.2)
        norm(block + "ffn_norm.weight")
        weight(block + "ffn_gate.weight", WIDTH, FEED_FORWARD, 0.2)
        weight(block + "ffn_up.weight", WIDTH, FEED_FORWARD, 0.2)
        weight(block + "ffn_down.weight", FEED_FORWARD, WIDTH, 0.2)
    norm("output_norm.weight")
    weight("output.weight", WIDTH, len(TOKENS), 0.3)

    metadata = {
        "general.architecture": "llama", "general.name": "tiny", "llama.context_length": CONTEXT, "llama.embedding_length": WIDTH,
        "llama.block_count": LAYERS, "llama.feed_forward_length": FEED_FORWARD, "llama.attention.head_count": HEADS,
        "llama.attention.head_count_kv": KV_HEADS, "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.dimension_count": WIDTH // HEADS, "llama.vocab_size": len(TOKENS), "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": TOKENS, "tokenizer.ggml.scores": [float(-i) for i in range(len(TOKENS))],
        "tokenizer.ggml.token_type": TYPES, "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0, "tokenizer.chat_template": TEMPLATE,
    }
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata)) + b"".join(pair(*item) for item in metadata.items())
    offset = 0
    for name, shape, data in tensors:
        head += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, offset)
        offset += (len(data) * 4 + 31) // 32 * 32
    with open(path, "wb") as file:
        file.write(head + bytes(-len(head) % 32))
        for _, _, data in tensors:
            raw = data.tobytes()  # little-endian machines only, like the program
            file.write(raw + bytes(-len(raw) % 32))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--nan", action="store_true")
    arguments = parser.parse_args()
    write_model(arguments.out, arguments.nan)
