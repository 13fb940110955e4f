# SPDX-License-Identifier: Apache-2.0
"""Where the tests find the program, the models and the data."""

import importlib
import json
import os
import pathlib
import subprocess
import sys
import venv

import pytest

from serving import ServeProcess

# What one test leaves behind must not help another.
os.environ["LAZYLLM_LIBRARY"] = "none"

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))  # scripts that tests use as modules
BUILD = pathlib.Path(os.environ.get("LAZYLLM_BUILD", ROOT / "build" / "release"))


@pytest.fixture(scope="session")
def maker():
    """tools/make_tiny_models.py: MODELS, their weights, and how they are written."""
    return importlib.import_module("make_tiny_models")


class Program:
    """The command line program."""

    def __init__(self, path: pathlib.Path):
        self.path = path

    def run(self, *arguments, stdin: str | bytes | None = "", timeout: float = 300) -> subprocess.CompletedProcess:
        """Runs it and captures everything; output is bytes."""
        data = stdin.encode() if isinstance(stdin, str) else stdin
        return subprocess.run([self.path, *map(str, arguments)], input=data, capture_output=True, timeout=timeout, check=False)

    def ok(self, *arguments, **options) -> str:
        """Runs it, demands success, returns stdout as text."""
        result = self.run(*arguments, **options)
        assert result.returncode == 0, result.stderr.decode(errors="replace")
        return result.stdout.decode()

    def stats(self, tmp_path: pathlib.Path, *arguments, **options) -> tuple[str, dict]:
        """`run` with --stats-json: the text and the figures."""
        file = tmp_path / "stats.json"
        text = self.ok("run", *arguments, "--stats-json", file, **options)
        return text, json.loads(file.read_text())


@pytest.fixture(scope="session")
def root() -> pathlib.Path:
    return ROOT


@pytest.fixture(scope="session")
def build() -> pathlib.Path:
    return BUILD


@pytest.fixture(scope="session")
def program() -> Program:
    path = BUILD / "lazyllm"
    assert path.exists(), f"{path} is missing; build first"
    return Program(path)


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory) -> pathlib.Path:
    """Random checkpoints of every architecture, the same bits on every machine."""
    folder = tmp_path_factory.mktemp("tiny")
    subprocess.run([sys.executable, ROOT / "tools" / "make_tiny_models.py", "--out", folder,
                    "--check-sums", ROOT / "tests" / "golden" / "tiny_models.sha256"], check=True)
    return folder


@pytest.fixture(scope="session")
def tiny_chat(tmp_path_factory) -> pathlib.Path:
    """A random model of 6 layers that can chat (tests/load/tiny_chat_model.py)."""
    path = tmp_path_factory.mktemp("tiny-chat") / "model.gguf"
    subprocess.run([sys.executable, ROOT / "tests" / "load" / "tiny_chat_model.py", "--out", path], check=True)
    return path


@pytest.fixture(scope="session")
def data() -> pathlib.Path:
    """Real test data beside the project; tests that need it are skipped without it."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder of real test data (../shared/data) is absent")
    return folder


@pytest.fixture(scope="session")
def smollm2() -> pathlib.Path:
    path = ROOT / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
    if not path.exists():
        pytest.skip("the default model is absent; ./quickstart fetches it")
    return path


@pytest.fixture(scope="module")
def chat(program, smollm2, root):
    """The default model, with a template that knows tools."""
    template = root / "tests" / "chat_template" / "family_tagged_tools.jinja"
    with ServeProcess(program.path, "-m", smollm2, "--alias", "small", "--temp", 0, "-c", 4096, "--parallel", 4, "--chat-template-file", template) as server:
        yield server


@pytest.fixture(scope="module")
def stories(program, data):
    """A model of 260,000 parameters without a chat template, behind keys, with short limits."""
    keys = "--api-key", "first", "--api-key", "second"
    with ServeProcess(program.path, "-m", data / "models" / "stories260K.gguf", *keys, "--parallel", 2, "--max-queue", 2,
                      "--max-body", 1) as server:
        yield server


@pytest.fixture(scope="session")
def python(build, root, tmp_path_factory) -> pathlib.Path:
    """An interpreter that has the package lazyllm-engine and nothing else."""
    if build.name in ("asan", "tsan"):
        pytest.skip("an interpreter without sanitizers cannot load it")

    def run(*command, **options):
        result = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, timeout=1200, **options)
        assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]

    folder = tmp_path_factory.mktemp("package")
    run("cmake", "--install", build, "--prefix", folder / "prefix")
    environment = {**os.environ, "CMAKE_PREFIX_PATH": str(folder / "prefix")}
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", folder / "dist", root / "python", env=environment)
    (wheel,) = (folder / "dist").glob("lazyllm_engine-*.whl")
    venv.create(folder / "venv", with_pip=True)
    interpreter = folder / "venv" / "bin" / "python"
    run(interpreter, "-m", "pip", "install", "--quiet", wheel)
    return interpreter
