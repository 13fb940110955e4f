#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tiny random checkpoints of every supported architecture, as Hugging Face folders and as GGUF files (all F32).

    tools/make_tiny_models.py --out build/tiny [--check-sums tests/golden/tiny_models.sha256]

writes ``DIR/<name>/{config.json,generation_config.json,model.safetensors}`` and ``DIR/<name>.gguf`` with the same weights for every
model of ``MODELS``, and for the first model also a sharded folder and a split GGUF. Only NumPy is needed: safetensors
and GGUF are written by hand. The weights come from an integer hash of (model, tensor, index), so every run
on every machine gives the same files bit by bit, and the golden files made from them elsewhere (``tests/golden``) stay valid.

What the conversion does is what llama.cpp's converter does: q and k rows (and biases) of ``llama`` are permuted for adjacent-pair
rotation, Gemma's norm weights get their +1, Llama 3's rope scaling becomes the tensor ``rope_freqs.weight``. Two things go further:
``llama.attention.sliding_window`` is written for the Mistral-like model (llama.cpp neither writes nor reads it), and
``<arch>.vocab_size`` always, because there is no tokenizer (``tokenizer.ggml.model`` is ``none``).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import struct
import sys
from pathlib import Path

import numpy as np

from tiny_models import MODELS, PLUS_ONE, Tensors, TinyModel, make_weights, mxfp4_blocks, mxfp4_experts, with_mxfp4

# ---------------------------------------------------------------------------------------------------------------------
# Hugging Face folder

def write_safetensors(path: Path, tensors: Tensors) -> None:
    """u64 header length, JSON header (padded with blanks to 8 bytes), raw little-endian data."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, array in tensors.items():
        header[name] = {"dtype": "U8" if array.dtype == np.uint8 else "F32", "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in tensors.values():
            file.write(np.ascontiguousarray(array, dtype=array.dtype if array.dtype == np.uint8 else "<f4").tobytes())


def write_folder(folder: Path, model: TinyModel, tensors: Tensors, shards: int = 1) -> None:
    """config.json, generation_config.json and one or several safetensors files (with their index)."""
    folder.mkdir(parents=True, exist_ok=True)
    quantized = {"quantization_config": {"quant_method": "mxfp4"}} if any(array.dtype == np.uint8 for array in tensors.values()) else {}
    (folder / "config.json").write_text(json.dumps({**model.config, **quantized}, indent=2) + "\n")
    (folder / "generation_config.json").write_text(json.dumps({"bos_token_id": 1, "eos_token_id": 2}, indent=2) + "\n")
    if shards == 1:
        write_safetensors(folder / "model.safetensors", tensors)
        return
    names, index = list(tensors), {}
    for s in range(shards):
        file = f"model-{s + 1:05d}-of-{shards:05d}.safetensors"
        part = names[s * len(names) // shards : (s + 1) * len(names) // shards]
        write_safetensors(folder / file, {name: tensors[name] for name in part})
        index.update({name: file for name in part})
    total = sum(array.nbytes for array in tensors.values())
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {"total_size": total}, "weight_map": index}, indent=2) + "\n")


# ---------------------------------------------------------------------------------------------------------------------
# GGUF

GGUF_NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "input_layernorm": "attn_norm",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
    "per_layer_input_gate": "inp_gate", "per_layer_projection": "proj", "post_per_layer_input_norm": "post_norm",
    "self_attn.qkv_proj": "attn_qkv", "mlp.gate_up_proj": "ffn_up", "mlp.gate": "ffn_gate_inp", "block_sparse_moe.gate": "ffn_gate_inp", "mlp.shared_expert_gate": "ffn_gate_inp_shexp",
    "block_sparse_moe.router.layer": "ffn_gate_inp", "mlp.router": "ffn_gate_inp",
    "operator_norm": "attn_norm", "ffn_norm": "ffn_norm", "self_attn.out_proj": "attn_output", "self_attn.q_layernorm": "attn_q_norm",
    "self_attn.k_layernorm": "attn_k_norm", "conv.conv": "shortconv.conv", "conv.in_proj": "shortconv.in_proj", "conv.out_proj": "shortconv.out_proj",
    "feed_forward.w1": "ffn_gate", "feed_forward.w3": "ffn_up", "feed_forward.w2": "ffn_down", "feed_forward.gate": "ffn_gate_inp",
    "mlp.shared_expert.gate_proj": "ffn_gate_shexp", "mlp.shared_expert.up_proj": "ffn_up_shexp", "mlp.shared_expert.down_proj": "ffn_down_shexp",
}
NEIGHBOURS = {"llama", "granite", "granitemoe", "mistral3", "smollm3"}  # rotate neighbours in GGUF files
GEMMA4_EXPERTS = {"experts.gate_up_proj": "ffn_gate_up_exps.weight", "experts.down_proj": "ffn_down_exps.weight",
                  "router.proj.weight": "ffn_gate_inp.weight", "router.scale": "ffn_gate_inp.scale", "router.per_expert_scale": "ffn_down_exps.scale"}
EXPERT_NAMES = {"w1": "ffn_gate_exps", "w3": "ffn_up_exps", "w2": "ffn_down_exps",
                "gate_proj": "ffn_gate_exps", "up_proj": "ffn_up_exps", "down_proj": "ffn_down_exps"}


def gguf_name(model: TinyModel, name: str) -> str:
    """The GGUF name of a Hugging Face tensor."""
    top = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight", "lm_head.weight": "output.weight",
           "model.embedding_norm.weight": "token_embd_norm.weight",
           "model.embed_tokens_per_layer.weight": "per_layer_token_embd.weight", "model.per_layer_model_projection.weight": "per_layer_model_proj.weight",
           "model.per_layer_projection_norm.weight": "per_layer_proj_norm.weight"}
    if name in top:
        return top[name]
    norms = ({"post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm", "post_feedforward_layernorm": "post_ffw_norm"}
             if model.post_norms else {"post_attention_layernorm": "ffn_norm"})
    if model.arch == "gemma4":
        norms |= {"pre_feedforward_layernorm_2": "pre_ffw_norm_2", "post_feedforward_layernorm_1": "post_ffw_norm_1",
                  "post_feedforward_layernorm_2": "post_ffw_norm_2"}
    if model.arch == "glm4":
        norms = {"post_self_attn_layernorm": "post_attention_norm", "post_attention_layernorm": "ffn_norm", "post_mlp_layernorm": "post_ffw_norm"}
    if model.arch in ("seed_oss", "gpt-oss"):
        norms = {"post_attention_layernorm": "post_attention_norm"}
    _, _, layer, rest = name.split(".", 3)
    if rest == "layer_scalar":
        return f"blk.{layer}.layer_output_scale.weight"
    if rest == "feed_forward.expert_bias":
        return f"blk.{layer}.exp_probs_b.bias"
    if rest == "self_attn.sinks":
        return f"blk.{layer}.attn_sinks.weight"
    stem, kind = rest.rsplit(".", 1)
    return f"blk.{layer}.{({**GGUF_NAMES, **norms})[stem]}.{kind}"


def permute(rows: np.ndarray, heads: int) -> np.ndarray:
    """From rotation of halves (i, i + n/2) to rotation of neighbours (2i, 2i + 1), per head."""
    return rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def rope_theta(model: TinyModel) -> float:
    """Where the configuration has it."""
    parameters = model.config.get("rope_parameters", {})
    assert isinstance(parameters, dict)
    return float(parameters.get("rope_theta", model.config.get("rope_theta")))  # type: ignore[arg-type]


def llama3_factors(model: TinyModel) -> np.ndarray:
    """Divisors of the rotation frequencies, float32 [head_dim / 2]."""
    scaling = model.config["rope_scaling"]
    assert isinstance(scaling, dict)
    factor, low, high = scaling["factor"], scaling["low_freq_factor"], scaling["high_freq_factor"]
    original = scaling["original_max_position_embeddings"]
    frequencies = 1.0 / float(model.config["rope_theta"]) ** (np.arange(0, model.head_dim, 2, dtype=np.float64) / model.head_dim)  # type: ignore[arg-type]
    factors = []
    for wavelength in 2 * math.pi / frequencies:
        if wavelength < original / high:
            factors.append(1.0)
        elif wavelength > original / low:
            factors.append(factor)
        else:
            smooth = (original / wavelength - low) / (high - low)
            factors.append(1.0 / ((1.0 - smooth) / factor + smooth))
    return np.array(factors, dtype=np.float32)


def gpt_oss_experts(model: TinyModel, name: str, array: np.ndarray, mxfp4: bool) -> Tensors:
    """Gate and up of one tensor of the folder come apart, and the matrices lie row by row."""
    layer, part = name.split(".")[2], name.rsplit(".", 1)[1]
    bias = part.endswith("_bias")
    if not bias:
        codes, exponents = mxfp4_experts(model, int(layer), part)
        array = mxfp4_blocks(codes, exponents) if mxfp4 else array.swapaxes(1, 2)
    end = "exps.bias" if bias else "exps.weight"
    if part.startswith("down"):
        return {f"blk.{layer}.ffn_down_{end}": array}
    return {f"blk.{layer}.ffn_gate_{end}": array[:, ::2], f"blk.{layer}.ffn_up_{end}": array[:, 1::2]}


def gguf_tensors(model: TinyModel, tensors: Tensors, mxfp4: bool = False) -> Tensors:
    """The tensors as the GGUF file holds them."""
    result: Tensors = {}
    stacks: dict[str, list[np.ndarray]] = {}
    for name, array in tensors.items():
        if model.arch == "gpt-oss" and ".experts." in name:
            result |= gpt_oss_experts(model, name, array, mxfp4)
            continue
        if model.arch == "gemma4" and (".experts." in name or ".router." in name):
            layer, part = name.split(".")[2], name.split(".", 3)[3]
            result[f"blk.{layer}.{GEMMA4_EXPERTS[part]}"] = array
            continue
        if ".experts." in name:  # one tensor for all, in the order of their numbers
            part = EXPERT_NAMES[name.split(".")[-2]]
            stacks.setdefault(f"blk.{name.split('.')[2]}.{part}.weight", []).append(array)
            continue
        if name.endswith("_linear.weight"):  # gate and up come apart
            at, shared = f"blk.{name.split('.')[2]}", "shared_mlp" in name
            end = "shexp.weight" if shared else "exps.weight"
            if "output_linear" in name:
                result[f"{at}.ffn_down_{end}"] = array
            else:
                for part, half in zip(("gate", "up"), np.split(array, 2, axis=-2)):
                    result[f"{at}.ffn_{part}_{end}"] = half
            continue
        if "shared_expert_gate" in name:
            array = array[0]
        if name.endswith("conv.conv.weight"):
            array = array[:, 0]
        if model.arch in NEIGHBOURS and ".q_proj." in name:
            array = permute(array, model["num_attention_heads"])
        elif model.arch in NEIGHBOURS and ".k_proj." in name:
            array = permute(array, model["num_key_value_heads"])
        elif model.arch in PLUS_ONE and name.endswith("norm.weight"):
            array = array + np.float32(1)
        result[gguf_name(model, name)] = array
    result |= {name: np.stack(arrays) for name, arrays in stacks.items()}
    if isinstance(scaling := model.config.get("rope_scaling"), dict) and scaling.get("rope_type") == "llama3":
        result["rope_freqs.weight"] = llama3_factors(model)
    if model.arch == "gemma4":
        divisors = np.full(model["global_head_dim"] // 2, 1e30, dtype=np.float32)
        divisors[: model["global_head_dim"] // 8] = 1.0  # a quarter is rotated
        result["rope_freqs.weight"] = divisors
    if isinstance(scaling, dict) and scaling.get("type") == "longrope":
        for length in ("short", "long"):
            result[f"rope_factors_{length}.weight"] = np.array(scaling[f"{length}_factor"], dtype=np.float32)
    return result


def gguf_metadata(model: TinyModel) -> dict[str, object]:
    """Keys and values; int -> u32, float -> f32, str -> string, list -> i32."""
    a = model.arch
    meta: dict[str, object] = {
        "general.architecture": a, "general.name": model.name, "general.file_type": 0,
        f"{a}.vocab_size": model["vocab_size"], f"{a}.context_length": model["max_position_embeddings"],
        f"{a}.embedding_length": model["hidden_size"], f"{a}.block_count": model["num_hidden_layers"],
        f"{a}.feed_forward_length": model["intermediate_size"], f"{a}.attention.head_count": model["num_attention_heads"],
        f"{a}.attention.head_count_kv": model["num_key_value_heads"],
        f"{a}.attention.layer_norm_rms_epsilon": float(model.config["rms_norm_eps"]),  # type: ignore[arg-type]
        f"{a}.rope.freq_base": rope_theta(model),
    }
    if "head_dim" in model.config:
        meta[f"{a}.attention.key_length"] = meta[f"{a}.attention.value_length"] = model.head_dim
    if a == "llama":
        meta[f"{a}.rope.dimension_count"] = model.head_dim
    meta |= {f"{a}.{key}": value for key, value in model.gguf_extra.items()}
    meta["tokenizer.ggml.model"] = "none"
    return meta


def gguf_value(value: object) -> bytes:
    """Type and value of one metadata entry. A one-element tuple is a u16, as the split keys want."""
    if isinstance(value, tuple):
        return struct.pack("<IH", 2, value[0])
    if isinstance(value, list) and isinstance(value[0], bool):
        return struct.pack("<IIQ", 9, 7, len(value)) + struct.pack(f"<{len(value)}?", *value)
    if isinstance(value, list):
        return struct.pack("<IIQ", 9, 5, len(value)) + struct.pack(f"<{len(value)}i", *value)
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    assert isinstance(value, str)
    return struct.pack("<I", 8) + gguf_string(value)


def gguf_string(text: str) -> bytes:
    """u64 length and bytes."""
    return struct.pack("<Q", len(text.encode())) + text.encode()


def write_gguf(path: Path, metadata: dict[str, object], tensors: Tensors, alignment: int = 32) -> None:
    """A GGUF v3 file of F32 tensors, and of MXFP4 where the arrays are bytes."""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    for key, value in metadata.items():
        head += gguf_string(key) + gguf_value(value)
    offset = 0
    for name, array in tensors.items():
        shape, kind = array.shape, 0
        if array.dtype == np.uint8:
            shape, kind = (*shape[:-1], shape[-1] // 17 * 32), 39  # blocks of MXFP4
        head += gguf_string(name) + struct.pack("<I", array.ndim) + struct.pack(f"<{array.ndim}Q", *reversed(shape))
        head += struct.pack("<IQ", kind, offset)
        offset += array.nbytes + -array.nbytes % alignment
    with path.open("wb") as file:
        file.write(head + b"\0" * (-len(head) % alignment))
        for array in tensors.values():
            data = np.ascontiguousarray(array, dtype=array.dtype if array.dtype == np.uint8 else "<f4").tobytes()
            file.write(data + b"\0" * (-len(data) % alignment))


def write_split_gguf(folder: Path, model: TinyModel, tensors: Tensors, parts: int) -> None:
    """``<name>-split-00001-of-0000N.gguf`` and so on, with the split keys; metadata in the first part only."""
    names = list(tensors)
    for p in range(parts):
        meta = gguf_metadata(model) if p == 0 else {}
        meta |= {"split.no": (p,), "split.count": (parts,), "split.tensors.count": len(names)}
        chosen = names[p * len(names) // parts : (p + 1) * len(names) // parts]
        write_gguf(folder / f"{model.name}-split-{p + 1:05d}-of-{parts:05d}.gguf", meta, {name: tensors[name] for name in chosen})


def write_all(folder: Path, only: list[str] | None = None) -> None:
    """Everything (or the named models) into ``folder``."""
    for model in MODELS:
        if only and model.name not in only:
            continue
        tensors = make_weights(model)
        converted = gguf_tensors(model, tensors)
        write_folder(folder / model.name, model, tensors)
        write_gguf(folder / f"{model.name}.gguf", gguf_metadata(model), converted)
        if model.arch == "gpt-oss":
            write_folder(folder / f"{model.name}-mxfp4", model, with_mxfp4(model, tensors))
            write_gguf(folder / f"{model.name}-mxfp4.gguf", gguf_metadata(model), gguf_tensors(model, tensors, mxfp4=True))
        if model is MODELS[0]:
            write_folder(folder / f"{model.name}-sharded", model, tensors, shards=3)
            write_split_gguf(folder, model, converted, parts=3)
        size = (folder / f"{model.name}.gguf").stat().st_size
        print(f"{model.name}: {sum(t.size for t in tensors.values())} weights, {size} bytes", file=sys.stderr)


def checksums(folder: Path) -> str:
    """``sha256  name`` of every weight file, sorted."""
    files = sorted([*folder.glob("*/*.safetensors"), *folder.glob("*.gguf")])
    return "".join(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(folder).as_posix()}\n" for file in files)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--only", nargs="*", help="names of models (default: all)")
    parser.add_argument("--write-sums", type=Path, help="write the files' sha256 here")
    parser.add_argument("--check-sums", type=Path, help="compare the files' sha256 with these (tests/golden/tiny_models.sha256)")
    args = parser.parse_args()
    if unknown := set(args.only or []) - {model.name for model in MODELS}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(model.name for model in MODELS)}")
    write_all(args.out, args.only)
    if args.write_sums is not None:
        args.write_sums.write_text(checksums(args.out))
    if args.check_sums is not None:
        expected = set(args.check_sums.read_text().splitlines())
        if wrong := [line.split()[1] for line in checksums(args.out).splitlines() if line not in expected]:
            raise SystemExit(f"{', '.join(wrong)}: other bytes than those the golden files were made from; this NumPy computes "
                             f"differently, or the golden files must be made anew")


if __name__ == "__main__":
    main()
