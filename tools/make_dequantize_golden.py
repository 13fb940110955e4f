#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/dequantize.bin: random blocks of every storage type and the values
that the Python package `gguf` (0.10 or newer) reads from them.

File: for each type
    u32 gguf type id, u32 blocks, u32 bytes per block, u32 values per block
    the raw blocks, then the values as float32
all little-endian.
"""

import argparse
import pathlib
import struct

import gguf
import numpy as np

BLOCKS = {32: 24, 256: 6}
# Byte offsets of the f16 fields of a block: random bits there could be NaN.
HALVES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0],
    "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
    "IQ4_NL": [0], "IQ4_XS": [0], "MXFP4": [],
}  # fmt: skip


def float_blocks(name: str, rng: np.random.Generator) -> np.ndarray:
    values = rng.normal(size=64).astype(np.float32)
    values[:4] = [0.0, -0.0, 1e-7, -65504.0]
    if name == "F32":
        return values.view(np.uint8).reshape(-1, 4)
    if name == "F16":
        return values.astype(np.float16).view(np.uint8).reshape(-1, 2)
    return (values.view(np.uint32) >> 16).astype(np.uint16).view(np.uint8).reshape(-1, 2)


def random_blocks(name: str, values: int, size: int, rng: np.random.Generator) -> np.ndarray:
    blocks = rng.integers(0, 256, size=(BLOCKS[values], size), dtype=np.uint8)
    for offset in HALVES[name]:
        halves = (rng.normal(size=len(blocks)) * 0.05).astype(np.float16)
        halves[0] = np.float16(3e-7)  # a subnormal scale
        blocks[:, offset : offset + 2] = halves.view(np.uint8).reshape(-1, 2)
    if name == "MXFP4":  # the exponent of a power of two; 255 is no number
        blocks[:, 0] = np.minimum(blocks[:, 0], 254)
        blocks[:2, 0] = 0, 254
    return blocks


def main() -> None:
    root = pathlib.Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, default=root / "tests/golden/dequantize.bin")
    out = parser.parse_args().out
    rng = np.random.default_rng(20240719)
    data = bytearray()
    for name in ["F32", "F16", "BF16", *HALVES]:
        type_ = gguf.GGMLQuantizationType[name]
        values, size = gguf.GGML_QUANT_SIZES[type_]
        if name in HALVES:
            blocks = random_blocks(name, values, size, rng)
        else:
            blocks = float_blocks(name, rng)
        expected = gguf.quants.dequantize(blocks.reshape(-1), type_).astype(np.float32)
        assert expected.size == len(blocks) * values
        data += struct.pack("<IIII", int(type_), len(blocks), size, values)
        data += blocks.tobytes() + expected.tobytes()
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(data)
    print(f"{out}: {len(data)} bytes")


if __name__ == "__main__":
    main()
