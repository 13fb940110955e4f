# SPDX-License-Identifier: Apache-2.0
"""GGUF files of Gemma 4 that are damaged, or have what is not implemented: a sentence that says which, no crash."""

import json

import numpy as np
import pytest


def opener(name, maker, program, tmp_path):
    """Opens a tiny model with other metadata (without a prefix) and tensors; None takes one away."""
    model = next(model for model in maker.MODELS if model.name == name)
    (tmp_path / "ids.txt").write_text("3 4 5")

    def run(metadata, tensors):
        keys = {**maker.gguf_metadata(model), **{f"gemma4.{key}": value for key, value in metadata.items()}}
        arrays = {**maker.gguf_tensors(model, maker.make_weights(model)), **tensors}
        maker.write_gguf(tmp_path / "model.gguf", {key: value for key, value in keys.items() if value is not None},
                         {name: array for name, array in arrays.items() if array is not None})
        return program.run("logits", "-m", tmp_path / "model.gguf", "--ids", tmp_path / "ids.txt", "-o", tmp_path / "logits.bin")
    return run


@pytest.fixture
def open_with(maker, program, tmp_path):
    return opener("gemma4", maker, program, tmp_path)


@pytest.fixture
def open_shared(maker, program, tmp_path):
    """The one whose last four of nine layers read keys and values of earlier ones."""
    return opener("gemma4-shared", maker, program, tmp_path)


def test_the_file_itself_opens(open_with):
    assert open_with({}, {}).returncode == 0


@pytest.mark.parametrize("key, value, words", [
    ("attention.shared_kv_layers", 6, "6 in all"),
    ("embedding_length_per_layer_input", 8, "per_layer_token_embd.weight"),
    ("expert_count", 4, "expert_used_count"),
    ("expert_count", 70000, "expert_count"),
    ("feed_forward_length", [48, 48, 48, 48, 96, 96], "has the shape"),
    ("feed_forward_length", [48, 48], "one for each of 6 layers"),
    ("feed_forward_length", [48, 48, 48, 48, 48, 0], "from 1 to"),
    ("attention.head_count_kv", [2, 2, 1], "one for each of 6 layers"),
    ("attention.head_count_kv", [2, 2, 3, 2, 2, 1], "a divisor of the 4 heads"),
    ("attention.head_count_kv", [2, 0, 1, 2, 2, 1], "a divisor of the 4 heads"),
    ("attention.sliding_window", None, "has the shape"),
    ("attention.sliding_window_pattern", [True, False], "lists 2 layers"),
    ("attention.key_length_swa", 10, "must be equal"),
    ("rope.dimension_count", 8, "rope_freqs.weight"),
    ("rope.freq_base_swa", -1.0, "positive"),
])
def test_metadata(key, value, words, open_with):
    result = open_with({key: value}, {})
    message = result.stderr.decode()
    assert result.returncode == 1 and words in message and "model.gguf" in message, message


def test_heads_of_full_layers_that_are_rotated_in_part_are_refused(open_with):
    result = open_with({"rope.dimension_count": 8}, {"rope_freqs.weight": np.ones(4, np.float32)})
    assert result.returncode == 1 and b"must be equal" in result.stderr, result.stderr


@pytest.mark.parametrize("share", [1000.0, -1.0, 0.0, float("nan")])
def test_a_share_that_is_none_is_refused(share, open_with):
    result = open_with({"rope.proportion": share}, {"rope_freqs.weight": None})
    assert result.returncode == 1 and b"rope.proportion" in result.stderr, result.stderr


def test_the_scale_of_attention_is_honoured(open_with, tmp_path):
    assert open_with({}, {}).returncode == 0
    usual = (tmp_path / "logits.bin").read_bytes()
    assert open_with({"attention.scale": 1.0}, {}).returncode == 0
    assert (tmp_path / "logits.bin").read_bytes() == usual
    assert open_with({"attention.scale": 0.5}, {}).returncode == 0
    assert (tmp_path / "logits.bin").read_bytes() != usual


def test_values_that_are_keys_have_their_bias(open_with, tmp_path, maker):
    """Of a full layer: a bias of k moves the values, too, as if the layer had them by themselves."""
    model = next(model for model in maker.MODELS if model.name == "gemma4")
    arrays = maker.gguf_tensors(model, maker.make_weights(model))
    layer = next(n for n in range(6) if f"blk.{n}.attn_v.weight" not in arrays)
    bias = np.linspace(-0.5, 0.5, arrays[f"blk.{layer}.attn_k.weight"].shape[0], dtype=np.float32)
    shared = {f"blk.{layer}.attn_k.bias": bias}
    assert open_with({}, shared).returncode == 0
    by_key = (tmp_path / "logits.bin").read_bytes()
    own = {**shared, f"blk.{layer}.attn_v.weight": arrays[f"blk.{layer}.attn_k.weight"], f"blk.{layer}.attn_v.bias": bias}
    assert open_with({}, own).returncode == 0
    assert (tmp_path / "logits.bin").read_bytes() == by_key
    result = open_with({}, {**shared, f"blk.{layer}.attn_v.bias": bias})
    assert result.returncode == 1 and b"attn_v.bias" in result.stderr, result.stderr


def test_heads_beyond_all_measure_are_refused(open_with):
    result = open_with({"attention.head_count": 65536, "attention.head_count_kv": 1, "attention.key_length": 65536, "attention.value_length": 65536,
                        "rope.dimension_count": 65536}, {"rope_freqs.weight": np.ones(32768, np.float32)})
    assert result.returncode == 1 and b"the file is damaged" in result.stderr, result.stderr


@pytest.mark.parametrize("name, array, words", [
    ("rope_freqs.weight", None, "missing"),
    ("rope_freqs.weight", np.ones(4, np.float32), "8 F32 values"),
    ("blk.1.layer_output_scale.weight", None, "missing"),
    ("blk.1.layer_output_scale.weight", np.array([np.nan], np.float32), "NaN"),
    ("blk.1.attn_v.weight", None, "missing"),  # only full layers have none
])
def test_tensors(name, array, words, open_with):
    result = open_with({}, {name: array})
    message = result.stderr.decode()
    assert result.returncode == 1 and words in message and name in message, message


def test_the_file_with_shared_keys_opens(open_shared):
    assert open_shared({}, {}).returncode == 0


@pytest.mark.parametrize("key, value, words", [
    ("attention.shared_kv_layers", 9, "9 in all"),
    ("attention.shared_kv_layers", 2000000000, "9 in all"),
    ("attention.shared_kv_layers", 4294967295, "shared_kv_layers"),
    ("attention.shared_kv_layers", 8, "of the other kind"),
    ("attention.shared_kv_layers", 3, "blk.5."),
    ("attention.shared_kv_layers", None, "blk.5."),
    ("attention.head_count_kv", [2, 2, 2, 2, 2, 1, 2, 2, 1], "layer 6 reads keys and values of layer 4"),
    ("embedding_length_per_layer_input", 13, "per_layer_token_embd.weight"),
    ("embedding_length_per_layer_input", 0, "belongs to no part"),
    ("embedding_length_per_layer_input", 70000, "embedding_length_per_layer_input"),
    ("feed_forward_length", 40, "blk.5.ffn_"),
    ("feed_forward_length", 80, "blk.0.ffn_"),
])
def test_metadata_of_shared_keys_and_layers_embeddings(key, value, words, open_shared):
    result = open_shared({key: value}, {})
    message = result.stderr.decode()
    assert result.returncode == 1 and words in message and "model.gguf" in message, message


@pytest.mark.parametrize("name", ["per_layer_token_embd.weight", "per_layer_model_proj.weight", "per_layer_proj_norm.weight",
                                  "blk.2.inp_gate.weight", "blk.8.proj.weight", "blk.5.post_norm.weight", "blk.5.attn_q.weight",
                                  "blk.5.attn_q_norm.weight"])
def test_tensors_of_layers_embeddings(name, open_shared, maker):
    result = open_shared({}, {name: None})
    message = result.stderr.decode()
    assert result.returncode == 1 and "missing" in message and name in message, message
    result = open_shared({}, {name: np.ones(7, np.float32)})
    message = result.stderr.decode()
    assert result.returncode == 1 and "has the shape" in message and name in message, message


def test_a_token_whose_embedding_for_a_layer_is_no_number(open_shared, maker):
    """It is read, and found wrong, when the token comes."""
    model = next(model for model in maker.MODELS if model.name == "gemma4-shared")
    table = maker.gguf_tensors(model, maker.make_weights(model))["per_layer_token_embd.weight"].copy()
    table[200, 3] = np.inf
    assert open_shared({}, {"per_layer_token_embd.weight": table}).returncode == 0
    table[4, 100] = np.nan
    result = open_shared({}, {"per_layer_token_embd.weight": table})
    message = result.stderr.decode()
    assert result.returncode == 1 and "per_layer_token_embd.weight" in message and "row 4" in message, message


def test_keys_that_nobody_reads_change_nothing(open_shared, tmp_path):
    assert open_shared({}, {}).returncode == 0
    usual = (tmp_path / "logits.bin").read_bytes()
    extra = {"blk.5.attn_k.weight": np.ones((32, 32), np.float32), "blk.5.attn_v.weight": np.ones((32, 32), np.float32),
             "blk.5.attn_k_norm.weight": np.ones(16, np.float32)}
    assert open_shared({}, extra).returncode == 0
    assert (tmp_path / "logits.bin").read_bytes() == usual


@pytest.fixture
def open_folder(maker, program, tmp_path):
    """Opens the folder of the tiny model with other keys in its config; None takes one away."""
    model = next(model for model in maker.MODELS if model.name == "gemma4-shared")
    (tmp_path / "ids.txt").write_text("3 4 5")

    def run(keys, tensors=None):
        maker.write_folder(tmp_path / "folder", model, {**maker.make_weights(model), **(tensors or {})})
        path = tmp_path / "folder" / "config.json"
        config = {**json.loads(path.read_text()), **keys}
        path.write_text(json.dumps({key: value for key, value in config.items() if value != "absent"}))
        return program.run("logits", "-m", tmp_path / "folder", "--ids", tmp_path / "ids.txt", "-o", tmp_path / "logits.bin")
    return run


@pytest.mark.parametrize("keys, words", [
    ({"num_kv_shared_layers": 9}, "9 in all"),
    ({"num_kv_shared_layers": 8}, "of the other kind"),
    ({"num_kv_shared_layers": 0}, "blk.5."),
    ({"num_kv_shared_layers": -2}, "num_kv_shared_layers"),
    ({"use_double_wide_mlp": False}, "blk.5.ffn_"),
    ({"hidden_size_per_layer_input": "absent"}, "per_layer_token_embd.weight"),
    ({"hidden_size_per_layer_input": None}, "belongs to no part"),
    ({"vocab_size_per_layer_input": 200}, "vocab_size_per_layer_input"),
    ({"vocab_size_per_layer_input": "absent"}, "vocab_size_per_layer_input"),
])
def test_configs(keys, words, open_folder):
    assert open_folder({}).returncode == 0
    result = open_folder(keys)
    message = result.stderr.decode()
    assert result.returncode == 1 and words in message, message


def test_a_folder_may_hold_keys_that_nobody_reads(open_folder, tmp_path):
    assert open_folder({}).returncode == 0
    usual = (tmp_path / "logits.bin").read_bytes()
    at = "model.layers.6.self_attn."
    extra = {at + "k_proj.weight": np.ones((16, 32), np.float32), at + "v_proj.weight": np.ones((16, 32), np.float32),
             at + "k_norm.weight": np.ones(8, np.float32)}
    assert open_folder({}, extra).returncode == 0
    assert (tmp_path / "logits.bin").read_bytes() == usual


def full_layers(**settings):
    """As transformers 5 writes it."""
    return {"global_head_dim": "absent", "num_global_key_value_heads": "absent", "per_layer_config": {str(n): settings for n in (1, 3, 5, 8)}}


def test_a_config_as_transformers_5_writes_it(open_folder, tmp_path):
    assert open_folder({}).returncode == 0
    usual = (tmp_path / "logits.bin").read_bytes()
    assert open_folder(full_layers(head_dim=16)).returncode == 0
    assert (tmp_path / "logits.bin").read_bytes() == usual
    assert open_folder(full_layers(head_dim=16, num_key_value_heads=2)).returncode == 0
    assert (tmp_path / "logits.bin").read_bytes() == usual


@pytest.mark.parametrize("config, words", [
    ({"1": {"head_dim": 16}}, "names other layers"),
    ({str(n): {"head_dim": 8 * n} for n in (1, 3, 5, 8)}, "differs from layer to layer"),
    ({str(n): {"head_dim": 16, "sliding_window": 3} for n in (1, 3, 5, 8)}, "sliding_window"),
    ({str(n): {"head_dim": 0} for n in (1, 3, 5, 8)}, "head_dim"),
    ({str(n): {"num_key_value_heads": 3} for n in (1, 3, 5, 8)}, "a divisor of the 4 heads"),
    ({"-1": {"head_dim": 16}}, "names no layer"),
    ({"99999999999999999999": {"head_dim": 16}}, "names no layer"),
    ({"1": 16}, "per_layer_config"),
    ([16], "per_layer_config"),
])
def test_layers_configs_that_are_none(config, words, open_folder):
    result = open_folder({"per_layer_config": config})
    message = result.stderr.decode()
    assert result.returncode == 1 and words in message, message


@pytest.fixture
def open_experts(maker, program, tmp_path):
    return opener("gemma4-experts", maker, program, tmp_path)


@pytest.mark.parametrize("key, value, words", [
    ("expert_count", 0, "belongs to no part"),
    ("expert_count", 5, "has the shape"),
    ("expert_used_count", 7, "expert_used_count"),
    ("expert_used_count", 0, "expert_used_count"),
    ("expert_feed_forward_length", 23, "has the shape"),
])
def test_metadata_of_experts(key, value, words, open_experts):
    assert open_experts({}, {}).returncode == 0
    result = open_experts({key: value}, {})
    message = result.stderr.decode()
    assert result.returncode == 1 and words in message and "model.gguf" in message, message


@pytest.mark.parametrize("name", ["ffn_gate_inp.weight", "ffn_gate_inp.scale", "ffn_down_exps.scale", "ffn_down_exps.weight", "pre_ffw_norm_2.weight",
                                  "post_ffw_norm_1.weight", "post_ffw_norm_2.weight", "ffn_up.weight"])
def test_tensors_of_experts(name, open_experts):
    result = open_experts({}, {f"blk.2.{name}": None})
    message = result.stderr.decode()
    one_by_one = name.replace("_exps.weight", ".0.weight")  # the other form that a file may have
    assert result.returncode == 1 and "missing" in message and (name in message or one_by_one in message), message
    result = open_experts({}, {f"blk.2.{name}": np.ones(7, np.float32)})
    message = result.stderr.decode()
    assert result.returncode == 1 and "has the shape" in message and name in message, message


def test_gate_and_up_of_experts_may_lie_apart(open_experts, tmp_path, maker):
    assert open_experts({}, {}).returncode == 0
    usual = (tmp_path / "logits.bin").read_bytes()
    model = next(model for model in maker.MODELS if model.name == "gemma4-experts")
    both = maker.gguf_tensors(model, maker.make_weights(model))["blk.1.ffn_gate_up_exps.weight"]
    apart = {"blk.1.ffn_gate_up_exps.weight": None, "blk.1.ffn_gate_exps.weight": both[:, :24], "blk.1.ffn_up_exps.weight": both[:, 24:]}
    assert open_experts({}, apart).returncode == 0
    assert (tmp_path / "logits.bin").read_bytes() == usual
