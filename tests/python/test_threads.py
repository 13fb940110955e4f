# SPDX-License-Identifier: Apache-2.0
"""More threads than the system gives: a sentence, no abort."""

import re
import resource
import subprocess

import pytest

GIGABYTE = 1 << 30


def with_room_for_few_threads():
    """Each thread takes a stack of a gigabyte of addresses, and there are few of these."""
    resource.setrlimit(resource.RLIMIT_STACK, (GIGABYTE, resource.getrlimit(resource.RLIMIT_STACK)[1]))
    resource.setrlimit(resource.RLIMIT_AS, (6 * GIGABYTE, 6 * GIGABYTE))


def limited(program, *arguments) -> subprocess.CompletedProcess:
    return subprocess.run([program.path, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False,
                          preexec_fn=with_room_for_few_threads)


@pytest.mark.parametrize("command", [["run", "-p", "hello", "-n", "2"], ["info"], ["serve", "--port", "0"]])
def test_too_many_threads_are_a_sentence(program, smollm2, command):
    result = limited(program, *command, "-m", smollm2, "-t", 64)
    assert result.returncode == 1, result.stderr
    found = re.search(r"64 threads were asked for, but the system lets this program have only (\d+) .* at most \1 with -t", result.stderr)
    assert found and 1 <= int(found[1]) < 7, result.stderr


def test_what_there_is_room_for_runs(program, smollm2):
    result = limited(program, "run", "-m", smollm2, "-p", "hello", "-n", 2, "-t", 2)
    assert result.returncode == 0, result.stderr
