# SPDX-License-Identifier: Apache-2.0
"""lm-eval's clients for completions and for chats against the server, on tasks whose data lie beside them."""

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


def evaluate(root, folder: pathlib.Path, *arguments) -> dict:
    """What lm-eval found, by task."""
    command = [sys.executable, "-m", "lm_eval", "--include_path", root / "tests" / "lm_eval", "--output_path", folder / "results", "--log_samples", *arguments]
    result = subprocess.run(command, cwd=root / "tests" / "lm_eval", capture_output=True, text=True, timeout=300, check=False,
                            env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "home")})
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    return json.loads(next((folder / "results").rglob("results_*.json")).read_text())["results"]


def test_local_completions(program, smollm2, root, tmp_path):
    write_tokenizer(smollm2, tmp_path / "tokenizer")
    with ServeProcess(program.path, "-m", smollm2, "--alias", "small") as server:
        results = evaluate(root, tmp_path, "--model", "local-completions", "--tasks", "counting,choosing", "--model_args",
                           f"model=small,base_url={server.url}/v1/completions,num_concurrent=1,max_retries=1,tokenizer={tmp_path / 'tokenizer'},"
                           "tokenizer_backend=huggingface,tokenized_requests=False")
    assert results["counting"]["exact_match,none"] > 0.0  # a small model counts some of the rows
    assert results["choosing"]["acc,none"] >= 0.5


def test_local_chat_completions(program, smollm2, root, tmp_path):
    with ServeProcess(program.path, "-m", smollm2, "--alias", "small") as server:
        results = evaluate(root, tmp_path, "--model", "local-chat-completions", "--tasks", "counting", "--apply_chat_template", "--model_args",
                           f"model=small,base_url={server.url}/v1/chat/completions,num_concurrent=1,max_retries=1")
        answered = server.metric("requests_total")
    assert 0.0 <= results["counting"]["exact_match,none"] <= 1.0 and answered >= len((root / "tests" / "lm_eval" / "counting.jsonl").read_text().splitlines())
