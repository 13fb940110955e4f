# SPDX-License-Identifier: Apache-2.0
"""tools/release: versions, the changelog and the bill of materials. Nothing is built."""

import json
import subprocess

import pytest


def run(*command, cwd, code=0):
    result = subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True, check=False)
    assert result.returncode == code, result.stdout + result.stderr
    return result.stdout + result.stderr


@pytest.fixture
def clone(root, tmp_path):
    """The tree as it stands, committed."""
    if not (root / ".git").exists():
        pytest.skip("no git repository")
    folder = tmp_path / "clone"
    folder.mkdir()
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=root, capture_output=True, check=True).stdout
    wanted = [name for name in listed.decode().split("\0") if name.split("/")[0] in {"tools", "python", "CMakeLists.txt", "CITATION.cff", "CHANGELOG.md", ".gitignore"}]
    subprocess.run(["tar", "-cf", tmp_path / "tree.tar", "--ignore-failed-read", *wanted], cwd=root, check=True, stderr=subprocess.DEVNULL)
    subprocess.run(["tar", "-xf", tmp_path / "tree.tar", "-C", folder], check=True)
    for command in (["init", "-q"], ["config", "user.name", "t"], ["config", "user.email", "t@localhost"], ["add", "-A"], ["commit", "-qm", "tree"]):
        run("git", *command, cwd=folder)
    return folder


def test_a_version_is_set_everywhere_and_checked(clone):
    told = run("tools/release", "--set-version", "0.9.3", cwd=clone)
    assert "0.9.3" in told
    for name, wanted in (("CMakeLists.txt", "project(lazyllm VERSION 0.9.3 "), ("python/pyproject.toml", 'version = "0.9.3"'), ("CITATION.cff", "version: 0.9.3")):
        assert wanted in (clone / name).read_text()
    assert "not committed" in run("tools/release", "--check", cwd=clone, code=1)
    run("git", "commit", "-qam", "0.9.3", cwd=clone)
    assert "ready" in run("tools/release", "--check", cwd=clone)

    (clone / "python/pyproject.toml").write_text((clone / "python/pyproject.toml").read_text().replace("0.9.3", "0.9.2"))
    changelog = (clone / "CHANGELOG.md").read_text().replace("## Not released yet\n", "## Not released yet\n\n- more\n", 1)
    (clone / "CHANGELOG.md").write_text(changelog)
    told = run("tools/release", "--check", cwd=clone, code=1)
    assert "pyproject.toml has another version" in told and "not released yet" in told
    assert "three numbers" in run("tools/release", "--set-version", "1.0", cwd=clone, code=1)


def test_the_bill_of_materials(root):
    made = subprocess.run([root / "tools" / "bill_of_materials.py", "--version", "0.9.3", "--commit", "abc"], input="libfmt-dev\t9.1.0\nlibcurl4:amd64\t7.88\n", capture_output=True,
                          text=True, check=True, env={"SOURCE_DATE_EPOCH": "0", "PATH": "/usr/bin:/bin"}).stdout
    bill = json.loads(made)
    assert bill["spdxVersion"] == "SPDX-2.3" and bill["creationInfo"]["created"] == "1970-01-01T00:00:00Z"
    assert {package["name"]: package["versionInfo"] for package in bill["packages"]} == {"lazyllm": "0.9.3", "libfmt-dev": "9.1.0", "libcurl4": "7.88"}
    known = {package["SPDXID"] for package in bill["packages"]} | {"SPDXRef-DOCUMENT"}
    assert all(relation["spdxElementId"] in known and relation["relatedSpdxElement"] in known for relation in bill["relationships"])
    assert {relation["relationshipType"] for relation in bill["relationships"]} == {"DESCRIBES", "STATIC_LINK", "DYNAMIC_LINK"}
    empty = subprocess.run([root / "tools" / "bill_of_materials.py", "--version", "1", "--commit", "x"], input="", capture_output=True, text=True, check=False)
    assert empty.returncode != 0 and "no package" in empty.stderr
