# SPDX-License-Identifier: Apache-2.0
"""Holds the includes against the order of the layers: a folder uses only those below it."""

import re

BELOW = {
    "base": set(),
    "documents": {"base"},
    "library": {"base"},
    "formats": {"base"},
    "jinja": {"base"},
    "text": {"base", "jinja"},
    "grammar": {"base", "text"},
    "kernels": {"base"},
    "distributed": {"base", "formats", "kernels"},
    "model": {"base", "formats", "kernels"},
    "lazy": {"base", "formats", "kernels", "model"},
    "engine": {"base", "formats", "text", "grammar", "kernels", "distributed", "model", "lazy"},
    "evaluation": {"base", "jinja", "text", "engine"},
    "tuning": {"base", "engine", "evaluation"},
    "server": {"base", "text"},
    "store": {"base"},
    "c_api": set(),
}


def test_folders_use_only_those_below(root):
    seen = 0
    for file in sorted((root / "src").rglob("*")):
        if file.suffix not in {".h", ".cpp", ".inc"}:
            continue
        layer = file.relative_to(root / "src").parts[0]
        for used, header in re.findall(r'^#include "(\w+)/([^"]+)"', file.read_text(), re.MULTILINE):
            if used == "lazyllm" or used == layer:
                continue
            if file.name.endswith("_test.cpp") and header.endswith("_for_tests.h"):
                continue  # models made for tests may come from a layer that the code does not use
            assert used in BELOW[layer], f"{file} includes {used}/"
            seen += 1
    assert seen > 50


def test_the_program_uses_the_public_api_only(root):
    for file in (root / "apps").rglob("*.cpp"):
        for used in re.findall(r'^#include "(\w+)/', file.read_text(), re.MULTILINE):
            assert used == "lazyllm", f"{file} includes {used}/"
