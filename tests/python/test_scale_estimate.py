# SPDX-License-Identifier: Apache-2.0
"""The table of docs/guides/scale.md is the script's, and its rates are those that docs/performance.md has measured."""

import re
import subprocess
import sys


def run(root, *arguments) -> str:
    return subprocess.run([sys.executable, root / "tools" / "scale_estimate.py", *map(str, arguments)], capture_output=True, text=True, check=True).stdout


def rates(table: str) -> list[list[float]]:
    return [[float(cell.strip(" %MB/s").replace(",", "")) for cell in line.strip("|").split("|")] for line in table.splitlines()[2:5]]


def test_the_document_has_the_scripts_table(root):
    text = (root / "docs" / "guides" / "scale.md").read_text()
    assert re.search(r"<!-- tools/scale_estimate.py begins -->\n(.*)<!-- tools/scale_estimate.py ends -->", text, re.DOTALL).group(1) == run(root)


def test_the_rates_are_measured_ones(root):
    measured = (root / "docs" / "performance.md").read_text()
    assert "| tinyllama-1.1b | Q4_K_M | pp4096 | 387 |" in measured and "| tinyllama-1.1b | Q4_K_M | tg16@d4096 | 34 |" in measured
    assert re.search(r"1\.1B Q4_K_M, 14:0\.3 \| 4,096 \|.*\| 1\.32x \|", measured)


def test_more_of_everything_costs_more(root):
    usual = rates(run(root))
    assert [row[0] for row in usual] == [10, 100, 1000]
    assert usual[2][3] > usual[1][3] > usual[0][3] and usual[2][4] > 10 * usual[1][4], "the lists grow with the square"
    faster = rates(run(root, "--read", 774))
    assert all(new[1] > old[1] for new, old in zip(faster, usual, strict=True))


def test_what_cannot_be_is_refused_in_a_sentence(root):
    for flag, value in (("--network", 0), ("--read", -1), ("--lazy", "nan"), ("--layers", 0), ("--cut", 23), ("--write", 0)):
        result = subprocess.run([sys.executable, root / "tools" / "scale_estimate.py", flag, str(value)], capture_output=True, text=True, check=False)
        assert result.returncode == 2 and flag in result.stderr.splitlines()[-1] and "Traceback" not in result.stderr, result.stderr
    run(root, "--cut", 0, "--kept", 0)


def test_a_network_that_is_never_full_is_said_to_be_so(root):
    assert "is not full with 100,000 machines" in run(root, "--network", 1e12)
