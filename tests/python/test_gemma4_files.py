# SPDX-License-Identifier: Apache-2.0
"""GGUF files of Gemma 4 that are damaged, or have what is not implemented: a sentence that says which, no crash."""

import numpy as np
import pytest


@pytest.fixture
def open_with(maker, program, tmp_path):
    """Opens the tiny model with other metadata (without a prefix) and tensors; None takes one away."""
    model = next(model for model in maker.MODELS if model.name == "gemma4")
    (tmp_path / "ids.txt").write_text("3 4 5")

    def run(metadata, tensors):
        keys = {**maker.gguf_metadata(model), **{f"gemma4.{key}": value for key, value in metadata.items()}}
        arrays = {**maker.gguf_tensors(model, maker.make_weights(model)), **tensors}
        maker.write_gguf(tmp_path / "model.gguf", {key: value for key, value in keys.items() if value is not None},
                         {name: array for name, array in arrays.items() if array is not None})
        return program.run("logits", "-m", tmp_path / "model.gguf", "--ids", tmp_path / "ids.txt", "-o", tmp_path / "logits.bin")
    return run


def test_the_file_itself_opens(open_with):
    assert open_with({}, {}).returncode == 0


@pytest.mark.parametrize("key, value, words", [
    ("attention.shared_kv_layers", 2, "does not implement"),
    ("embedding_length_per_layer_input", 8, "does not implement"),
    ("expert_count", 4, "does not implement"),
    ("feed_forward_length", [48, 48, 48, 48, 96, 96], "differs from layer to layer"),
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
