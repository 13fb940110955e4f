# SPDX-License-Identifier: Apache-2.0
"""The installed package, found by find_package(lazyllm), builds and runs the example."""

import subprocess

import pytest


def run(*command, **options):
    result = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, timeout=600, **options)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout


def test_example_against_the_installed_package(build, root, smollm2, tmp_path):
    if build.name in ("asan", "tsan"):
        pytest.skip("the consumer would have to be built with the same sanitizer")
    run("cmake", "--install", build, "--prefix", tmp_path / "prefix")
    assert (tmp_path / "prefix/include/lazyllm/lazyllm.h").exists() and (tmp_path / "prefix/bin/lazyllm").exists()
    run("cmake", "-S", root / "tests/package", "-B", tmp_path / "build", "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={tmp_path / 'prefix'}")
    run("cmake", "--build", tmp_path / "build")
    document = tmp_path / "document.txt"
    document.write_text("The keeper of the lighthouse is called Mira. She has a grey cat.")
    for example in ("answer", "answer_c"):
        answer = run(tmp_path / "build" / example, smollm2, document, "What is the keeper of the lighthouse called?")
        assert "Mira" in answer and "100.0 % of the work" in answer
    missing = subprocess.run([tmp_path / "build/answer_c", "absent.gguf", document, "?"], capture_output=True, text=True, check=False)
    assert missing.returncode == 1 and "absent.gguf" in missing.stderr
    library = tmp_path / "prefix/lib"
    (versioned,) = library.rglob("liblazyllm_c.so.0")
    assert "liblazyllm_c.so.0" in run("readelf", "-d", versioned)
