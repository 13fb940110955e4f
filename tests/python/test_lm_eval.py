# SPDX-License-Identifier: Apache-2.0
"""lm-eval's client for completions against the server, on tasks whose data lie beside them. Needs the packages lm-eval[api] and gguf,
which bring much with them and are therefore not among the tests' requirements."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from serving import ServeProcess

pytest.importorskip("lm_eval")
gguf = pytest.importorskip("gguf")
tokenizers = pytest.importorskip("tokenizers")


def write_tokenizer(model: pathlib.Path, folder: pathlib.Path):
    """The model's tokenizer as a folder of Hugging Face: lm-eval counts the tokens of a question by it before it reads the server's log-probabilities."""
    fields = gguf.GGUFReader(model).fields
    tokens, merges = (fields[f"tokenizer.ggml.{name}"].contents() for name in ("tokens", "merges"))
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE({token: i for i, token in enumerate(tokens)}, [tuple(merge.split(" ")) for merge in merges]))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Sequence([tokenizers.pre_tokenizers.Digits(individual_digits=True),
                                                                  tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|im_end|>"}))


def test_local_completions(program, smollm2, root, tmp_path):
    write_tokenizer(smollm2, tmp_path / "tokenizer")
    with ServeProcess(program.path, "-m", smollm2, "--alias", "small") as server:
        arguments = [sys.executable, "-m", "lm_eval", "--model", "local-completions", "--tasks", "counting,choosing",
                     "--include_path", root / "tests" / "lm_eval", "--output_path", tmp_path / "results", "--log_samples", "--model_args",
                     f"model=small,base_url={server.url}/v1/completions,num_concurrent=1,max_retries=1,tokenizer={tmp_path / 'tokenizer'},tokenizer_backend=huggingface,tokenized_requests=False"]
        result = subprocess.run(arguments, cwd=root / "tests" / "lm_eval", capture_output=True, text=True, timeout=300, check=False,
                                env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")})
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    results = json.loads(next((tmp_path / "results").rglob("results_*.json")).read_text())["results"]
    assert results["counting"]["exact_match,none"] > 0.0  # a small model counts some of the rows
    assert results["choosing"]["acc,none"] >= 0.5
