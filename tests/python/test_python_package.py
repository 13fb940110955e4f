# SPDX-License-Identifier: Apache-2.0
"""The Python package: built against the installed library, put into a fresh environment, used as its documents say."""

import os
import signal
import subprocess
import sys
import time
import venv

import pytest


def run(*command, **options):
    result = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, timeout=1200, **options)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout


@pytest.fixture(scope="module")
def python(build, root, tmp_path_factory):
    """An interpreter that has the package."""
    if build.name in ("asan", "tsan"):
        pytest.skip("an interpreter without sanitizers cannot load it")
    folder = tmp_path_factory.mktemp("package")
    run("cmake", "--install", build, "--prefix", folder / "prefix")
    environment = {**os.environ, "CMAKE_PREFIX_PATH": str(folder / "prefix")}
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", folder / "dist", root / "python", env=environment)
    (wheel,) = (folder / "dist").glob("lazyllm_engine-*.whl")
    venv.create(folder / "venv", with_pip=True)
    interpreter = folder / "venv" / "bin" / "python"
    run(interpreter, "-m", "pip", "install", "--quiet", wheel)
    return interpreter


def test_the_documents_examples(python, root, smollm2):
    code = ("import doctest, sys; failed, tried = doctest.testfile(sys.argv[1], module_relative=False, globs={'MODEL': sys.argv[2]}); "
            "assert tried > 10; sys.exit(failed > 0)")
    run(python, "-c", code, root / "python" / "README.md", smollm2, cwd="/")


def test_the_program_comes_along(python):
    assert run(python.with_name("lazyllm"), "--version").startswith("lazyllm ")


def test_it_answers_as_the_program_does(python, program, smollm2):
    text = "The cat sat on the mat. " * 60
    arguments = ["--no-chat", "-p", text, "-n", 12, "--prune", "15:0.2", "--protect-last", 8, "--min-prompt", 0]
    code = (f"from lazyllm_engine import Model; m = Model({str(smollm2)!r}, prune='15:0.2', protect_last=8, min_prompt=0); "
            f"a = m.generate({text!r}, max_tokens=12); print(a.text); assert a.statistics.schedule == '15:0.2' and a.depths.min() == 15 and a.depths.max() == 30")
    assert run(python, "-c", code).rstrip("\n") == program.ok("run", "-m", smollm2, *arguments).rstrip("\n")


CHECKS = """
import gc, threading, time, sys
import numpy as np
import lazyllm_engine as le
path, broken = sys.argv[1:]
model = le.Model(path, threads=2)

# errors of one family
for make, kind in [(lambda: le.Model("/nonexistent.gguf"), le.FileError), (lambda: le.Model(broken), le.InvalidFileError), (lambda: le.Model(path, policy="magic"), le.UsageError),
                   (lambda: model.generate([]), le.InvalidInputError), (lambda: model.generate([10 ** 6]), le.InvalidInputError), (lambda: model.generate("a " * 9000), le.ContextFullError),
                   (lambda: model.session(cache_type="f8"), le.UsageError), (lambda: model.logits("a", [7]), le.InvalidInputError)]:
    try:
        make()
    except kind as error:
        assert isinstance(error, le.Error) and str(error)
    else:
        raise AssertionError(kind)
try:
    model.session(prun="off")
except TypeError as error:
    assert "prune" in str(error)
else:
    raise AssertionError("an unknown option was taken")

# logits are those that choose the words
prompt = model.tokenize("The capital of France is")
rows = model.logits(prompt)
assert rows.dtype == np.float32 and rows.flags.c_contiguous and (model.logits(prompt, [-1])[0] == rows[-1]).all()
assert int(rows[-1].argmax()) == model.generate(prompt, max_tokens=1).tokens[0]
session = model.session()
assert session.log_likelihood("The capital of France is", " Paris") > session.log_likelihood("The capital of France is", " London")

# other threads run while it reads
ticks = []
done = threading.Event()
def tick():
    while not done.is_set():
        ticks.append(time.monotonic())
        time.sleep(0.005)
thread = threading.Thread(target=tick)
thread.start()
progress = []
model.generate("word " * 1500, max_tokens=1, on_progress=progress.append)
done.set(); thread.join()
assert len(ticks) > 10 and progress and progress == sorted(progress)

# a stream that is left stops; its session can be used again
session = model.session()
with session.generate("Once upon a time", stream=True, ignore_eos=True) as words:
    next(words)
    try:
        session.generate("x")
    except le.Error as error:
        assert "stream" in str(error)
    else:
        raise AssertionError("two answers at a time")
assert words.answer.finish_reason == "cancelled"
assert session.generate("Once upon a time", max_tokens=4).text == model.generate("Once upon a time", max_tokens=4).text

# an error of the callback comes out, and ends the work
def fail(share):
    raise RuntimeError("mine")
try:
    model.generate("word " * 1500, max_tokens=1, on_progress=fail)
except RuntimeError as error:
    assert str(error) == "mine"
else:
    raise AssertionError("the callback's error was lost")
del words, session; gc.collect()
print("good")
"""


def test_its_manners(python, smollm2, tmp_path):
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(smollm2.read_bytes()[:5000])
    code = CHECKS
    assert run(python, "-c", code, smollm2, broken) == "good\n"


def test_ctrl_c_ends_an_answer(python, smollm2):
    code = (f"from lazyllm_engine import Model; m = Model({str(smollm2)!r}); print('go', flush=True)\n"
            "try:\n    m.generate('Once', ignore_eos=True)\nexcept KeyboardInterrupt:\n    print('stopped', m.generate('Once', max_tokens=1).finish_reason)")
    process = subprocess.Popen([python, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "go\n"
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[0] == "stopped length\n" and process.returncode == 0
