# SPDX-License-Identifier: Apache-2.0
"""packaging/fresh_debian.py, as far as it goes without a fresh Debian: its PDF, and what it asks of dist/. The Containerfile names files that are there."""

import re
import shutil
import subprocess

import pytest
from scripts import load_script


@pytest.fixture
def script(root):
    return load_script(root / "packaging" / "fresh_debian.py")


def test_its_pdf_holds_the_text(script, tmp_path):
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext (poppler-utils) is not installed")
    text = script.TEXT.read_text() + "(brackets) and a \\ too\n" * 70
    (tmp_path / "a.pdf").write_bytes(script.make_pdf(text))
    read = subprocess.run(["pdftotext", tmp_path / "a.pdf", "-"], capture_output=True, text=True, check=True)
    assert read.stderr == "" and " ".join(read.stdout.split()) == " ".join(text.split())
    assert script.ANSWER in text


def test_one_package_of_each_kind(script, tmp_path):
    with pytest.raises(SystemExit, match="tools/release"):
        script.only(tmp_path, "lazyllm_*.deb")
    for name in ("lazyllm_0.1.0_amd64.deb", "lazyllm-dev_0.1.0_amd64.deb", "liblazyllm0_0.1.0_amd64.deb"):
        (tmp_path / name).touch()
    assert script.only(tmp_path, "lazyllm_*.deb").name == "lazyllm_0.1.0_amd64.deb"
    (tmp_path / "lazyllm_0.2.0_amd64.deb").touch()
    with pytest.raises(SystemExit, match="2 files"):
        script.only(tmp_path, "lazyllm_*.deb")


def test_the_containerfile_names_what_is_there(root):
    text = (root / "packaging" / "Containerfile").read_text()
    for name in re.findall(r"(?:\. |-f )((?:tools|packaging)/\S+)", text):
        assert (root / name).exists(), name
    (preset,) = set(re.findall(r"--preset (\w+)", text))
    assert f'"name": "{preset}"' in (root / "CMakePresets.json").read_text()
    ignored = (root / ".containerignore").read_text().split("\n")
    assert {"build", "models"} <= set(ignored)
