# SPDX-License-Identifier: Apache-2.0
"""lazyllm_engine.ray on a local cluster of two nodes: a study has the samples of one machine, also when an actor is killed; prompts about one
document meet one actor; and the example of Ray Serve routes by what a request is about."""

import contextlib
import importlib.util
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest
from proxies import free_port
from scripts import without_times

pytestmark = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")
CLUSTER = """
import sys
from ray.cluster_utils import Cluster
memory = 100 * 1024 * 1024
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": memory, "include_dashboard": False})
def add():
    return cluster.add_node(num_cpus=1, object_store_memory=memory)
second = add()
print(cluster.address, flush=True)
for line in sys.stdin:
    if line == "remove\\n":
        cluster.remove_node(second, allow_graceful=False)
    else:
        second = add()
    print(line, end="", flush=True)
cluster.shutdown()
"""


@pytest.fixture(scope="module")
def environment(python, root) -> dict:
    """Of an interpreter that has Ray and the package: the tests' own, with the package beside it."""
    (site,) = (python.parents[1] / "lib").glob("python*/site-packages")
    return {**os.environ, "PYTHONPATH": f"{site}:{root / 'examples'}", "PATH": f"{python.parent}:{os.environ['PATH']}", "RAY_DISABLE_USAGE_STATS": "1", "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_worker_niceness": "0"}  # beside a busy neighbour, Ray's 15 takes minutes


class TwoNodes:
    """A cluster of two nodes with one core each, of which one may be taken away."""

    def __init__(self, process: subprocess.Popen):
        self.process, self.address = process, process.stdout.readline().strip()

    def tell(self, word: str):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline().strip() == word

    @contextlib.contextmanager
    def one_is_gone(self):
        self.tell("remove")
        try:
            yield
        finally:
            self.tell("add")


@pytest.fixture(scope="module")
def cluster(environment):
    with subprocess.Popen([sys.executable, "-c", CLUSTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment) as process:
        try:
            yield TwoNodes(process)
        finally:
            process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(60)
            process.kill()


@pytest.fixture(scope="module")
def address(cluster) -> str:
    return cluster.address


def run(environment, *arguments, code: int = 0, timeout: float = 600) -> subprocess.CompletedProcess:
    result = subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True, check=False, env=environment, timeout=timeout)
    assert result.returncode == code, result.stdout[-3000:] + result.stderr[-3000:]
    return result


@pytest.fixture(scope="module")
def records(tmp_path_factory) -> pathlib.Path:
    """Twelve questions in LongBench's form."""
    folder = tmp_path_factory.mktemp("records")
    for task in ("hotpotqa", "trec_small"):
        lines = [{"input": f"Question {number}: who sat by the river?", "context": f"The owl of mill {number} sat by the old river and the star. " * 30, "answers": ["the owl"],
                  "length": 300, "dataset": task, "language": "en", "all_classes": None, "_id": f"{task}-{number}"} for number in range(6)]
        (folder / f"{task}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "dataset2prompt.json").write_text(json.dumps({"hotpotqa": "{context}\n{input}", "trec_small": "{context}\n{input}"}))
    (folder / "dataset2maxlen.json").write_text(json.dumps({"hotpotqa": 24, "trec_small": 24}))
    (folder / "dataset2metric.json").write_text(json.dumps({"trec_small": "contains"}))
    return folder


@pytest.fixture(scope="module")
def flags(tiny_chat, records) -> list:
    return ["-m", tiny_chat, "--data", records, "--max-length", 1800, "--policy", "lazy@3:0.5", "--min-prompt", 0, "--threads", 1]


def samples(folder: pathlib.Path) -> str:
    """The file but for its times, byte for byte."""
    lines = (folder / "samples.jsonl").read_bytes().decode().split("\n")[:-1]
    return "\n".join(json.dumps(row) for row in without_times([json.loads(line) for line in lines]))


def cells(tables: str) -> list[list[str]]:
    """What of a table does not depend on times."""
    return [line.split(" | ")[:6] for line in tables.splitlines()]


@pytest.fixture(scope="module")
def alone(program, flags, tmp_path_factory) -> tuple[str, str]:
    """The samples and the tables of one machine."""
    out = tmp_path_factory.mktemp("alone")
    tables = program.ok("eval", *flags, "--out", out)
    found = samples(out)
    assert found.count("\n") == 23
    return found, tables


def programs(records: pathlib.Path) -> dict[int, int]:
    """Those that answer a part about `records` now, each with its actor (process ids)."""
    found = {}
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError):
            command = (process / "cmdline").read_bytes().split(b"\0")
            if str(records).encode() in command and b"--part" in command and b"eval" in command:
                state, parent = (process / "stat").read_text().rpartition(")")[2].split()[:2]
                if state != "Z" and b"ray::" in pathlib.Path(f"/proc/{parent}/cmdline").read_bytes():
                    found[int(process.name)] = int(parent)
    return found


class Killer(threading.Thread):
    """Kills the first actor that answers a part."""

    def __init__(self, folder: pathlib.Path):
        super().__init__(daemon=True)
        self.folder, self.killed, self.over = folder, 0, threading.Event()

    def run(self):
        while not self.over.is_set() and not self.killed:
            for actor in programs(self.folder).values():
                with contextlib.suppress(OSError):
                    os.kill(actor, signal.SIGKILL)
                    self.killed = actor
                    return
            time.sleep(0.002)


def test_a_study_has_the_samples_of_one_machine_and_survives_an_actor(environment, address, flags, records, alone, tmp_path):
    killer = Killer(records)
    killer.start()
    try:
        result = run(environment, "-m", "lazyllm_engine.ray", "eval", "--ray", address, *flags, "--out", tmp_path / "out", "--parts", 5)
    finally:
        killer.over.set()
        killer.join()
    assert killer.killed and "another one takes it" in result.stderr, result.stderr
    assert samples(tmp_path / "out") == alone[0]
    assert cells(result.stdout) == cells(alone[1])
    assert not list((tmp_path / "out" / "parts").iterdir())


def until(what, seconds: float = 120):
    """What `what` says as soon as it says something."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end
        time.sleep(0.002)
    return found


@contextlib.contextmanager
def study(environment, *arguments, begin=("-m", "lazyllm_engine.ray")):
    """A driver, and the lines that it has told so far."""
    command = [sys.executable, *begin, "eval", *map(str, arguments)]
    lines = []
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment) as driver:
        reader = threading.Thread(target=lambda: lines.extend(iter(driver.stderr.readline, "")), daemon=True)
        reader.start()
        try:
            yield driver, lines
        finally:
            driver.kill()
            reader.join(20)


def test_a_study_survives_the_loss_of_a_node(environment, cluster, flags, records, alone, tmp_path):
    with study(environment, "--ray", cluster.address, *flags, "--out", tmp_path, "--parts", 2) as (driver, lines):
        stopped = set()
        while len(stopped) < 2:  # both parts are in work, and neither ends before the node does
            for program in until(lambda: programs(records).keys() - stopped):
                os.kill(program, signal.SIGSTOP)
                stopped.add(program)
        with cluster.one_is_gone():
            (left,) = until(lambda: len(now := programs(records).keys() & stopped) == 1 and now)
            os.kill(left, signal.SIGCONT)
            assert driver.wait(180) == 0, "".join(lines)
    assert "another one takes it" in "".join(lines)
    assert samples(tmp_path) == alone[0]


def test_a_study_goes_on_where_it_stopped(environment, address, flags, program, alone, tmp_path):
    program.ok("eval", *flags, "--out", tmp_path / "out", "--part", "1/3")
    file = tmp_path / "out" / "samples.jsonl"
    # A model may write what Python takes for a line end.
    strange = '{"key": "of another question", "prediction": "a\u2028b\u0085c"}\n\n'
    begun = strange + file.read_text()
    assert begun.count("\n") == 10
    file.write_text(begun)
    run(environment, "-m", "lazyllm_engine.ray", "eval", "--ray", address, *flags, "--out", tmp_path / "out")
    assert file.read_text().startswith(begun), "what is there is not computed again"
    file.write_text(file.read_text().removeprefix(strange))
    assert samples(tmp_path / "out") == alone[0]


def test_a_study_that_was_killed_goes_on_with_a_node_fewer(environment, cluster, flags, alone, tmp_path):
    assert flags[-2:] == ["--threads", 1]
    arguments = ["--ray", cluster.address, *flags[:-2], "--out", tmp_path]
    with study(environment, *arguments) as (driver, lines):
        until(lambda: "is answered" in "".join(lines))
        driver.kill()
        driver.wait(20)
    answered = len(list((tmp_path / "parts").glob("*.jsonl")))
    assert 1 <= answered < 8
    (tmp_path / "parts" / "0123456789abcdef-1-of-3-by-0.jsonl").write_text("")
    with cluster.one_is_gone():
        again = run(environment, "-m", "lazyllm_engine.ray", "eval", *arguments)
    assert f"{answered} of 8 parts are answered already" in again.stderr and "and not used: 1\n" in again.stderr, again.stderr
    assert again.stderr.count("is answered") == 8 - answered
    assert samples(tmp_path) == alone[0]
    assert len(list((tmp_path / "parts").iterdir())) == 1, "the other study's is left"


def test_bad_studies_are_refused(environment, address, flags, tmp_path):
    study = ["-m", "lazyllm_engine.ray", "eval", "--ray", address, "--out", tmp_path / "out"]
    assert "under this path" in run(environment, *study, "-m", "/nowhere.gguf", "--data", "x", code=2).stderr
    assert "--part" in run(environment, *study, *flags, "--part", "1/2", code=2).stderr
    assert "no-such-flag" in run(environment, *study, *flags, "--no-such-flag", code=2).stderr
    assert "cores" in run(environment, *study, *flags, "--actors-per-node", 9, code=2).stderr


def test_what_needs_no_cluster_is_said_in_one_sentence_before_there_is_one(environment, flags, tmp_path):
    def told(ray: str, out: pathlib.Path, code: int) -> list[str]:
        return run(environment, "-m", "lazyllm_engine.ray", "eval", "--ray", ray, "--out", out, *flags, code=code, timeout=60).stderr.splitlines()

    searching, sentence = told("nonsense", tmp_path / "out", 2)
    assert "looking for" in searching and "HOST:PORT" in sentence
    searching, sentence = told(f"127.0.0.1:{free_port()}", tmp_path / "out", 1)
    assert "looking for" in searching and "no cluster of Ray answers there" in sentence
    (tmp_path / "file").write_text("")
    (sentence,) = told("nonsense", tmp_path / "file", 2)
    assert f"--out {tmp_path / 'file'}" in sentence
    for number, foreign in enumerate(("hello", '"text"', '{"key": 5}', "{}"), 2):
        (tmp_path / "out" / "samples.jsonl").write_text('{"key": "a"}\n' + "\n" * (number - 2) + foreign + "\n")
        (sentence,) = told("nonsense", tmp_path / "out", 2)
        assert f"samples.jsonl:{number}: not a sample" in sentence


def test_a_killed_program_is_no_usage_error(environment, address, flags, records, tmp_path):
    with study(environment, "--ray", address, *flags, "--out", tmp_path, "--parts", 2) as (driver, lines):
        os.kill(next(iter(until(lambda: programs(records)))), signal.SIGKILL)
        assert driver.wait(120) == 1
    assert "killed by signal 9" in lines[-1] and "Traceback" not in "".join(lines)


def test_who_waits_for_cores_is_told_so_and_may_stop(environment, address, flags, records, tmp_path):
    holder = ("import ray, sys\nray.init(address=sys.argv[1], log_to_driver=False)\n@ray.remote(num_cpus=1)\nclass Holder:\n    def here(self): return 1\n"
              "held = [Holder.remote() for _ in range(2)]\nray.get([one.here.remote() for one in held])\nprint('held', flush=True)\nsys.stdin.read()")
    impatient = "import sys\nfrom lazyllm_engine import _ray_eval\n_ray_eval._PATIENCE = 0.5\nsys.exit(_ray_eval.main(sys.argv[1:]))"
    with subprocess.Popen([sys.executable, "-c", holder, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment) as other:
        assert other.stdout.readline() == "held\n"
        with study(environment, "--ray", address, *flags, "--out", tmp_path, begin=["-c", impatient]) as (driver, lines):
            until(lambda: "2 of 2 actors still wait for 1 free cores" in "".join(lines))
            other.stdin.close()
            until(lambda: programs(records))
            driver.send_signal(signal.SIGINT)
            assert driver.wait(60) == 130
    assert "the same command goes on" in lines[-1] and "Traceback" not in "".join(lines)


PROMPTS = """
import sys
import ray
import ray.data
from lazyllm_engine import Model
from lazyllm_engine.ray import map_prompts
path, address = sys.argv[1:]
ray.init(address=address, log_to_driver=False)
ray.data.DataContext.get_current().enable_progress_bars = False
rows = [{"number": number, "document": f"Text {number % 4}. " + "The owl sat by the old mill and the river. " * 12, "prompt": f"And {number}?"} for number in range(12)]
settings = dict(prune="3:0.5", min_prompt=0)
answers = map_prompts(ray.data.from_items(rows), path, flags=settings, max_tokens=8).take_all()
assert sorted(answer["number"] for answer in answers) == list(range(12)), answers
model = Model(path, threads=1, **settings)
read = set()
for answer in answers:
    expected = model.chat(answer["document"] + "\\n\\n" + answer["prompt"], max_tokens=8, temperature=0)
    assert answer["text"] == expected.text and answer["prompt_tokens"] == expected.statistics.prompt_tokens, answer
    assert (answer["cached_tokens"] > 100) == (answer["document"] in read), "the document is read once"
    read.add(answer["document"])
for wrong in ({"threads": 3}, {"port": 1}):
    try:
        map_prompts(ray.data.from_items(rows), path, flags=wrong)
    except ValueError as error:
        assert "actors_per_node" in str(error)
    else:
        raise AssertionError("threads were taken")
print("good")
"""


def test_prompts_on_ray_data(environment, address, tiny_chat):
    assert run(environment, "-c", PROMPTS, tiny_chat, address).stdout.endswith("good\n")


SERVE = """
import json, sys, time, urllib.error, urllib.request
import ray
from ray import serve
path, address, port = sys.argv[1:]
ray.init(address=address, log_to_driver=False)
import ray_serve
from lazyllm_engine import Model
serve.start(http_options={"port": int(port)})
serve.run(ray_serve.build({"model": path, "prune": "3:0.5", "min_prompt": 0}))

def ask(body, affinity=None):
    request = urllib.request.Request(f"http://127.0.0.1:{port}/", data=json.dumps(body).encode(), headers={ray_serve.HEADER: affinity} if affinity else {})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.loads(response.read()), response.headers[ray_serve.HEADER], response.headers["X-Replica"]

for _ in range(300):  # until the proxy has heard of the application
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/routes", timeout=60) as response:
            if "/" in json.loads(response.read()):
                break
    except (urllib.error.URLError, ValueError):
        pass
    time.sleep(0.1)
model = Model(path, threads=1, prune="3:0.5", min_prompt=0)

def talk_of(begin, pause):
    # Eight conversations of three turns, and where each was answered.
    places = {}
    talks = [[{"role": "user", "content": f"Text {number}. " + "The owl sat by the old mill. " * 12}] for number in range(begin, begin + 8)]
    names = [None] * 8
    for turn in range(3):
        for number, turns in enumerate(talks):
            answer, said, place = ask({"messages": turns, "max_tokens": 6, "temperature": 0, "lazy": {"plan": "fixed"}}, names[number])
            assert names[number] in (None, said)
            names[number] = said
            text = answer["choices"][0]["message"]["content"]
            assert text == model.chat(turns, max_tokens=6, temperature=0).text, (number, turn)
            places.setdefault(number, set()).add(place)
            assert len(places[number]) > 1 or turn == 0 or answer["usage"]["prompt_tokens_details"]["cached_tokens"] > 100, answer
            turns += [{"role": "assistant", "content": text}, {"role": "user", "content": f"And {turn}?"}]
        time.sleep(pause)
    return places

# Ray Serve tells its routers who holds what after a moment, which is longer on a busy machine.
pause, begin, end = 1, 0, time.monotonic() + 180
while True:
    places = talk_of(begin, pause)
    if all(len(where) == 1 for where in places.values()):
        break
    assert time.monotonic() < end, places
    pause, begin = 2 * pause, begin + 8
assert len(set.union(*places.values())) == 2, places
for bad in ({"prompt": "x"}, {"messages": [{"role": "user", "content": "a " * 9000}]}):
    try:
        ask(bad)
    except urllib.error.HTTPError as error:
        assert error.code == 400 and json.loads(error.read())["error"]
    else:
        raise AssertionError(bad)
serve.shutdown()
print("good")
"""


def test_the_example_of_ray_serve(environment, address, tiny_chat):
    settings = {**environment, "LAZYLLM_REPLICAS": "2", "LAZYLLM_CORES": "1"}
    assert run(settings, "-c", SERVE, tiny_chat, address, free_port()).stdout.endswith("good\n")


def test_without_ray_it_says_so(python):
    result = subprocess.run([python, "-m", "lazyllm_engine.ray"], capture_output=True, text=True, check=False)
    assert result.returncode != 0 and "pip install 'ray[data,serve]'" in result.stderr
