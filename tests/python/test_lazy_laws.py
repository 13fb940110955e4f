# SPDX-License-Identifier: Apache-2.0
"""The laws of laziness on every tiny model, from both containers."""

import pathlib
import subprocess

import pytest

NAMES = sorted({line.split()[1].split("/")[0].removesuffix(".gguf") for line in
                (pathlib.Path(__file__).resolve().parents[1] / "golden" / "tiny_models.sha256").read_text().splitlines()})
MODELS = [name for name in NAMES if "-0000" not in name and "sharded" not in name]


@pytest.mark.parametrize("name", MODELS)
def test_the_laws_hold(name, build, tiny_models):
    for model in (tiny_models / name, tiny_models / f"{name}.gguf"):
        result = subprocess.run([build / "lazy_laws", model], capture_output=True, text=True, timeout=120, check=False)
        assert result.returncode == 0 and result.stdout == "all laws hold\n", (model, result.stderr)
