#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden logits and greedy continuations from Hugging Face transformers in float32: ``tests/golden/logits_<model>.bin``.

    tools/make_logits_golden.py --out tests/golden [--data ../shared/data/models]

For every model of ``make_tiny_models.py``, and with ``--data`` for the trained ``stories260K.gguf`` (converted to Hugging Face
weights here) and ``TinyStories-656K``. Needs torch, transformers and (for the GGUF) gguf. The format is described in
``tests/golden/README.md``. Random models get the first prompt whose greedy continuation never has two nearly equal top
logits and does not repeat itself much.
"""

from __future__ import annotations

import argparse
import struct
import sys
import tempfile
from pathlib import Path
from typing import Callable

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedModel

from make_tiny_models import write_all
from tiny_models import MODELS, uniform

PROMPT_TOKENS = 40
GREEDY_TOKENS = 32
POSITIONS = [0, 1, 9, 20, 31, 39]
MARGIN = 0.02
VARIETY = 10
STORY = ("Once upon a time, there was a little girl named Lily. She loved to play outside in the park. "
         "One day, she saw a big, red ball. She wanted to play with it, but it was too high.")


def log(message: str) -> None:
    """Progress goes to stderr."""
    print(message, file=sys.stderr, flush=True)


@torch.no_grad()
def prompt_logits(model: PreTrainedModel, prompt: list[int]) -> np.ndarray:
    """Logits at all positions of one forward pass without a cache."""
    return model(torch.tensor([prompt]), use_cache=False).logits[0].float().numpy()


@torch.no_grad()
def greedy(model: PreTrainedModel, prompt: list[int], count: int, least: float = -1.0) -> tuple[list[int], list[float]]:
    """Greedy tokens, and the distance between the two highest logits at each; the whole sequence is recomputed at each
    step, so that no cache implementation (windows!) is trusted. Ends early at a distance of `least` or below."""
    ids, margins = list(prompt), []
    for _ in range(count):
        last = model(torch.tensor([ids]), use_cache=False).logits[0, -1]
        top = torch.topk(last, 2)
        ids.append(int(top.indices[0]))
        margins.append(float(top.values[0] - top.values[1]))
        if margins[-1] <= least:
            break
    return ids[len(prompt):], margins


def write(path: Path, prompt: list[int], positions: list[int], logits: np.ndarray, tokens: list[int], margins: list[float]) -> None:
    """See tests/golden/README.md."""
    with path.open("wb") as file:
        file.write(struct.pack("<4s5i", b"LZLG", 1, len(prompt), len(positions), logits.shape[1], len(tokens)))
        file.write(np.array(prompt, dtype="<i4").tobytes() + np.array(positions, dtype="<i4").tobytes())
        file.write(logits[positions].astype("<f4").tobytes())
        file.write(np.array(tokens, dtype="<i4").tobytes() + np.array(margins, dtype="<f4").tobytes())
    log(f"{path.name}: {path.stat().st_size} bytes, smallest greedy margin {min(margins):.4f}, {len(set(tokens))} different tokens")


def golden(path: Path, model: PreTrainedModel, prompt: list[int], positions: list[int], count: int) -> None:
    """One file, from one model and prompt."""
    write(path, prompt, positions, prompt_logits(model, prompt), *greedy(model, prompt, count))


def random_prompt(seed: int, vocab: int) -> list[int]:
    """Ids above the special ones, from the same integer hash as the weights."""
    return [3 + int((float(x) + 1) / 2 * (vocab - 3)) for x in uniform(1000 + seed, (PROMPT_TOKENS,))]


def tiny_models(out: Path, only: list[str], count: int) -> None:
    """Every random model, or the named ones, from its Hugging Face folder."""
    with tempfile.TemporaryDirectory() as folder:
        write_all(Path(folder))
        for spec in MODELS:
            if only and spec.name not in only:
                continue
            model = AutoModelForCausalLM.from_pretrained(Path(folder, spec.name), dtype=torch.float32, attn_implementation="eager").eval()
            best: tuple[int, list[int]] = (-1, [])
            for seed in range(400):
                prompt = random_prompt(seed, spec["vocab_size"])
                tokens, margins = greedy(model, prompt, count, MARGIN)
                if min(margins) > MARGIN:
                    best = max(best, (len(set(tokens)), prompt), key=lambda entry: entry[0])
                if best[0] >= min(VARIETY, count // 2):
                    break
            golden(out / f"logits_{spec.name}.bin", model, best[1], POSITIONS, count)


def load_llama_gguf(path: Path) -> PreTrainedModel:
    """A plain F32 ``llama`` GGUF as a transformers model: names mapped back, q and k rows permuted back."""
    import gguf

    reader = gguf.GGUFReader(str(path))

    def meta(key: str, default: object = None) -> object:
        field = reader.get_field(f"llama.{key}")
        return default if field is None else field.contents()

    tensors = {t.name: torch.from_numpy(gguf.dequantize(t.data, t.tensor_type).copy()) for t in reader.tensors}
    heads, kv_heads = int(meta("attention.head_count")), int(meta("attention.head_count_kv"))  # type: ignore[call-overload]
    vocab, width = tensors["token_embd.weight"].shape
    config = LlamaConfig(
        vocab_size=vocab, hidden_size=width, intermediate_size=int(meta("feed_forward_length")),  # type: ignore[call-overload]
        num_hidden_layers=int(meta("block_count")), num_attention_heads=heads, num_key_value_heads=kv_heads,  # type: ignore[call-overload]
        max_position_embeddings=int(meta("context_length")), rms_norm_eps=float(meta("attention.layer_norm_rms_epsilon")),  # type: ignore
        rope_theta=float(meta("rope.freq_base", 10000.0)), tie_word_embeddings=False)  # type: ignore[arg-type]

    def halves(rows: torch.Tensor, count: int) -> torch.Tensor:
        return rows.reshape(count, rows.shape[0] // count // 2, 2, -1).transpose(1, 2).reshape(rows.shape)

    state = {"model.embed_tokens.weight": tensors["token_embd.weight"], "model.norm.weight": tensors["output_norm.weight"],
             "lm_head.weight": tensors.get("output.weight", tensors["token_embd.weight"])}
    for i in range(config.num_hidden_layers):
        a, b = f"model.layers.{i}.", f"blk.{i}."
        state |= {
            a + "input_layernorm.weight": tensors[b + "attn_norm.weight"],
            a + "post_attention_layernorm.weight": tensors[b + "ffn_norm.weight"],
            a + "self_attn.q_proj.weight": halves(tensors[b + "attn_q.weight"], heads),
            a + "self_attn.k_proj.weight": halves(tensors[b + "attn_k.weight"], kv_heads),
            a + "self_attn.v_proj.weight": tensors[b + "attn_v.weight"],
            a + "self_attn.o_proj.weight": tensors[b + "attn_output.weight"],
            a + "mlp.gate_proj.weight": tensors[b + "ffn_gate.weight"],
            a + "mlp.up_proj.weight": tensors[b + "ffn_up.weight"],
            a + "mlp.down_proj.weight": tensors[b + "ffn_down.weight"],
        }
    model = LlamaForCausalLM(config).float().eval()
    model.load_state_dict(state, strict=True)
    return model


def sentencepiece(path: Path) -> tuple[list[str], Callable[[str], list[int]]]:
    """The pieces of an SPM vocabulary in a GGUF, and its encoder (BOS in front): merge the neighbours whose union scores highest."""
    import gguf

    reader = gguf.GGUFReader(str(path))
    pieces: list[str] = reader.get_field("tokenizer.ggml.tokens").contents()  # type: ignore[union-attr]
    scores: list[float] = reader.get_field("tokenizer.ggml.scores").contents()  # type: ignore[union-attr]
    ids = {piece: i for i, piece in enumerate(pieces)}

    def encode(text: str) -> list[int]:
        parts = list("\u2581" + text.replace(" ", "\u2581"))
        while pairs := [(scores[ids[a + b]], -i) for i, (a, b) in enumerate(zip(parts, parts[1:])) if a + b in ids]:
            at = -max(pairs)[1]
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        return [1] + [ids[part] for part in parts]

    return pieces, encode


def trained_models(out: Path, data: Path) -> None:
    """stories260K (GGUF) and TinyStories-656K (Hugging Face folder)."""
    folder = data / "TinyStories-656K"
    small = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    stories = load_llama_gguf(data / "stories260K.gguf")
    pieces, encode_stories = sentencepiece(data / "stories260K.gguf")
    for name, model, encode, decode in (
        ("stories260K", stories, encode_stories, lambda ids: "".join(pieces[i] for i in ids).replace("\u2581", " ")),
        ("TinyStories-656K", small, lambda text: tokenizer(text)["input_ids"], tokenizer.decode),
    ):
        prompt, short = encode(STORY), encode("Once upon a time")
        if len(prompt) < PROMPT_TOKENS:
            prompt += greedy(model, prompt, PROMPT_TOKENS - len(prompt))[0]
        golden(out / f"logits_{name}.bin", model, prompt, [0, 1, 9, 20, 31, len(prompt) - 1], GREEDY_TOKENS)
        golden(out / f"logits_{name}-once.bin", model, short, [len(short) - 1], 96)
        log(f"{name}: {short}: {decode(short + greedy(model, short, 96)[0])!r}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--data", type=Path, help="folder with stories260K.gguf and TinyStories-656K/")
    parser.add_argument("--only", nargs="*", default=[], help="names of tiny models; none: all")
    parser.add_argument("--tokens", type=int, default=GREEDY_TOKENS, help="length of the greedy continuation of a tiny model")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(2)
    if args.data is not None:
        trained_models(args.out, args.data)
    tiny_models(args.out, args.only, args.tokens)


if __name__ == "__main__":
    main()
