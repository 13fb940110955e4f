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


@pytest.mark.parametrize("name, array, words", [
    ("rope_freqs.weight", np.ones(4, np.float32), "8 F32 values"),
    ("blk.1.layer_output_scale.weight", None, "missing"),
    ("blk.1.layer_output_scale.weight", np.array([np.nan], np.float32), "NaN"),
    ("blk.1.attn_v.weight", None, "missing"),  # only full layers have none
])
def test_tensors(name, array, words, open_with):
    result = open_with({}, {name: array})
    message = result.stderr.decode()
    assert result.returncode == 1 and words in message and name in message, message
