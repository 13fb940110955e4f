#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tokenizers of Hugging Face folders against the `tokenizers` package, on random and nasty strings.

    tools/compare_tokenizers.py --driver build/release/token_lines --text FILE [--strings 10000] [--seed 1] [--only NAME...]

trains small tokenizers on the text, each with another normalizer, pre-tokenizer, model or kind of added tokens, writes each as a folder, and
compares token by token. Prints for each how many strings differ, and the first few. Ends with 1 if any does.
"""

from __future__ import annotations

import argparse
import json
import random
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Callable
from unicodedata import ucd_3_2_0

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

GPT4_LIKE = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,2}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s*[\r\n]|\s+(?!\S)|\s+"
HAN_APART = r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}&&[^\p{Han}]]+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
WORDS_AND_REST = r"\w+|\s+|[^\w\s]+"


def split(pattern: str | Regex, behavior: str, invert: bool = False) -> pre_tokenizers.PreTokenizer:
    """One cut."""
    return pre_tokenizers.Split(pattern, behavior, invert)


def byte_level(*before: pre_tokenizers.PreTokenizer, prefix: bool = False, regex: bool = False) -> pre_tokenizers.PreTokenizer:
    """What is done before the bytes are spelled, then that."""
    return pre_tokenizers.Sequence([*before, pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=regex)])


def bpe(vocabulary: int, normalizer: normalizers.Normalizer | None, pre: pre_tokenizers.PreTokenizer, **model: object) -> Callable[[list[str]], Tokenizer]:
    """A byte-level BPE, still to be trained."""
    def train(lines: list[str]) -> Tokenizer:
        tokenizer = Tokenizer(models.BPE(**model))
        if normalizer is not None:
            tokenizer.normalizer = normalizer
        tokenizer.pre_tokenizer = pre
        tokenizer.decoder = decoders.ByteLevel()
        tokenizer.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=vocabulary, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                                                 special_tokens=["<|end|>"], show_progress=False))
        return tokenizer
    return train


def spaced(vocabulary: int, normalizer: normalizers.Normalizer | None, pre: pre_tokenizers.PreTokenizer | None, byte_fallback: bool = True,
           fuse: bool = True) -> Callable[[list[str]], Tokenizer]:
    """A BPE over characters with U+2581 for spaces, as SentencePiece's are written."""
    def train(lines: list[str]) -> Tokenizer:
        tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=fuse, byte_fallback=byte_fallback))
        if normalizer is not None:
            tokenizer.normalizer = normalizer
        if pre is not None:
            tokenizer.pre_tokenizer = pre
        special = ["<unk>", "<s>", "</s>"] + ([f"<0x{byte:02X}>" for byte in range(256)] if byte_fallback else [])
        tokenizer.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=special, limit_alphabet=200, show_progress=False))
        if byte_fallback:  # the trainer marks its bytes as special, real files do not
            content = json.loads(tokenizer.to_str())
            content["added_tokens"] = [token for token in content["added_tokens"] if not token["content"].startswith("<0x")]
            tokenizer = Tokenizer.from_str(json.dumps(content))
        return tokenizer
    return train


def with_added(train: Callable[[list[str]], Tokenizer], *tokens: AddedToken) -> Callable[[list[str]], Tokenizer]:
    """The same with further tokens."""
    def build(lines: list[str]) -> Tokenizer:
        tokenizer = train(lines)
        for token in tokens:
            (tokenizer.add_special_tokens if token.special else tokenizer.add_tokens)([token])
        return tokenizer
    return build


MARKED = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
BUILDERS: dict[str, Callable[[list[str]], Tokenizer]] = {
    "gpt2": bpe(600, None, pre_tokenizers.ByteLevel(add_prefix_space=False)),
    "gpt2-prefix": bpe(600, None, pre_tokenizers.ByteLevel(add_prefix_space=True)),
    "nfc-gpt4": bpe(600, normalizers.NFC(), byte_level(split(Regex(GPT4_LIKE), "isolated"))),
    "han-apart": bpe(600, None, byte_level(split(Regex(HAN_APART), "isolated"))),
    "ignore-merges": bpe(600, None, byte_level(split(Regex(GPT4_LIKE), "isolated")), ignore_merges=True),
    "removed-inverse": bpe(600, None, byte_level(split(Regex(GPT4_LIKE), "removed", invert=True))),
    "words-left": bpe(600, None, byte_level(split(Regex(r"\w+"), "removed", invert=True))),
    "lines-previous": bpe(600, None, byte_level(split("\n", "merged_with_previous"), split(Regex(WORDS_AND_REST), "isolated"))),
    "spaces-next": bpe(600, None, byte_level(split(" ", "merged_with_next"), split(Regex(r"\p{N}"), "isolated"))),
    "contiguous": bpe(600, None, byte_level(split(Regex(r"\p{P}"), "contiguous"), pre_tokenizers.Digits(individual_digits=True))),
    "line-ends": bpe(600, None, byte_level(split(Regex(r"\s+$"), "isolated"), split(Regex(r"\b"), "isolated"), split(Regex(r"^a"), "isolated"))),
    "lowercase-nfkc": bpe(600, normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase(), normalizers.Strip()]),
                          pre_tokenizers.ByteLevel(add_prefix_space=False)),
    "no-accents": bpe(600, normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(), normalizers.Replace("ss", "z")]),
                      pre_tokenizers.ByteLevel(add_prefix_space=False)),
    "punctuation": bpe(600, None, byte_level(pre_tokenizers.Punctuation("isolated"), regex=True)),
    "white-space": bpe(600, None, byte_level(pre_tokenizers.WhitespaceSplit())),
    "metaspace-always": spaced(700, None, pre_tokenizers.Metaspace(prepend_scheme="always", split=True)),
    "metaspace-first": spaced(700, None, pre_tokenizers.Metaspace(prepend_scheme="first", split=False)),
    "metaspace-never": spaced(700, None, pre_tokenizers.Metaspace(prepend_scheme="never", split=True)),
    "metaspace-unknown": spaced(500, None, pre_tokenizers.Metaspace(prepend_scheme="always", split=True), byte_fallback=False),
    "unknown-apart": spaced(500, None, pre_tokenizers.Metaspace(prepend_scheme="always", split=True), byte_fallback=False, fuse=False),
    "llama-like": spaced(700, MARKED, None),
    "gemma-like": spaced(700, normalizers.Replace(" ", "\u2581"), split(" ", "merged_with_previous")),
    "nfkc-metaspace": spaced(700, normalizers.NFKC(), pre_tokenizers.Metaspace(prepend_scheme="always", split=True)),
}
BUILDERS["added"] = with_added(BUILDERS["nfc-gpt4"], AddedToken("<|im_start|>", special=True, normalized=False), AddedToken("<tool>", lstrip=True, normalized=False),
                               AddedToken("</tool>", rstrip=True, normalized=False), AddedToken("word", single_word=True, normalized=False),
                               AddedToken("  ", normalized=False), AddedToken("caf\u00e9", normalized=True))
BUILDERS["added-spaced"] = with_added(BUILDERS["metaspace-first"], AddedToken("<|im_start|>", special=True, normalized=False),
                                      AddedToken("<tool>", lstrip=True, rstrip=True, normalized=False), AddedToken("word", single_word=True, normalized=False))
BUILDERS["added-lower"] = with_added(BUILDERS["lowercase-nfkc"], AddedToken("HELLO", normalized=True), AddedToken("<|im_start|>", special=True, normalized=False))

PIECES = ["'s", "'LL", "'ve", "don't", "it's ", " ", "  ", "   ", "\n", "\r\n", "\n\n", "\t", " \n ", "\u00a0", "\u2003", "\u3000", "\u200b", "\u200d", "\u180e", "\u0085",
          "\u2581", "\u2581\u2581", "0", "12", "345", "67890", "\u0663\u0664", "\u00bd", "\u2167", "\u00b2", "a", "The", "WORD", "word", "words", "_word", "camelCase",
          "caf\u00e9", "cafe\u0301", "\u00c5", "A\u030a", "\u212b", "\ufb01", "\u00df", "\u1e9e", "\u0130", "\u0131", "\u03a3\u03c2", "\ud55c\uad6d", "\u1112\u1161\u11ab", "\u4e2d\u6587",
          "\u4e2d", "\u3042\u30ab", "\u0e44\u0e17\u0e22", "\u0939\u093f\u0928\u094d\u0926\u0940", "\u0639\u0631\u0628\u064a", "\u05e2\u05d1\u05e8\u05d9\u05ea", "\U0001f600", "\U0001f468\u200d\U0001f469\u200d\U0001f467",
          "\U0001f1e9\U0001f1ea", "\ufe0f", "\u0301", "\u0300\u0301\u0327", "!", "?!", "...", "--", "->", "==", "\u2014", "\u201cq\u201d", "$", "\u20ac", "^", "`", "~", "|", "<", ">", "\\", "/", "\"",
          "\x00", "\x01", "\x7f", "\x1b[0m", "\ufeff", "\ufffd", "\ue000", "\U0010ffff", "\U00020000", "<s>", "</s>", "<unk>", "<|end|>", "<|im_start|>", "<|im_", "<tool>",
          "</tool>", "<0x41>", "HELLO", "hello", "HeLLo", "ss", "sss", "\u017f", "\u212a", "x" * 40, "-" * 30, " " * 20, "\n" * 10]
BLOCKS = [(0x20, 0x7E), (0xA0, 0x24F), (0x300, 0x36F), (0x370, 0x52F), (0x590, 0x6FF), (0x900, 0xDFF), (0x1100, 0x11FF), (0x1E00, 0x206F), (0x2070, 0x2BFF),
          (0x3000, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xF900, 0xFFFD), (0x10000, 0x1F9FF), (0x20000, 0x2A6DF)]


# Where single characters differ or were not compared yet: not in the tests.
MORE = {name: BUILDERS.pop(name) for name in ("words-left", "line-ends", "nfkc-metaspace", "added", "added-spaced", "added-lower")}


def nasty_strings(count: int, seed: int) -> list[str]:
    """Pieces put together at random, and random characters of many blocks between them."""
    source = random.Random(seed)
    strings = ["", " ", *PIECES]
    while len(strings) < count:
        parts = []
        for _ in range(source.randint(1, 14)):
            if source.random() < 0.75:
                parts.append(source.choice(PIECES))
            else:
                first, last = source.choice(BLOCKS)
                # Later characters have properties in one version of Unicode and none in another.
                known = [c for c in (chr(source.randint(first, last)) for _ in range(6)) if ucd_3_2_0.category(c) != "Cn"]
                parts.append("".join(known))
        strings.append("".join(parts))
    return strings[:count]


def write_folder(folder: Path, tokenizer: Tokenizer) -> None:
    """A model of two values per token around the tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = max(tokenizer.get_vocab().values()) + 1
    config = {"model_type": "llama", "hidden_size": 2, "intermediate_size": 2, "num_hidden_layers": 1, "num_attention_heads": 1,
              "max_position_embeddings": 64, "vocab_size": rows, "tie_word_embeddings": True}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text(tokenizer.to_str())
    header = json.dumps({"model.embed_tokens.weight": {"dtype": "F32", "shape": [rows, 2], "data_offsets": [0, rows * 8]}}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(rows * 8))


def differences(driver: Path, folder: Path, tokenizer: Tokenizer, strings: list[str]) -> list[tuple[str, list[int], list[int]]]:
    """The strings that are cut otherwise, with our tokens and theirs."""
    if "\u2581" in tokenizer.get_vocab():
        strings = [text for text in strings if "\u2581" not in text]  # which lazyllm keeps apart from the spaces it marks
    lines = "".join(json.dumps(text) + "\n" for text in strings)
    done = subprocess.run([driver, folder], input=lines.encode(), capture_output=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.decode())
    ours = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(ours) == len(strings)
    theirs = [encoding.ids for encoding in tokenizer.encode_batch(strings, add_special_tokens=False)]
    return [(text, a, b) for text, a, b in zip(strings, ours, theirs) if a != b]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--driver", type=Path, required=True, help="the program token_lines of a build folder")
    parser.add_argument("--text", type=Path, required=True, help="what the tokenizers are trained on")
    parser.add_argument("--strings", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=[*BUILDERS, *MORE], help="names of tokenizers")
    args = parser.parse_args()
    lines = args.text.read_text(encoding="utf-8").splitlines(keepends=True)[:5000]
    strings, failed = nasty_strings(args.strings, args.seed), False
    for name in args.only:
        tokenizer = {**BUILDERS, **MORE}[name](lines)
        with tempfile.TemporaryDirectory() as folder:
            write_folder(Path(folder), tokenizer)
            try:
                found = differences(args.driver, Path(folder), tokenizer, strings)
            except RuntimeError as error:
                print(f"{name}: {error}".strip())
                failed = True
                continue
        print(f"{name}: {len(strings)} strings, {len(found)} differ")
        for text, ours, theirs in found[:3]:
            print(f"    {text!r}\n      ours   {[tokenizer.id_to_token(i) for i in ours]}\n      theirs {[tokenizer.id_to_token(i) for i in theirs]}")
        failed = failed or bool(found)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
