# SPDX-License-Identifier: Apache-2.0
"""Logits and greedy text against Hugging Face transformers in float32 (tests/golden/README.md)."""

import pathlib
import struct

import numpy as np
import pytest

GOLDEN = sorted((pathlib.Path(__file__).resolve().parents[1] / "golden").glob("logits_*.bin"))
TOLERANCE = 1e-3


class Golden:
    """One logits_*.bin file."""

    def __init__(self, path: pathlib.Path):
        raw = path.read_bytes()
        magic, version, n_prompt, n_positions, self.vocab, n_greedy = struct.unpack_from("<4s5i", raw)
        assert magic == b"LZLG" and version == 1
        self.offset = struct.calcsize("<4s5i")
        self.raw = raw
        self.prompt = self._take(np.int32, n_prompt)
        self.positions = self._take(np.int32, n_positions)
        self.logits = self._take(np.float32, n_positions * self.vocab).reshape(n_positions, self.vocab)
        self.greedy = self._take(np.int32, n_greedy)

    def _take(self, kind, count):
        values = np.frombuffer(self.raw, kind, count, self.offset)
        self.offset += values.nbytes
        return values


def locate(name: str, request) -> list[pathlib.Path]:
    """The model's files: tiny ones as folder and as GGUF, trained ones from the data folder."""
    base = name.removesuffix("-once")
    if base == "stories260K":
        return [request.getfixturevalue("data") / "models" / "stories260K.gguf"]
    if base == "TinyStories-656K":
        return [request.getfixturevalue("data") / "models" / "TinyStories-656K"]
    folder = request.getfixturevalue("tiny_models")
    return [folder / base, folder / f"{base}.gguf"]


@pytest.mark.parametrize("golden_path", GOLDEN, ids=lambda path: path.stem)
def test_logits_and_greedy_text(golden_path, request, program, tmp_path):
    golden = Golden(golden_path)
    ids = tmp_path / "ids.txt"
    ids.write_text(" ".join(map(str, golden.prompt)))
    for model in locate(golden_path.stem.removeprefix("logits_"), request):
        out = tmp_path / "logits.bin"
        greedy = program.ok("logits", "-m", model, "--ids", ids, "-o", out, "--greedy", len(golden.greedy),
                            "--cache-type-k", "f32", "--cache-type-v", "f32")
        n, vocab = np.fromfile(out, np.int32, 2)
        logits = np.fromfile(out, np.float32, offset=8).reshape(n, vocab)
        assert n == len(golden.prompt) and vocab == golden.vocab
        difference = np.abs(logits[golden.positions] - golden.logits).max()
        assert difference <= TOLERANCE, f"{model}: logits differ by up to {difference}"
        assert greedy.split() == [str(token) for token in golden.greedy], model


def test_split_and_sharded_files_are_the_same_model(program, tiny_models, tmp_path):
    ids = tmp_path / "ids.txt"
    ids.write_text("1 2 3 4 5 6 7 8")
    results = []
    parts = sorted(tiny_models.glob("*-00001-of-*.gguf"))
    sharded = [path for path in tiny_models.iterdir() if (path / "model.safetensors.index.json").exists()]
    assert parts and sharded
    for model in [tiny_models / "llama-gqa.gguf", parts[0], tiny_models / "llama-gqa", sharded[0]]:
        out = tmp_path / "logits.bin"
        program.ok("logits", "-m", model, "--ids", ids, "-o", out, "--cache-type-k", "f32", "--cache-type-v", "f32")
        results.append(np.fromfile(out, np.float32, offset=8))
    assert (results[0] == results[1]).all()
    assert (results[2] == results[3]).all()
    assert np.abs(results[0] - results[2]).max() < TOLERANCE
