# SPDX-License-Identifier: Apache-2.0
"""./quickstart: what it takes, and a whole run with a package and a model that are there already."""

import os
import re
import shutil
import subprocess

import pytest


@pytest.fixture
def tree(root, tmp_path):
    """As much of the tree as ./quickstart needs, with an apt-get that only writes down what it is asked for."""
    folder = tmp_path / "tree"
    (folder / "tests").mkdir(parents=True)
    shutil.copy(root / "quickstart", folder)
    shutil.copytree(root / "tools", folder / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(root / "tests" / "questions", folder / "tests" / "questions")
    commands = tmp_path / "commands"
    commands.mkdir()
    (commands / "apt-get").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    (commands / "cmake").write_text(f'#!/bin/sh\necho cmake "$@" >> {tmp_path}/asked\nexit 1\n')
    (commands / "sudo").write_text('#!/bin/sh\nexec "$@"\n')
    for command in commands.iterdir():
        command.chmod(0o755)
    environment = {"PATH": f"{commands}:{os.environ['PATH']}", "HOME": str(tmp_path / "home")}

    def run(*command):
        result = subprocess.run([*map(str, command)], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=600)
        result.asked = (tmp_path / "asked").read_text() if (tmp_path / "asked").exists() else ""
        return result

    run.folder, run.commands, run.home = folder, commands, tmp_path / "home"
    return run


def architecture():
    if shutil.which("dpkg") is None:
        pytest.skip("dpkg is not installed")
    return subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()


def put(path, age=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("a package")
    os.utime(path, (1_700_000_000 - age, 1_700_000_000 - age))


def test_arguments(tree):
    assert "--model NAME" in tree("./quickstart", "--help").stdout
    for arguments, words in ((["--fast"], "unknown argument --fast"), (["--model", "gpt-4"], "qwen2.5-coder-0.5b"), (["--model"], "needs a name")):
        result = tree("./quickstart", *arguments)
        assert result.returncode == 1 and words in result.stderr and result.asked == ""


def test_the_newest_package_of_this_architecture_is_taken(tree):
    def found():
        return tree("bash", "-ec", "source tools/setup.sh; newest_package").stdout.strip().removeprefix("./")

    assert found() == ""
    own = architecture()
    put(tree.folder / f"dist/0.2.0/lazyllm_0.2.0_{own}.deb", age=100)
    put(tree.folder / f"build/release/lazyllm_0.1.0_{own}.deb", age=50)
    put(tree.folder / "dist/0.3.0/lazyllm_0.3.0_sparc.deb")
    put(tree.folder / f"dist/0.3.0/lazyllm-dev_0.3.0_{own}.deb")
    assert found() == f"build/release/lazyllm_0.1.0_{own}.deb"
    put(tree.folder / f"lazyllm_0.1.0_{own}.deb", age=10)
    assert found() == f"lazyllm_0.1.0_{own}.deb"


def test_without_a_package_it_compiles(tree):
    result = tree("./quickstart")
    assert result.returncode == 1 and "cmake could not configure the preset program" in result.stderr
    put(tree.folder / f"dist/0.2.0/lazyllm_0.2.0_{architecture()}.deb")
    again = tree("./quickstart", "--build")
    assert again.returncode == 1 and "cmake could not configure" in again.stderr and ".deb" not in again.asked


def test_a_package_is_installed_and_answers(tree, program, smollm2):
    package = tree.folder / f"dist/0.2.0/lazyllm_0.2.0_{architecture()}.deb"
    put(package)
    (tree.commands / "lazyllm").symlink_to(program.path)
    (tree.folder / "models").mkdir()
    (tree.folder / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf").symlink_to(smollm2.resolve())
    result = tree("./quickstart", "--model", "smollm2-135m")
    assert result.returncode == 0, result.stderr
    assert f"--reinstall {package.resolve()}" in result.asked and "cmake" not in result.asked
    table = dict(re.findall(r"^(first word after|share of the work done), \S+ +([\d.]+)", result.stdout, re.MULTILINE))
    assert float(table["share of the work done"]) == 100 and float(table["first word after"]) > 0
    assert re.search(r"The first word came \d+\.\d\d times as soon\.\nNow your own: lazyllm run -m smollm2-135m ", result.stdout)
    linked = tree.home / ".cache/lazyllm/models/SmolLM2-135M-Instruct.Q4_1.gguf"
    assert linked.resolve() == smollm2.resolve(), "-m smollm2-135m finds it from now on"


def test_fetch_model_puts_models_into_the_tree(tree, smollm2):
    (tree.folder / "models").mkdir()
    (tree.folder / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf").symlink_to(smollm2.resolve())
    result = tree("tools/fetch-model", "smollm2-135m")
    assert result.returncode == 0 and result.stdout.strip() == str(tree.folder / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"), result.stderr
    assert (tree.home / ".cache/lazyllm/models/SmolLM2-135M-Instruct.Q4_1.gguf").is_symlink()
