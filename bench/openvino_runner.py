#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times one OpenVINO model as ``lazyllm bench`` times ours; run by bench/compare in the environment that has OpenVINO GenAI.

    openvino_runner.py MODEL_DIR --prompt 512 --generate 16 --threads 2

prints one JSON object: milliseconds of the prompt (to the first token) and of each further token. Token ids are given as tensors, so that the model
needs no tokenizer.
"""

import argparse
import json
import pathlib
import time

import numpy as np
import openvino


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--prompt", type=int, required=True)
    parser.add_argument("--generate", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    core = openvino.Core()
    compiled = core.compile_model(args.model / "openvino_model.xml", "CPU", {"INFERENCE_NUM_THREADS": args.threads, "PERFORMANCE_HINT": "LATENCY"})
    names = {name for port in compiled.inputs for name in port.names}
    vocabulary = json.loads((args.model / "config.json").read_text())["vocab_size"]
    ids = np.random.default_rng(42).integers(0, vocabulary, (1, args.prompt), dtype=np.int64)

    def run(request: openvino.InferRequest, tokens: np.ndarray, held: int) -> int:
        inputs = {"input_ids": tokens, "attention_mask": np.ones((1, held + tokens.shape[1]), np.int64),
                  "position_ids": np.arange(held, held + tokens.shape[1], dtype=np.int64)[None], "beam_idx": np.zeros(1, np.int32)}
        request.infer({name: value for name, value in inputs.items() if name in names})
        return int(request.get_output_tensor(0).data[0, -1].argmax())

    request = compiled.create_infer_request()
    run(request, ids[:, :64], 0)  # warm-up
    request.reset_state()
    start = time.perf_counter()
    token = run(request, ids, 0)
    prompt_ms = (time.perf_counter() - start) * 1e3
    start = time.perf_counter()
    for i in range(args.generate):
        token = run(request, np.array([[token]], np.int64), args.prompt + i)
    each_ms = (time.perf_counter() - start) * 1e3 / max(args.generate, 1)
    print(json.dumps({"prompt_ms": prompt_ms, "token_ms": each_ms if args.generate else None, "version": openvino.__version__}))


if __name__ == "__main__":
    main()
