# SPDX-License-Identifier: Apache-2.0
"""Damaged and foreign model files: a sentence that names the file and what is wrong, exit code 1, no crash."""

import json
import pathlib
import struct

import numpy as np
import pytest


class Bench:
    """Makes one small model, lets a test damage it, and asks the program to open it."""

    def __init__(self, maker, program, folder: pathlib.Path):
        self.maker, self.program, self.folder = maker, program, folder
        self.model = maker.MODELS[0]
        self.weights = maker.make_weights(self.model)
        self.ids = folder / "ids.txt"
        self.ids.write_text("1 5 9")

    def gguf(self, metadata=lambda m: m, tensors=lambda t: t, raw=lambda b: b) -> pathlib.Path:
        path = self.folder / "model.gguf"
        self.maker.write_gguf(path, metadata(self.maker.gguf_metadata(self.model)),
                              tensors(self.maker.gguf_tensors(self.model, self.weights)))
        path.write_bytes(raw(path.read_bytes()))
        return path

    def hf_folder(self, config=lambda c: c, tensors=lambda t: t) -> pathlib.Path:
        path = self.folder / "folder"
        self.maker.write_folder(path, self.model, tensors(dict(self.weights)))
        config_file = path / "config.json"
        config_file.write_text(json.dumps(config(json.loads(config_file.read_text()))))
        return path

    def refused(self, path: pathlib.Path, *words: str) -> None:
        result = self.program.run("logits", "-m", path, "--ids", self.ids, "-o", self.folder / "out.bin")
        message = result.stderr.decode()
        assert result.returncode == 1, (result.returncode, message)
        for word in (str(path.name), *words):
            assert word in message, message
        assert result.stdout == b""


@pytest.fixture
def bench(maker, program, tmp_path):
    return Bench(maker, program, tmp_path)


def without(key):
    return lambda mapping: {k: v for k, v in mapping.items() if k != key}


def changed(key, value):
    return lambda mapping: {**mapping, key: value}


def test_the_undamaged_model_runs(bench):
    for path in (bench.gguf(), bench.hf_folder()):
        bench.program.ok("logits", "-m", path, "--ids", bench.ids, "-o", bench.folder / "out.bin")


def test_missing_tensor(bench):
    bench.refused(bench.gguf(tensors=without("blk.3.attn_k.weight")), "blk.3.attn_k.weight")
    bench.refused(bench.hf_folder(tensors=without("model.layers.2.mlp.up_proj.weight")), "blk.2.ffn_up.weight")


def test_missing_key(bench):
    bench.refused(bench.gguf(metadata=without("llama.embedding_length")), "llama.embedding_length")
    bench.refused(bench.hf_folder(config=without("num_hidden_layers")), "num_hidden_layers")


def test_wrong_shape(bench):
    narrow = np.zeros((32, 31), np.float32)
    bench.refused(bench.gguf(tensors=changed("blk.1.attn_q.weight", narrow)), "blk.1.attn_q.weight", "shape")
    bench.refused(bench.hf_folder(tensors=changed("model.norm.weight", np.zeros(7, np.float32))), "output_norm.weight", "shape")


@pytest.mark.parametrize("tensor", ["blk.0.attn_v.weight", "output_norm.weight", "token_embd.weight"])
def test_weights_that_are_not_numbers(bench, tensor):
    def damage(tensors):
        values = tensors[tensor].copy()
        values[5 % len(values)] = np.nan
        return {**tensors, tensor: values}

    bench.refused(bench.gguf(tensors=damage), tensor)


def test_unknown_architecture_and_what_is_supported(bench):
    bench.refused(bench.gguf(metadata=changed("general.architecture", "mamba")), "mamba", "llama", "gemma3")
    bench.refused(bench.hf_folder(config=changed("model_type", "mamba")), "mamba", "llama", "gemma3")


def test_unknown_tensor_type_and_what_is_supported(bench):
    name = b"output_norm.weight"

    def damage(raw):
        at = raw.index(name) + len(name) + 4 + 8  # past the number of dimensions and the one dimension
        return raw[:at] + struct.pack("<I", 4242) + raw[at + 4 :]

    bench.refused(bench.gguf(raw=damage), "output_norm.weight", "4242", "Q4_K")


def test_offset_and_sizes_beyond_the_file(bench):
    name = b"output_norm.weight"

    def offset(raw):
        at = raw.index(name) + len(name) + 4 + 8 + 4
        return raw[:at] + struct.pack("<Q", 1 << 60) + raw[at + 8 :]

    def dimension(raw):
        at = raw.index(name) + len(name) + 4
        return raw[:at] + struct.pack("<Q", (1 << 63) - 1) + raw[at + 8 :]

    bench.refused(bench.gguf(raw=offset), "output_norm.weight")
    bench.refused(bench.gguf(raw=dimension), "output_norm.weight")
    bench.refused(bench.gguf(raw=lambda raw: raw[:-64]), "beyond")


def test_absurd_hyperparameters(bench):
    for key, value in {"llama.block_count": 4_000_000_000, "llama.attention.head_count": 0, "llama.attention.head_count_kv": 3,
                       "llama.embedding_length": 4_000_000_000}.items():
        bench.refused(bench.gguf(metadata=changed(key, value)))


def test_damaged_folders(bench):
    folder = bench.hf_folder()
    (folder / "model.safetensors").unlink()
    bench.refused(folder, "safetensors")
    folder = bench.hf_folder()
    (folder / "config.json").write_text("{ not json")
    bench.refused(folder, "config.json")
    folder = bench.hf_folder()
    raw = (folder / "model.safetensors").read_bytes()
    for content in (raw[:40], b"\xff" * 8 + raw[8:], raw[: len(raw) // 2], b""):
        (folder / "model.safetensors").write_bytes(content)
        bench.refused(folder, "model.safetensors")


def test_unwritable_output(bench):
    result = bench.program.run("logits", "-m", bench.gguf(), "--ids", bench.ids, "-o", "/nonexistent/out.bin")
    assert result.returncode == 1 and b"/nonexistent/out.bin" in result.stderr


@pytest.fixture
def gpt_oss(maker, program, tmp_path):
    bench = Bench(maker, program, tmp_path)
    bench.model = next(model for model in maker.MODELS if model.name == "gpt-oss")
    bench.weights = maker.with_mxfp4(bench.model, maker.make_weights(bench.model))
    return bench


def test_experts_of_gpt_oss_that_are_incomplete_or_do_not_fit(gpt_oss):
    at = "model.layers.1.mlp.experts."
    blocks = gpt_oss.weights[f"{at}down_proj_blocks"]
    gpt_oss.program.ok("logits", "-m", gpt_oss.hf_folder(), "--ids", gpt_oss.ids, "-o", gpt_oss.folder / "out.bin")
    for missing in ("gate_up_proj_scales", "down_proj_blocks", "down_proj_bias"):
        gpt_oss.refused(gpt_oss.hf_folder(tensors=without(at + missing)), "layer 1", missing.rsplit("_", 1)[0])
    for name, wrong in (("gate_up_proj_scales", gpt_oss.weights[f"{at}gate_up_proj_scales"][:, :-1]), ("down_proj_blocks", blocks[..., :8]),
                        ("down_proj_blocks", blocks.reshape(-1)), ("gate_up_proj_bias", np.zeros((5, 7), np.float32))):
        gpt_oss.refused(gpt_oss.hf_folder(tensors=changed(at + name, wrong)), name)
    gpt_oss.refused(gpt_oss.hf_folder(tensors=changed(f"{at}down_proj_blocks", blocks[:4])), "down_proj")
    gpt_oss.refused(gpt_oss.hf_folder(tensors=without("model.layers.0.self_attn.sinks")), "blk.0.attn_sinks.weight")
    gpt_oss.refused(gpt_oss.hf_folder(config=changed("swiglu_limit", 5.0)), "swiglu_limit")
    gpt_oss.refused(gpt_oss.hf_folder(config=changed("quantization_config", {"quant_method": "gptq"})), "quantization_config")
    scales = gpt_oss.weights[f"{at}down_proj_scales"].copy()
    scales[0, 0, 0] = 255
    gpt_oss.refused(gpt_oss.hf_folder(tensors=changed(f"{at}down_proj_scales", scales)), "blk.1.ffn_down_exps.weight", "NaN")


def test_keys_of_the_newer_architectures_that_make_no_sense(maker, program, tmp_path):
    bench = Bench(maker, program, tmp_path)
    for name, key, value in (("ministral3", "mistral3.attention.temperature_scale", -1.0),
                             ("exaone4", "exaone4.attention.sliding_window_pattern", [1, 0, 1]), ("granitemoe", "granitemoe.logit_scale", 0.0),
                             ("gpt-oss", "gpt-oss.expert_used_count", 99)):
        bench.model = next(model for model in maker.MODELS if model.name == name)
        bench.weights = maker.make_weights(bench.model)
        bench.refused(bench.gguf(metadata=changed(key, value)), key.split(".")[-1].split("_")[0])
