# SPDX-License-Identifier: Apache-2.0
"""lazyllm quantize: a folder as a GGUF file computes the same, smaller types nearly the same."""

import re
import struct

import numpy as np
import pytest

IDS = " ".join(str(3 + i * 7 % 250) for i in range(40))
FOLDERS = ["exaone4", "gemma2", "gemma3", "gemma3-linear", "gemma4", "gemma4-shared", "gemma4-experts", "glm4", "gpt-oss", "gpt-oss-mxfp4", "granite", "granitemoe", "granitemoeshared", "llama-bias",
           "lfm2", "lfm2-bias", "lfm2moe", "llama-gqa", "llama-mha", "llama-odd", "llama-rope3", "ministral3", "mistral-window", "mixtral", "olmo2", "phi3", "phi3-long", "qwen2",
           "qwen2moe", "qwen3", "qwen3moe", "seed-oss", "smollm3"]


MXFP4 = 39  # GGUF's number of the type


def tensor_types(path):
    """Of the layers' matrices in a GGUF file: name -> (type, columns)."""
    raw, kinds = path.read_bytes(), {}
    for name in re.finditer(rb"blk\.\d+\.[a-z_]+\.weight", raw):
        dimensions, = struct.unpack_from("<I", raw, name.end())
        *shape, kind = struct.unpack_from(f"<{dimensions}QI", raw, name.end() + 4)
        kinds[name.group().decode()] = (kind, shape[0])
    return kinds


@pytest.fixture
def logits(program, tmp_path):
    def compute(model):
        (tmp_path / "ids.txt").write_text(IDS)
        out = tmp_path / "logits.bin"
        program.ok("logits", "-m", model, "--ids", tmp_path / "ids.txt", "-o", out, "--cache-type-k", "f32", "--cache-type-v", "f32")
        return np.fromfile(out, np.float32, offset=8)
    return compute


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_as_gguf_computes_the_same(name, program, logits, tiny_models, tmp_path):
    out = tmp_path / "model.gguf"
    program.ok("quantize", tiny_models / name, out, "F32")
    assert np.abs(logits(out) - logits(tiny_models / name)).max() < 1e-4
    again = tmp_path / "again.gguf"
    program.ok("quantize", out, again, "F32")
    assert again.read_bytes()[24:] == out.read_bytes()[24:]


@pytest.mark.parametrize("kind, least, most", [("F16", 0.4, 0.55), ("Q8_0", 0.2, 0.35), ("Q6_K", 0.15, 0.3), ("Q4_0", 0.1, 0.3), ("Q4_K_M", 0.1, 0.3), ("Q5_K_M", 0.12, 0.3)])
def test_smaller_types(kind, least, most, program, logits, data, tmp_path):
    """TinyStories, whose matrices of 384 columns do not fit the K types and become Q8_0."""
    folder = data / "models" / "TinyStories-656K"
    out = tmp_path / "model.gguf"
    line = program.ok("quantize", folder, out, kind)
    assert kind in line and least < out.stat().st_size / (folder / "model.safetensors").stat().st_size < most + 0.05
    exact, found = logits(folder).reshape(40, -1), logits(out).reshape(40, -1)
    correlation = np.corrcoef(exact.ravel(), found.ravel())[0, 1]
    assert correlation > {"F16": 0.99999, "Q8_0": 0.999, "Q6_K": 0.999}.get(kind, 0.97), correlation
    text = "Once upon a time, there  was a caf\u00e9.\n"
    assert program.ok("tokenize", "-m", out, "-p", text, "--ids") == program.ok("tokenize", "-m", folder, "-p", text, "--ids")


@pytest.mark.parametrize("name", ["mixtral", "qwen2moe", "granitemoe", "gpt-oss"])
def test_mxfp4_is_for_experts(name, program, logits, tiny_models, tmp_path):
    """The experts' matrices alone become MXFP4; what the file holds is computed."""
    source, out, unpacked = tmp_path / "f32.gguf", tmp_path / "model.gguf", tmp_path / "unpacked.gguf"
    program.ok("quantize", tiny_models / name, source, "F32")
    program.ok("quantize", source, out, "MXFP4")
    program.ok("quantize", out, unpacked, "F32")
    kinds = tensor_types(out)
    experts = {tensor for tensor in kinds if tensor.endswith("_exps.weight")}
    fitting = {tensor for tensor in experts if tensor_types(source)[tensor][1] % 32 == 0}
    assert fitting and {kinds[tensor][0] for tensor in fitting} == {MXFP4}
    assert all(kind != MXFP4 for tensor, (kind, _) in kinds.items() if tensor not in experts)
    exact, small = logits(unpacked).reshape(40, -1), logits(out).reshape(40, -1)
    assert np.corrcoef(exact.ravel(), small.ravel())[0, 1] > 0.999
    again = tmp_path / "again.gguf"
    program.ok("quantize", out, again, "MXFP4")
    assert again.read_bytes() == out.read_bytes()


def test_what_cannot_be_is_said(program, tiny_models, tmp_path):
    for arguments, words in (((tiny_models / "qwen2", tmp_path / "x.gguf", "Q3_K"), ("Q3_K", "Q4_K_M")),
                             ((tiny_models / "qwen2", tmp_path / "x.gguf", "MXFP4"), ("experts of a mixture", "Q4_K_M")),
                             ((tiny_models / "qwen2.gguf", tiny_models / "qwen2.gguf", "Q8_0"), ("itself",)),
                             ((tiny_models / "qwen2", tmp_path, "Q8_0"), ("folder",)),
                             ((tiny_models / "qwen2", tmp_path / "no" / "x.gguf", "Q8_0"), ("cannot write",))):
        result = program.run("quantize", *arguments)
        message = result.stderr.decode()
        assert result.returncode in (1, 2) and all(word in message for word in words), message
    assert list(tmp_path.glob("*.part")) == []
