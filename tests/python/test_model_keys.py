# SPDX-License-Identifier: Apache-2.0
"""Keys of model files: what would change the result is implemented or refused by name, what nobody knows is named."""

import json
import pathlib
import shutil

import numpy as np
import pytest

IDS = "1 5 9 33 7 12 4 99 3 3 18 2 40 41"


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


def named(maker, name):
    return next(model for model in maker.MODELS if model.name == name)


def test_experts_fused_as_transformers_5_has_them(maker, logits, tmp_path):
    """One tensor for all experts, gate and up together: the same bits as a tensor for each."""
    model = named(maker, "qwen3moe")
    weights = maker.make_weights(model)
    maker.write_folder(tmp_path / "apart", model, weights)
    fused = {name: array for name, array in weights.items() if ".experts." not in name}
    for layer in range(model["num_hidden_layers"]):
        at = f"model.layers.{layer}.mlp.experts"
        parts = {part: [weights[f"{at}.{e}.{part}.weight"] for e in range(model["num_experts"]) if f"{at}.{e}.{part}.weight" in weights]
                 for part in ("gate_proj", "up_proj", "down_proj")}
        if parts["down_proj"]:
            fused[f"{at}.gate_up_proj"] = np.concatenate([np.stack(parts["gate_proj"]), np.stack(parts["up_proj"])], axis=1)
            fused[f"{at}.down_proj"] = np.stack(parts["down_proj"])
    maker.write_folder(tmp_path / "fused", model, fused)
    metadata, tensors = maker.gguf_metadata(model), maker.gguf_tensors(model, weights)
    stacked = {name: array for name, array in tensors.items() if "gate_exps" not in name and "up_exps" not in name}
    stacked |= {name.replace("gate_exps", "gate_up_exps"): np.concatenate([array, tensors[name.replace("gate_exps", "up_exps")]], axis=1)
                for name, array in tensors.items() if "gate_exps" in name}
    maker.write_gguf(tmp_path / "fused.gguf", metadata, stacked)
    wanted, _ = logits(tmp_path / "apart")
    for found in ("fused", "fused.gguf"):
        assert (logits(tmp_path / found)[0] == wanted).all(), found


def test_a_multimodal_wrapper_and_its_vision_tower(maker, logits, tmp_path):
    model = named(maker, "mistral-window")
    weights = maker.make_weights(model)
    maker.write_folder(tmp_path / "plain", model, weights)
    wanted, _ = logits(tmp_path / "plain")
    for spelling, prefix in (("old", "language_model.model."), ("new", "model.language_model.")):
        wrapped = {prefix + name.removeprefix("model."): array for name, array in weights.items()}
        wrapped["vision_tower.patch_conv.weight" if spelling == "old" else "model.vision_tower.patch_conv.weight"] = np.zeros((4, 4), np.float32)
        wrapped["multi_modal_projector.linear_1.weight"] = np.zeros((4, 4), np.float32)
        maker.write_folder(tmp_path / spelling, model, wrapped)
        inner = {key: value for key, value in model.config.items() if key != "tie_word_embeddings"}
        (tmp_path / spelling / "config.json").write_text(json.dumps(
            {"model_type": "mistral3", "text_config": inner, "vision_config": {}, "image_token_index": 10, "spatial_merge_size": 2}))
        found, message = logits(tmp_path / spelling)
        assert (found == wanted).all()
        assert message.count("warning:") == 1 and "2 tensors of images and sound are left out" in message, message


def test_an_output_matrix_that_is_not_the_embedding_it_is_said_to_be(maker, logits, tmp_path):
    """As transformers does it: the folder's own matrix is taken, unless both are equal."""
    model = maker.MODELS[0]  # not tied
    weights = maker.make_weights(model)
    maker.write_folder(tmp_path / "apart", model, weights)
    wanted, message = logits(tmp_path / "apart")
    assert "warning" not in message
    maker.write_folder(tmp_path / "said", model, weights)
    path = tmp_path / "said" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "tie_word_embeddings": True}))
    found, message = logits(tmp_path / "said")
    assert (found == wanted).all() and "lm_head.weight" in message
    maker.write_folder(tmp_path / "equal", model, {**weights, "lm_head.weight": weights["model.embed_tokens.weight"]})
    (tmp_path / "equal" / "config.json").write_text(path.read_text())
    assert "warning" not in logits(tmp_path / "equal")[1]


def test_mxfp4_of_both_containers(logits, tiny_models):
    """The same weights as blocks of MXFP4; floats differ by what the activations lose as 8-bit numbers."""
    folder, _ = logits(tiny_models / "gpt-oss-mxfp4")
    gguf, _ = logits(tiny_models / "gpt-oss-mxfp4.gguf")
    floats, _ = logits(tiny_models / "gpt-oss")
    assert (folder == gguf).all()
    difference = np.abs(folder - floats)
    assert difference.max() > 0 and difference.mean() < 0.1 * np.abs(floats).mean()


def test_queries_that_grow_and_yarn_that_is_not_cut(maker, logits, tmp_path):
    """Each of these keys changes the result, and both containers agree on it."""
    model = named(maker, "gpt-oss")
    weights = maker.make_weights(model)
    metadata, tensors = maker.gguf_metadata(model), maker.gguf_tensors(model, weights)
    for name, cut in (("plain", False), ("cut", True)):
        maker.write_folder(tmp_path / name, model, weights)
        path = tmp_path / name / "config.json"
        config = json.loads(path.read_text())
        config["rope_scaling"] |= {"truncate": cut, "original_max_position_embeddings": 400}  # where rounding shows
        path.write_text(json.dumps(config))
    metadata["gpt-oss.rope.scaling.original_context_length"] = 400
    ids = " ".join(str(3 + i * 7 % 250) for i in range(40))
    plain, cut = logits(tmp_path / "plain", ids)[0], logits(tmp_path / "cut", ids)[0]
    assert np.abs(plain - cut).max() > 1e-3
    maker.write_gguf(tmp_path / "plain.gguf", metadata, tensors)
    assert np.abs(logits(tmp_path / "plain.gguf", ids)[0] - plain).max() < 1e-4
    model = named(maker, "ministral3")
    weights = maker.make_weights(model)
    metadata, tensors = maker.gguf_metadata(model), maker.gguf_tensors(model, weights)
    maker.write_gguf(tmp_path / "warm.gguf", metadata, tensors)
    del metadata["mistral3.attention.temperature_scale"]
    maker.write_gguf(tmp_path / "cold.gguf", metadata, tensors)
    warm, cold = (logits(tmp_path / f"{name}.gguf", ids)[0].reshape(40, -1) for name in ("warm", "cold"))
    assert (warm[:16] == cold[:16]).all() and np.abs(warm[16:] - cold[16:]).max() > 1e-3
