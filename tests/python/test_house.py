# SPDX-License-Identifier: Apache-2.0
"""Limits of the house that a script can hold: short files, processor-specific code in one folder."""

import re

CODE = {".h", ".cpp", ".inc"}
GENERATED = re.compile(r"_tables?\.(inc|cpp)$")
MOST_LINES = 500
SPIN_WAIT = "thread_pool.cpp"  # one instruction that says that a loop waits; computes nothing


def files(root, *folders):
    found = [file for folder in folders for file in sorted((root / folder).rglob("*")) if file.suffix in CODE]
    assert found
    return found


def test_no_file_is_long(root):
    long = {str(file.relative_to(root)): lines for file in files(root, "src", "apps", "include", "bench", "examples", "tests")
            if not GENERATED.search(file.name) and (lines := file.read_text().count("\n")) > MOST_LINES}
    assert not long, f"split by what the parts are about: {long}"


def test_processor_specific_code_is_in_the_kernels(root):
    conditional = re.compile(r"^\s*#\s*(?:el)?if.*\b(__AVX|__SSE|__FMA__|__x86_64__|__aarch64__|__ARM_NEON)|#include <(immintrin|arm_neon)\.h>", re.MULTILINE)
    wrong = [str(file.relative_to(root)) for file in files(root, "src", "apps", "include")
             if "kernels" not in file.parts and file.name != SPIN_WAIT and conditional.search(file.read_text())]
    assert not wrong, f"belongs behind src/kernels: {wrong}"


def test_the_program_is_thin(root):
    lines = sum(file.read_text().count("\n") for file in files(root, "apps/cli"))
    assert lines < 4000, f"apps/cli has {lines} lines: what computes belongs into src"


def test_one_header_is_the_whole_api(root):
    whole = (root / "include/lazyllm/lazyllm.h").read_text()
    missing = [file.name for file in (root / "include/lazyllm").glob("*.h")
               if file.name not in {"lazyllm.h", "server.h", "model_store.h"} and f'#include "lazyllm/{file.name}"' not in whole]
    assert not missing, f"lazyllm.h leaves out {missing}"
    research = (root / "include/lazyllm/research/research.h").read_text()
    assert all(f"research/{file.name}" in research for file in (root / "include/lazyllm/research").glob("*.h") if file.name != "research.h")
