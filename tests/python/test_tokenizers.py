# SPDX-License-Identifier: Apache-2.0
"""Tokenizers of Hugging Face folders against the tokenizers package; tools/compare_tokenizers.py is the long form."""

import pathlib

import pytest

pytest.importorskip("tokenizers", reason="the package tokenizers (tests/python/requirements.txt) is absent")
import compare_tokenizers  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
STRINGS = 600


@pytest.mark.parametrize("name", compare_tokenizers.BUILDERS)
def test_the_same_tokens(name, build, tmp_path):
    driver = build / "token_lines"
    if not driver.exists():
        pytest.skip("token_lines is not built (target token_lines)")
    lines = [line for path in ("README.md", "docs/handbook.md", "docs/architecture.md") for line in (ROOT / path).read_text().splitlines(keepends=True)]
    tokenizer = compare_tokenizers.BUILDERS[name](lines)
    compare_tokenizers.write_folder(tmp_path, tokenizer)
    found = compare_tokenizers.differences(driver, tmp_path, tokenizer, compare_tokenizers.nasty_strings(STRINGS, seed=7))
    assert not found, f"{len(found)} of {STRINGS} strings differ: {found[:2]}"
