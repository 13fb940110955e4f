# SPDX-License-Identifier: Apache-2.0
"""The C++ files look as clang-format 14 (Debian 12's) writes them."""

import shutil
import subprocess

import pytest


def test_clang_format(root):
    if shutil.which("clang-format-14") is None:
        pytest.skip("clang-format 14 is not installed")
    files = [path for folder in ("apps", "bench", "examples", "include", "src", "tests") for path in sorted((root / folder).rglob("*"))
             if path.suffix in (".cpp", ".h")]
    assert len(files) > 100
    result = subprocess.run(["clang-format-14", "--dry-run", "-Werror", *files], capture_output=True, text=True, check=False)
    wrong = sorted({line.split(":")[0] for line in result.stderr.splitlines() if "error:" in line})
    assert result.returncode == 0, f"run clang-format-14 -i on {wrong}"
