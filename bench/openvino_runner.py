#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times one OpenVINO GenAI model as ``lazyllm bench`` times ours; run by bench/compare in the environment that has it.

    openvino_runner.py MODEL_DIR --prompt 512 --threads 2

prints one JSON object with the milliseconds from the prompt to the first token. Token ids are given as tensors, so that the model's tokenizer plays no part.
"""

import argparse
import json
import pathlib
import time

import numpy as np
import openvino
import openvino_genai


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--prompt", type=int, required=True)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    pipeline = openvino_genai.LLMPipeline(str(args.model), "CPU", INFERENCE_NUM_THREADS=args.threads)
    vocabulary = json.loads((args.model / "config.json").read_text())["vocab_size"]
    ids = np.random.default_rng(42).integers(0, vocabulary, (1, args.prompt), dtype=np.int64)
    config = openvino_genai.GenerationConfig(max_new_tokens=1, ignore_eos=True)

    def run(tokens: np.ndarray) -> float:
        inputs = openvino_genai.TokenizedInputs(openvino.Tensor(tokens), openvino.Tensor(np.ones_like(tokens)))
        start = time.perf_counter()
        pipeline.generate(inputs, config)
        return (time.perf_counter() - start) * 1e3

    run(ids[:, :64])  # warm-up
    print(json.dumps({"prompt_ms": run(ids), "version": openvino.__version__}))


if __name__ == "__main__":
    main()
