# SPDX-License-Identifier: Apache-2.0
"""Mixed load on a server: no answer may depend on the cache or on other clients, nothing ends the server (tests/load/mixed_load.py)."""

import os
import subprocess
import sys

REQUESTS = os.environ.get("LAZYLLM_LOAD_REQUESTS", "200")


def load(root, program, *arguments):
    result = subprocess.run([sys.executable, root / "tests" / "load" / "mixed_load.py", "--program", program.path, *map(str, arguments)],
                            capture_output=True, text=True, timeout=1800, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_tiny_model_with_a_token_of_nan(program, root):
    load(root, program, "--requests", REQUESTS, "--document", 120)


def test_stories(program, root, data):
    load(root, program, "--requests", int(REQUESTS) // 2, "--document", 60, "--seed", 2, "-m", data / "models" / "stories260K.gguf")
