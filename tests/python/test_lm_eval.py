# SPDX-License-Identifier: Apache-2.0
"""lm-eval's client for completions against the server, on tasks whose data lie beside them. Needs the package lm-eval[api],
which brings much with it and is therefore not among the tests' requirements."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from serving import ServeProcess

pytest.importorskip("lm_eval")


def test_local_completions(program, smollm2, root, tmp_path):
    with ServeProcess(program.path, "-m", smollm2, "--alias", "small") as server:
        arguments = [sys.executable, "-m", "lm_eval", "--model", "local-completions", "--tasks", "counting,choosing",
                     "--include_path", root / "tests" / "lm_eval", "--output_path", tmp_path, "--log_samples", "--model_args",
                     f"model=small,base_url={server.url}/v1/completions,num_concurrent=1,max_retries=1,tokenizer_backend=none,tokenized_requests=False"]
        result = subprocess.run(arguments, cwd=root / "tests" / "lm_eval", capture_output=True, text=True, timeout=300, check=False,
                                env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")})
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    results = json.loads(next(pathlib.Path(tmp_path).rglob("results_*.json")).read_text())["results"]
    assert results["counting"]["exact_match,none"] >= 0.5
    assert results["choosing"]["acc,none"] >= 0.5
