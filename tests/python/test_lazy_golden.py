# SPDX-License-Identifier: Apache-2.0
"""The lazy step against the independent NumPy model of the paper's algorithm."""

import json
import pathlib
import subprocess

import pytest

GOLDEN = sorted((pathlib.Path(__file__).resolve().parents[1] / "golden").glob("lazy_*.json"))


@pytest.mark.parametrize("container", ["folder", "gguf"])
@pytest.mark.parametrize("scenario", GOLDEN, ids=lambda path: path.stem)
def test_step_follows_the_reference(scenario, container, build, tiny_models):
    content = json.loads(scenario.read_text())
    name = content["model"]
    model = tiny_models / (name if container == "folder" else f"{name}.gguf")
    result = subprocess.run([build / "lazy_replay", model, scenario], capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr[:4000]
    assert int(result.stdout.split()[0]) == len(content["steps"]) > 0
