# SPDX-License-Identifier: Apache-2.0
"""Tokenizers of Hugging Face folders against the tokenizers package; tools/compare_tokenizers.py is the long form."""

import importlib.util
import pathlib
import sys

import pytest

pytest.importorskip("tokenizers", reason="the package tokenizers (tests/python/requirements.txt) is absent")
ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = ROOT / "tools" / "compare_tokenizers.py"
STRINGS = 600


def load_tool():
    specification = importlib.util.spec_from_file_location("compare_tokenizers", TOOL)
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    specification.loader.exec_module(module)
    return module


TOOL_MODULE = load_tool()


@pytest.mark.parametrize("name", TOOL_MODULE.BUILDERS)
def test_the_same_tokens(name, build, tmp_path):
    driver = build / "token_lines"
    if not driver.exists():
        pytest.skip("token_lines is not built (target token_lines)")
    lines = [line for path in ("README.md", "docs/handbook.md", "docs/architecture.md") for line in (ROOT / path).read_text().splitlines(keepends=True)]
    tokenizer = TOOL_MODULE.BUILDERS[name](lines)
    TOOL_MODULE.write_folder(tmp_path, tokenizer)
    found = TOOL_MODULE.differences(driver, tmp_path, tokenizer, TOOL_MODULE.nasty_strings(STRINGS, seed=7))
    assert not found, f"{len(found)} of {STRINGS} strings differ: {found[:2]}"
