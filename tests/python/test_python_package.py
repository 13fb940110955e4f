# SPDX-License-Identifier: Apache-2.0
"""The Python package: built against the installed library, put into a fresh environment, used as its documents say."""

import pathlib
import signal
import subprocess
import sys
import time

import pytest


def run(*command, **options):
    result = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, timeout=1200, **options)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout


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
    # A shell starts its background jobs with SIGINT ignored, which children inherit.
    process = subprocess.Popen([python, "-c", code], stdout=subprocess.PIPE, text=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    assert process.stdout.readline() == "go\n"
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[0] == "stopped length\n" and process.returncode == 0


OWN_SCORE = """
import sys
import numpy as np
import lazyllm_engine as le
path = sys.argv[1]
model = le.Model(path, threads=2)
tokens = model.tokenize("The cat sat on the mat. " * 60)
layers, attention = model.attention(tokens)
assert attention.shape == (len(layers), len(tokens)) and abs(attention.sum(axis=1) - 1).max() < 1e-3
seen = []
def every_third(scores):
    seen.append(scores)
    return np.arange(len(scores)) % 3 == 0
settings = dict(prune="15:0.25", min_prompt=0, protect_first=1, protect_last=2)
answer = model.session(score=every_third, **settings).generate(tokens, max_tokens=3)
assert (seen[0] == attention[layers.index(15)]).all()
stay = answer.depths == 30
size = len(tokens)
assert stay.sum() == -(-size // 4) and stay[0] and stay[-2:].all() and set(answer.depths) == {15, 30}
chosen = [i for i in np.flatnonzero(stay) if 0 < i < size - 2]
assert all(i % 3 == 0 for i in chosen) and chosen == sorted(range(3, size - 2, 3), reverse=True)[:len(chosen)][::-1]  # of equals the later ones
# the paper's score by way of Python is the paper's score
own = model.session(score=lambda scores: scores, **settings).generate(tokens, max_tokens=1)
engine = model.session(score="last", score_pool=1, revive_budget=0, **settings).generate(tokens, max_tokens=1)
assert (own.depths == engine.depths).all() and own.tokens == engine.tokens
for options, kind in [(dict(prune="balanced"), le.UsageError), (dict(prune="15:0.3,20:0.5"), le.UsageError), (dict(prune="15:0"), le.UsageError), (dict(prune="15:0.3", policy="tsp"), le.UsageError),
                      (dict(prune="15:0.3", score_pool=7), le.UsageError), (dict(prune="99:0.3"), le.UsageError)]:
    try:
        model.session(score=every_third, **options)
    except kind as error:
        assert str(error)
    else:
        raise AssertionError(options)
session = model.session(prune="15:0.3", min_prompt=0, score=lambda scores: scores[:-1])
for _ in range(2):  # the session can be used again
    try:
        session.generate(tokens, max_tokens=1)
    except le.InvalidInputError as error:
        assert "one number a token" in str(error)
    else:
        raise AssertionError("a wrong shape was taken")
print("good")
"""


def test_a_score_in_python(python, smollm2):
    assert run(python, "-c", OWN_SCORE, smollm2) == "good\n"


HARNESS = """
import sys, types
def module(name, **members):
    sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[name]).update(members)
registered = {}
def register_model(name):
    return lambda kind: registered.setdefault(name, kind)
class LM: pass
for name, members in (("lm_eval", {}), ("lm_eval.api", {}), ("lm_eval.api.model", {"LM": LM}), ("lm_eval.api.registry", {"register_model": register_model})):
    module(name, **members)
import lazyllm_engine.lm_eval
from types import SimpleNamespace as Request
model = registered["lazyllm"](path=sys.argv[1], prune="off", batch_size=1, device=None)
paris, london = model.loglikelihood([Request(args=("The capital of France is", place)) for place in (" Paris", " London")])
assert paris[0] > london[0] and paris[0] < 0 and not london[1]
session = model.model.session()
assert abs(session.log_likelihood("The capital of France is", " Paris") - paris[0]) < 1e-3
(rolling,) = model.loglikelihood_rolling([Request(args=("The capital of France is Paris.",))])
assert rolling < paris[0]
(text,) = model.generate_until([Request(args=("1, 2, 3, 4,", {"until": [","], "max_gen_toks": 8}))])
assert text.strip() == "5", text
print("good")
"""


def test_the_harness_model(python, smollm2):
    """With a stand-in for the harness, which brings much with it; test_lm_eval.py has the real one."""
    assert run(python, "-c", HARNESS, smollm2) == "good\n"


def test_the_server_ends_with_its_block_and_says_what_is_wrong(python, smollm2):
    code = ("import lazyllm_engine as le, urllib.request, sys\n"
            "with le.Server(sys.argv[1], ctx_size=512, parallel=1, api_key='sesame') as server:\n"
            "    assert server.is_running and urllib.request.urlopen(server.url + '/health').status == 200\n"
            "    try:\n        urllib.request.urlopen(server.base_url + '/models')\n    except urllib.error.HTTPError as error:\n        assert error.code == 401\n    else:\n        raise AssertionError\n"
            "assert not server.is_running and server.stop() == 0\n"
            "for arguments in ({'model': '/absent.gguf'}, {'model': sys.argv[1], 'prune': 'a lot'}):\n"
            "    try:\n        le.Server(**arguments)\n    except le.Error as error:\n        print(type(error).__name__, error)\n")
    told = run(python, "-c", code, smollm2).splitlines()
    assert told[0].startswith("Error") and "/absent.gguf" in told[0] and told[1].startswith("UsageError") and "careful" in told[1]


def test_the_package_is_typed(python, root):
    mypy = subprocess.run([sys.executable, "-m", "mypy", "--version"], capture_output=True, check=False)
    if mypy.returncode != 0:
        pytest.skip("mypy is not installed")
    run(sys.executable, "-m", "mypy", "--strict", "--python-executable", python, root / "python" / "lazyllm_engine")


def test_the_extension_needs_only_what_manylinux_allows(python):
    """The extension module runs on any Linux with a C library as new as the one it was built with (docs/lab/release.md; tools/release asks auditwheel)."""
    # SQLite is not among what every system has: auditwheel copies it into a wheel for others.
    allowed = {"libsqlite3.so.0", "libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libstdc++.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2",
               "ld-linux-aarch64.so.1"}
    where = run(python, "-c", "import lazyllm_engine._core as core; print(core.__file__)").strip()
    needed = {line.split("[")[1].rstrip("]") for line in run("readelf", "-d", where).splitlines() if "(NEEDED)" in line}
    assert needed and needed <= allowed, needed
    assert "libpcre2-dev" in (pathlib.Path(where).parent / "THIRD-PARTY.txt").read_text(), "what is linked in asks for its notices"
