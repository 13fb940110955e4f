# SPDX-License-Identifier: Apache-2.0
"""Keys of model files: what would change the result is implemented or refused by name, what nobody knows is named."""

import importlib.util
import json
import pathlib
import shutil
import sys

import numpy as np
import pytest

TOOL = pathlib.Path(__file__).resolve().parents[2] / "tools" / "make_tiny_models.py"
IDS = "1 5 9 33 7 12 4 99 3 3 18 2 40 41"


@pytest.fixture(scope="module")
def maker():
    specification = importlib.util.spec_from_file_location("make_tiny_models", TOOL)
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def logits(program, tmp_path):
    """Logits of all positions, in float32, and what was said on the way."""
    def compute(model, ids=IDS):
        if not isinstance(ids, pathlib.Path):
            (tmp_path / "ids.txt").write_text(ids)
            ids = tmp_path / "ids.txt"
        out = tmp_path / "logits.bin"
        result = program.run("logits", "-m", model, "--ids", ids, "-o", out, "--cache-type-k", "f32", "--cache-type-v", "f32")
        message = result.stderr.decode()
        assert result.returncode == 0, message
        return np.fromfile(out, np.float32, offset=8), message
    return compute


@pytest.fixture
def faults(data):
    if not (data / "faults").is_dir():
        pytest.skip("the inputs that went wrong (../shared/data/faults) are absent")
    return data / "faults"


def overlay(data, faults, name, tmp_path) -> pathlib.Path:
    """TinyStories-656K with some files replaced."""
    folder = tmp_path / name
    shutil.copytree(data / "models" / "TinyStories-656K", folder)
    for file in (faults / name).iterdir():
        (folder / file.name).unlink(missing_ok=True)
        shutil.copy(file, folder / file.name)
    return folder


def with_config(data, tmp_path, name, **changes) -> pathlib.Path:
    folder = tmp_path / name
    shutil.copytree(data / "models" / "TinyStories-656K", folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").unlink()
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    return folder


@pytest.mark.parametrize("found, wanted, ids", [("gemma62", "gemma62_s12", "ids_gemma62.txt"),
                                                 ("yarn_no_orig", "yarn_orig", "ids_stories.txt")])
def test_what_a_gguf_file_leaves_out(logits, faults, found, wanted, ids):
    first, _ = logits(faults / f"{found}.gguf", faults / ids)
    second, _ = logits(faults / f"{wanted}.gguf", faults / ids)
    assert np.abs(first - second).max() < 1e-4


def test_the_base_inside_rope_scaling(logits, data, faults, tmp_path):
    found, _ = logits(overlay(data, faults, "hf_rope_scaling_theta_inside", tmp_path))
    wanted, _ = logits(with_config(data, tmp_path, "base", rope_theta=500000.0))
    plain, _ = logits(data / "models" / "TinyStories-656K")
    assert (found == wanted).all() and np.abs(found - plain).max() > 1e-3


def test_an_index_that_names_buffers_and_the_tied_matrix(logits, data, faults, tmp_path):
    folder = overlay(data, faults, "hf_idx_invfreq", tmp_path)
    wanted, _ = logits(data / "models" / "TinyStories-656K")
    found, _ = logits(folder)
    assert (found == wanted).all()


def test_pythons_words_for_no_number(logits, data, faults, tmp_path):
    found, message = logits(overlay(data, faults, "hf_nan", tmp_path))
    wanted, _ = logits(data / "models" / "TinyStories-656K")
    assert (found == wanted).all()
    assert '"x"' in message and '"y"' in message and "config.json" in message


def test_a_factor_on_the_rotation_in_both_containers(maker, logits, tmp_path):
    model = maker.MODELS[0]
    weights = maker.make_weights(model)
    factor = 1.25 * (0.1 * np.log(4.0) + 1.0)
    config = {"rope_scaling": {"rope_type": "yarn", "factor": 4.0, "attention_factor": factor, "original_max_position_embeddings": 128}}
    maker.write_folder(tmp_path / "folder", model, weights)
    path = tmp_path / "folder" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **config}))
    wanted, message = logits(tmp_path / "folder")
    assert message == "" or "warning" not in message
    scaling = {"type": "yarn", "factor": 4.0, "original_context_length": 128}
    results = {}
    for name, more in (("without", {}), ("with", {"attn_factor": 1.25})):
        metadata = maker.gguf_metadata(model)
        metadata.update({f"llama.rope.scaling.{key}": value for key, value in {**scaling, **more}.items()})
        maker.write_gguf(tmp_path / f"{name}.gguf", metadata, maker.gguf_tensors(model, weights))
        results[name], _ = logits(tmp_path / f"{name}.gguf")
    assert np.abs(results["with"] - wanted).max() < 1e-4
    assert np.abs(results["without"] - wanted).max() > 1e-3


def test_unknown_keys_are_named_and_foreign_tensors_refused(maker, logits, program, tmp_path):
    model = maker.MODELS[0]
    weights = maker.make_weights(model)
    metadata, tensors = maker.gguf_metadata(model), maker.gguf_tensors(model, weights)
    path = tmp_path / "model.gguf"
    maker.write_gguf(path, {**metadata, "llama.invented_gain": 2.0}, tensors)
    _, message = logits(path)
    assert message.count("warning:") == 1 and '"llama.invented_gain"' in message
    maker.write_gguf(path, metadata, {**tensors, "blk.0.ffn_gate_inp.weight": tensors["blk.0.ffn_gate.weight"]})
    result = program.run("logits", "-m", path, "--ids", tmp_path / "ids.txt", "-o", tmp_path / "out.bin")
    assert result.returncode == 1 and b"blk.0.ffn_gate_inp.weight" in result.stderr
    maker.write_gguf(path, {**metadata, "llama.logit_scale": 0.5}, tensors)
    result = program.run("info", "-m", path)
    assert result.returncode == 1 and b"llama.logit_scale" in result.stderr
