# SPDX-License-Identifier: Apache-2.0
"""Files of LFM2 that are damaged or contradict themselves: a sentence that says how, no crash. And what its config.json may say in two ways."""

import json
import shutil

import numpy as np
import pytest


@pytest.fixture
def open_with(maker, program, tmp_path):
    """Opens a tiny model with other metadata (without a prefix) and tensors; None takes one away."""
    (tmp_path / "ids.txt").write_text("3 4 5 6 7 8 9")

    def run(name, metadata=None, tensors=None, architecture=None):
        model = next(model for model in maker.MODELS if model.name == name)
        keys = {**maker.gguf_metadata(model), **{f"{model.arch}.{key}": value for key, value in (metadata or {}).items()}}
        arrays = {**maker.gguf_tensors(model, maker.make_weights(model)), **(tensors or {})}
        if architecture:
            keys["general.architecture"] = architecture
        maker.write_gguf(tmp_path / "model.gguf", {key: value for key, value in keys.items() if value is not None},
                         {name: array for name, array in arrays.items() if array is not None})
        return program.run("logits", "-m", tmp_path / "model.gguf", "--ids", tmp_path / "ids.txt", "-o", tmp_path / "logits.bin")
    return run


@pytest.mark.parametrize("name", ["lfm2", "lfm2-bias", "lfm2moe"])
def test_the_file_itself_opens(name, open_with):
    result = open_with(name)
    assert result.returncode == 0 and not result.stderr, result.stderr


@pytest.mark.parametrize("key, value, words", [
    ("attention.head_count_kv", [0, 0, 2], "lists 3 layers, but the model has 6"),
    ("attention.head_count_kv", None, "lists 0 layers"),
    ("attention.head_count_kv", [0, 0, 3, 0, 2, 0], "is 3 in layer 3"),
    ("attention.head_count_kv", [0, 0, -2, 0, 2, 0], "is -2 in layer 3"),
    ("attention.head_count_kv", [0] * 6, "without any attention"),
    ("attention.head_count_kv", 2, "blk.0.attn_q.weight"),
    ("attention.head_count_kv", [2, 0, 2, 0, 2, 0], "blk.0.attn_q.weight"),
    ("attention.head_count_kv", [0, 0, 0, 0, 2, 0], "blk.2.shortconv"),
    ("shortconv.l_cache", None, "shortconv.l_cache"),
    ("shortconv.l_cache", 0, "shortconv.l_cache"),
    ("shortconv.l_cache", 1, "shortconv.l_cache"),
    ("shortconv.l_cache", 1 << 30, "shortconv.l_cache"),
    ("shortconv.l_cache", 4, "has the shape [32, 3]"),
    ("shortconv.bias", True, "shortconv.in_proj.bias"),
    ("attention.causal", False, "does not implement"),
    ("expert_count", 4, "does not implement"),
    ("block_count", 1 << 30, "block_count"),
])
def test_metadata(key, value, words, open_with):
    result = open_with("lfm2", {key: value})
    message = result.stderr.decode()
    assert result.returncode == 1 and words in message and "model.gguf" in message, message


@pytest.mark.parametrize("key, value, words", [
    ("expert_gating_func", 3, "expert_gating_func"),
    ("expert_count", None, "expert_count"),
    ("expert_used_count", 99, "expert_used_count"),
    ("leading_dense_block_count", 6, "leading_dense_block_count"),
    ("leading_dense_block_count", 0, "blk.0.ffn_gate_inp.weight"),
    ("expert_weights_scale", -1.0, "expected above 0"),
    ("expert_group_count", 2, "does not implement"),
])
def test_metadata_of_experts(key, value, words, open_with):
    result = open_with("lfm2moe", {key: value})
    message = result.stderr.decode()
    assert result.returncode == 1 and words in message and "model.gguf" in message, message


@pytest.mark.parametrize("name, tensor, array", [
    ("lfm2", "blk.0.shortconv.conv.weight", None),
    ("lfm2", "blk.0.shortconv.in_proj.weight", None),
    ("lfm2", "blk.0.shortconv.out_proj.weight", None),
    ("lfm2", "token_embd_norm.weight", None),
    ("lfm2", "blk.0.shortconv.conv.weight", np.zeros((32, 1, 3), np.float32)),
    ("lfm2", "blk.0.shortconv.conv.weight", np.full((32, 3), np.nan, np.float32)),
    ("lfm2", "blk.0.shortconv.in_proj.weight", np.zeros((64, 32), np.float32)),
    ("lfm2", "blk.0.attn_q.weight", np.zeros((32, 32), np.float32)),
    ("lfm2-bias", "blk.1.shortconv.conv.bias", None),
    ("lfm2-bias", "blk.1.shortconv.in_proj.bias", np.zeros(36, np.float32)),
    ("lfm2moe", "blk.1.exp_probs_b.bias", None),
    ("lfm2moe", "blk.1.exp_probs_b.bias", np.zeros(5, np.float32)),
    ("lfm2moe", "blk.1.exp_probs_b.bias", np.full(6, np.inf, np.float32)),
])
def test_tensors(name, tensor, array, open_with):
    result = open_with(name, {}, {tensor: array})
    assert result.returncode == 1 and tensor in result.stderr.decode(), result.stderr


def test_the_norm_may_have_its_usual_name(open_with, maker, tmp_path):
    assert open_with("lfm2").returncode == 0
    expected = (tmp_path / "logits.bin").read_bytes()
    model = next(model for model in maker.MODELS if model.name == "lfm2")
    norm = maker.make_weights(model)["model.embedding_norm.weight"]
    assert open_with("lfm2", {}, {"token_embd_norm.weight": None, "output_norm.weight": norm}).returncode == 0
    assert (tmp_path / "logits.bin").read_bytes() == expected


@pytest.fixture
def logits_of_folder(program, tiny_models, tmp_path):
    """Of a tiny model's folder with other keys in config.json; None takes one away."""
    (tmp_path / "ids.txt").write_text("3 4 5 6 7 8 9")

    def run(name, changes):
        folder = tmp_path / "folder"
        shutil.copytree(tiny_models / name, folder, dirs_exist_ok=True)
        config = {**json.loads((folder / "config.json").read_text()), **changes}
        (folder / "config.json").write_text(json.dumps({key: value for key, value in config.items() if value is not None}))
        result = program.run("logits", "-m", folder, "--ids", tmp_path / "ids.txt", "-o", tmp_path / "logits.bin")
        return result, (tmp_path / "logits.bin").read_bytes() if result.returncode == 0 else b""
    return run


@pytest.mark.parametrize("name, changes", [
    ("lfm2", {"layer_types": None, "full_attn_idxs": [2, 4]}),
    ("lfm2", {"block_ff_dim": 70, "intermediate_size": 9}),
    ("lfm2", {"block_auto_adjust_ff_dim": False, "intermediate_size": 48}),
    ("lfm2", {"conv_L_cache": None}),
    ("lfm2", {"tie_word_embeddings": False, "tie_embedding": True}),
    ("lfm2", {"hidden_act": "gelu"}),
    ("lfm2-bias", {"full_attn_idxs": None, "layer_types": ["full_attention", "conv", "full_attention", "conv", "full_attention"]}),
    ("lfm2-bias", {"norm_eps": None}),
    ("lfm2moe", {"use_expert_bias": None, "norm_topk_prob": None}),
])
def test_two_words_for_one_thing(name, changes, logits_of_folder):
    result, expected = logits_of_folder(name, {})
    assert result.returncode == 0 and not result.stderr, result.stderr
    result, found = logits_of_folder(name, changes)
    assert result.returncode == 0, result.stderr
    assert found == expected


@pytest.mark.parametrize("name, changes, words", [
    ("lfm2", {"layer_types": ["conv"]}, "names 1 layers"),
    ("lfm2", {"layer_types": ["conv", "mamba", "full_attention", "conv", "full_attention", "conv"]}, "mamba"),
    ("lfm2", {"block_ffn_dim_multiplier": -1.0}, "positive"),
    ("lfm2", {"block_ffn_dim_multiplier": 1e30}, "too wide"),
    ("lfm2", {"conv_L_cache": 0}, "conv_L_cache"),
    ("lfm2", {"conv_L_cache": 1}, "shortconv.l_cache"),
    ("lfm2", {"num_experts": 4}, "num_experts"),
    ("lfm2-bias", {"conv_bias": False, "conv_L_cache": 3}, "has the shape"),
    ("lfm2moe", {"layer_types": None}, "layer_types"),
    ("lfm2moe", {"routed_scaling_factor": 0.0}, "routed_scaling_factor"),
    ("lfm2moe", {"use_expert_bias": False}, "exp_probs_b.bias"),
])
def test_configs_that_cannot_be(name, changes, words, logits_of_folder):
    result, _ = logits_of_folder(name, changes)
    message = result.stderr.decode()
    assert result.returncode == 1 and words in message, message


def test_the_language_part_of_a_model_that_sees(program, maker, logits_of_folder, tmp_path):
    """lfm2_vl: the settings inside text_config, the tensors inside language_model, beside a vision tower."""
    result, expected = logits_of_folder("lfm2", {})
    assert result.returncode == 0
    model = next(model for model in maker.MODELS if model.name == "lfm2")
    folder = tmp_path / "seeing"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "lfm2_vl", "text_config": model.config, "vision_config": {"hidden_size": 8}}))
    tensors = {name.replace("model.", "model.language_model.", 1): array for name, array in maker.make_weights(model).items()}
    tensors |= {"model.vision_tower.x.weight": np.zeros(8, np.float32), "model.multi_modal_projector.linear_1.weight": np.zeros(8, np.float32)}
    maker.write_safetensors(folder / "model.safetensors", tensors)
    result = program.run("logits", "-m", folder, "--ids", tmp_path / "ids.txt", "-o", tmp_path / "logits.bin")
    assert result.returncode == 0 and b"2 tensors of images" in result.stderr, result.stderr
    assert (tmp_path / "logits.bin").read_bytes() == expected


@pytest.mark.parametrize("architecture, model_type, layers", [
    ("qwen35", "qwen3_5", "gated DeltaNet"), ("qwen3next", "qwen3_next", "gated DeltaNet"), ("granitehybrid", "granitemoehybrid", "Mamba-2"),
    ("nemotron_h", "nemotron_h", "Mamba-2"), ("falcon-h1", "falcon_h1", "Mamba-2"),
])
def test_other_hybrids_are_refused_by_name(architecture, model_type, layers, open_with, logits_of_folder):
    """With what they are, and what is supported."""
    by_gguf = open_with("lfm2", architecture=architecture)
    by_folder, _ = logits_of_folder("lfm2", {"model_type": model_type})
    for result, name in ((by_gguf, architecture), (by_folder, model_type)):
        message = result.stderr.decode()
        assert result.returncode == 1 and name in message and f"a recurrent state ({layers})" in message and "lfm2" in message, message


def test_a_convolution_cannot_prune(program, tiny_models):
    """Nor score; the sentence says which layers can."""
    model = tiny_models / "lfm2.gguf"
    for arguments in (["--prune", "4:0.5"], ["--prune", "3:0.5", "--score", "heads:4.1=1"]):
        result = program.run("run", "-m", model, "-p", "x", "--policy", "lazy", *arguments)
        message = result.stderr.decode()
        assert result.returncode == 2 and "layer 4 does not see all tokens" in message, message
        assert "score" in arguments[-2] or "can prune after layers 3, 5" in message, message
