# SPDX-License-Identifier: Apache-2.0
"""The Debian packages that CPack makes: what is in them, what they need, and that the program in them runs."""

import os
import re
import shutil
import subprocess

import pytest


def run(*command, **options):
    result = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, timeout=1200, **options)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout


@pytest.fixture(scope="module")
def packages(build, tmp_path_factory):
    if build.name in ("asan", "tsan"):
        pytest.skip("nobody packages a sanitizer's build")
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is not installed")
    folder = tmp_path_factory.mktemp("packages")
    run("cpack", "--config", build / "CPackConfig.cmake", "-G", "DEB", "-B", folder)
    found = {run("dpkg-deb", "-f", file, "Package").strip(): file for file in folder.glob("*.deb")}
    assert set(found) == {"lazyllm", "liblazyllm0", "lazyllm-dev"}
    return found


def test_they_say_what_they_need(packages):
    fields = run("dpkg-deb", "-f", packages["lazyllm"])
    assert "libc6" in run("dpkg-deb", "-f", packages["lazyllm"], "Depends") and "Version: 0.1.0" in fields
    assert "poppler-utils" in run("dpkg-deb", "-f", packages["lazyllm"], "Recommends")
    files = run("dpkg-deb", "-c", packages["lazyllm"])
    for path in ("./usr/bin/lazyllm\n", "./usr/share/lazyllm/report/report.py\n", "./usr/share/lazyllm/lazyllm.service\n", "./usr/share/doc/lazyllm/LICENSE\n", "./usr/share/doc/lazyllm/THIRD-PARTY.txt\n",
                 "./usr/share/man/man1/lazyllm-run.1", "./usr/share/bash-completion/completions/lazyllm\n"):
        assert path in files, path
    assert ".h\n" not in files
    library = run("dpkg-deb", "-c", packages["liblazyllm0"])
    assert "liblazyllm_c.so.0" in library and ".h\n" not in library and "/bin/" not in library
    assert "liblazyllm0" in run("dpkg-deb", "-f", packages["lazyllm-dev"], "Depends")
    dev = run("dpkg-deb", "-c", packages["lazyllm-dev"])
    assert "./usr/include/lazyllm/lazyllm.h\n" in dev and "./usr/include/lazyllm/c/lazyllm_c.h\n" in dev and "lazyllm_c.pc\n" in dev and "liblazyllm.a\n" in dev and "lazyllmConfig.cmake\n" in dev and "/bin/" not in dev


def test_the_program_needs_the_c_library_alone(packages, tmp_path):
    """So that it can be copied to another Linux; libcurl is opened when something is fetched."""
    run("dpkg-deb", "-x", packages["lazyllm"], tmp_path / "root")
    needed = re.findall(r"\(NEEDED\).*\[(\S+)\]", run("readelf", "-d", tmp_path / "root/usr/bin/lazyllm"))
    assert "libc.so.6" in needed and set(needed) <= {"libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}, needed
    assert "libcurl" not in run("dpkg-deb", "-f", packages["lazyllm"], "Depends")
    notices = (tmp_path / "root/usr/share/doc/lazyllm/THIRD-PARTY.txt").read_text()
    assert all(f"======== {name} ========" in notices for name in ("libboost-dev", "libedit-dev", "libpcre2-dev", "libsqlite3-dev")), notices[:400]


def test_the_program_in_it_runs(packages, smollm2, tmp_path):
    run("dpkg-deb", "-x", packages["lazyllm"], tmp_path / "root")
    program = tmp_path / "root/usr/bin/lazyllm"
    result = subprocess.run([program, "run", "-m", smollm2, "-p", "What is the capital of France? Answer in one sentence.", "-n", "24"], capture_output=True, text=True, check=False, timeout=300,
                            cwd=tmp_path, env={"PATH": os.environ["PATH"]})
    assert result.returncode == 0 and "Paris" in result.stdout and "Settings: measured for" in result.stderr, result.stderr
