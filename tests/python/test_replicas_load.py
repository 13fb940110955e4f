# SPDX-License-Identifier: Apache-2.0
"""Three replicas in network namespaces that lose one another, their Redis and their wires: never a wrong answer (tests/load/replicas_load.py)."""

import os
import subprocess
import sys

import pytest

REQUESTS = os.environ.get("LAZYLLM_REPLICA_REQUESTS", "100")


def test_losses_change_no_answer(root, program):
    result = subprocess.run([sys.executable, root / "tests" / "load" / "replicas_load.py", "--program", program.path, "--requests", REQUESTS, "--documents", "12", "--warm", "0.5"],
                            capture_output=True, text=True, timeout=900, check=False)
    if result.returncode == 77:
        pytest.skip(result.stdout.strip())
    assert result.returncode == 0, result.stdout + result.stderr
    assert " 0 wrong" in result.stdout
