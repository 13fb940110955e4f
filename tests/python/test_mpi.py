# SPDX-License-Identifier: Apache-2.0
"""A model whose layers are split over the processes of an mpirun gives what one process gives, bit for bit."""

import concurrent.futures
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

import pytest

from serving import ServeProcess

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("LAZYLLM_MPI_BUILD", ROOT / "build" / "mpi")) / "lazyllm"
ROOT_MAY = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}

pytestmark = [
    pytest.mark.skipif(shutil.which("mpirun") is None, reason="mpirun is absent (Debian: openmpi-bin)"),
    pytest.mark.skipif(not PROGRAM.exists(), reason=f"{PROGRAM} is absent (cmake --preset mpi && cmake --build --preset mpi)"),
]


@pytest.fixture(autouse=True)
def as_root(monkeypatch):
    """OpenMPI refuses root unless it is asked twice."""
    for name, value in ROOT_MAY.items():
        monkeypatch.setenv(name, value)


def mpirun(ranks: int, *arguments) -> list[str]:
    return ["mpirun", "-n", str(ranks), "--oversubscribe", "--bind-to", "none", *map(str, arguments)]


def run(command, timeout: float = 300) -> subprocess.CompletedProcess:
    return subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=timeout, check=False, stdin=subprocess.DEVNULL)


def answer(tmp_path, ranks: int, *arguments) -> tuple[str, dict]:
    """Text and figures of `lazyllm run`, alone with 1 rank."""
    file = tmp_path / f"stats-{ranks}.json"
    command = [PROGRAM, "run", "-t", 1, *arguments, "--stats-json", file]
    result = run(mpirun(ranks, *command) if ranks > 1 else command)
    assert result.returncode == 0, result.stderr
    return result.stdout, json.loads(file.read_text())


SAME = ("policy", "schedule", "prompt_tokens", "generated_tokens", "computed_fraction", "computed_fraction_end", "computed_by_step", "kept_per_layer",
        "revived_tokens", "draft_n", "draft_n_accepted")


def assert_same(one: tuple[str, dict], other: tuple[str, dict]) -> None:
    assert other[0] == one[0]
    for key in SAME:
        assert other[1][key] == one[1][key], key


def rows_to(stats: dict, rank: int) -> int:
    (link,) = [link for link in stats["links"] if (link["from"], link["to"]) == (rank - 1, rank)]
    return link["row_bytes"]


@pytest.mark.parametrize("ranks", [2, 3, 5])
@pytest.mark.parametrize("policy", [["--policy", "dense"], ["--prune", "2:0.5,4:0.5", "--min-prompt", 0], ["--policy", "gem", "--min-prompt", 0]])
def test_a_story_is_the_same(data, tmp_path, ranks, policy):
    story = ["-m", data / "models" / "stories260K.gguf", "--no-chat", "-p", "Once upon a time there was a little dog. " * 25, "-n", 24, *policy]
    assert_same(answer(tmp_path, 1, *story), answer(tmp_path, ranks, *story))


@pytest.mark.parametrize("ranks", [2, 3])
@pytest.mark.parametrize("model", ["SmolLM2-135M-Instruct.Q4_1.gguf", "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"])
def test_real_models_give_the_same_and_a_cut_sends_less(root, tmp_path, model, ranks):
    path = root / "models" / model
    if not path.exists():
        pytest.skip(f"{model} is absent")
    question = ["-m", path, "-f", root / "docs" / "how-it-works.md", "-p", "What does lazyllm skip?", "-n", 16]
    dense = answer(tmp_path, ranks, *question, "--prune", "off")
    assert_same(answer(tmp_path, 1, *question, "--prune", "off"), dense)
    # The first cut lies before the first rank's last layer.
    lazy = answer(tmp_path, ranks, *question, "--prune", "6:0.2")
    assert_same(answer(tmp_path, 1, *question, "--prune", "6:0.2"), lazy)
    width = 4 * (576 if "Smol" in model else 896)
    prompt, kept = lazy[1]["prompt_tokens"], lazy[1]["kept_per_layer"][6]
    assert kept < prompt * 0.25
    for rank in range(1, ranks):
        # Each later token is a row; one that it revives below the rank's layers, too. Drafts are rows that may be taken back.
        later = 16 + lazy[1]["revived_tokens"] + lazy[1]["draft_n"]
        assert kept * width <= rows_to(lazy[1], rank) <= (kept + later) * width
        assert prompt * width <= rows_to(dense[1], rank) <= (prompt + 16 + dense[1]["draft_n"]) * width


def test_sparse_attention_is_the_same(root, smollm2, tmp_path):
    question = ["-m", smollm2, "-f", root / "docs" / "structured-output.md", "-p", "What is a grammar?", "-n", 8, "--attention", "sparse:0.2@0", "--prune", "20:0.4"]
    one, two = (answer(tmp_path, ranks, *question) for ranks in (1, 2))
    assert_same(one, two)
    assert one[1]["attention_share"] == two[1]["attention_share"] < 0.95


def test_logits_are_the_same_bits(data, tmp_path):
    files, ids = [], tmp_path / "ids"
    ids.write_text(" ".join(str(3 + 7 * i % 500) for i in range(100)))
    for ranks in (1, 2):
        files.append(tmp_path / f"logits-{ranks}.bin")
        command = [PROGRAM, "logits", "-m", data / "models" / "stories260K.gguf", "--ids", ids, "-o", files[-1]]
        result = run(mpirun(ranks, *command) if ranks > 1 else command)
        assert result.returncode == 0, result.stderr
    assert files[0].read_bytes() == files[1].read_bytes()


def test_every_architecture_is_split_or_refused(tiny_models, tmp_path):
    ids = tmp_path / "ids"
    ids.write_text(" ".join(str(3 + 7 * i % 90) for i in range(40)))
    split = refused = 0
    for model in sorted(tiny_models.glob("*.gguf")):
        outcomes = []
        for ranks in (1, 2):
            out = tmp_path / f"{model.stem}-{ranks}.bin"
            command = [PROGRAM, "logits", "-t", 1, "-m", model, "--ids", ids, "-o", out]
            result = run(mpirun(ranks, *command) if ranks > 1 else command)
            if ranks > 1 and "cannot be split over machines yet" in result.stderr:
                refused += 1
                break
            assert result.returncode == 0, result.stderr
            outcomes.append(out.read_bytes())
        else:
            split += 1
            assert outcomes[0] == outcomes[1], model
    assert split > 10 and refused > 0


@pytest.mark.parametrize("prune", [["--prune", "off"], ["--prune", "3:0.4", "--min-prompt", 0]])
def test_a_library_serves_one_machine_and_several(data, tmp_path, prune):
    story = ["-m", data / "models" / "stories260K.gguf", "--no-chat", "-p", "Once upon a time there was a little dog. " * 25, "-n", 12, *prune,
             "--library", tmp_path / "library"]
    first = answer(tmp_path, 2, *story)
    again = [answer(tmp_path, ranks, *story) for ranks in (1, 2)]
    assert_same(*again)
    assert again[0][0] == first[0] and again[0][1]["computed_fraction"] < first[1]["computed_fraction"]


def test_what_cannot_be_is_refused_with_a_sentence(data):
    model = data / "models" / "stories260K.gguf"
    many = run(mpirun(6, PROGRAM, "run", "-m", model, "--no-chat", "-p", "x", "-t", 1))
    assert many.returncode != 0 and "6 ranks for 5 layers" in many.stderr
    alone = run(mpirun(2, PROGRAM, "tune", "-m", model))
    assert alone.returncode != 0 and "lazyllm tune runs on one machine" in alone.stderr
    absent = run(mpirun(2, PROGRAM, "run", "-m", "/nowhere.gguf", "-p", "x"))
    assert absent.returncode != 0 and "/nowhere.gguf" in absent.stderr


def test_another_build_is_refused(data, tmp_path):
    # One digit of the build's number is another one.
    note = run(["readelf", "-n", PROGRAM]).stdout.split("Build ID: ")[1].split()[0]
    bytes_ = PROGRAM.read_bytes()
    found = bytes_.index(bytes.fromhex(note))
    other = tmp_path / "lazyllm"
    other.write_bytes(bytes_[:found] + bytes([bytes_[found] ^ 1]) + bytes_[found + 1:])
    other.chmod(0o755)
    ask = ["run", "-m", data / "models" / "stories260K.gguf", "--no-chat", "-p", "x", "-t", 1]
    result = run([*mpirun(1, PROGRAM, *ask), ":", "-n", "1", other, *ask])
    assert result.returncode != 0 and "another build of lazyllm than rank 0's" in result.stderr


def test_a_build_without_mpi_says_how_to_get_it(program):
    if b"MPI_Init_thread" in program.path.read_bytes():
        pytest.skip("this build has MPI")
    result = run(mpirun(2, program.path, "--version"))
    assert result.returncode != 0 and "this build of lazyllm has no MPI" in result.stderr and "--preset mpi" in result.stderr


class Serving(ServeProcess):
    """`mpirun ... lazyllm serve`; its own pid is mpirun's."""

    def __init__(self, tmp_path, ranks: int, *arguments, **options):
        starter = tmp_path / f"serve-{ranks}.sh"
        words = mpirun(ranks, PROGRAM) if ranks > 1 else [str(PROGRAM)]
        starter.write_text("#!/bin/sh\nexec " + " ".join(words) + ' "$@"\n')
        starter.chmod(0o755)
        super().__init__(starter, *arguments, **options)

    def rank_pids(self) -> dict[int, int]:
        pids = {}
        for child in run(["pgrep", "-P", self.process.pid]).stdout.split():
            for word in pathlib.Path(f"/proc/{child}/environ").read_bytes().split(b"\0"):
                if word.startswith(b"OMPI_COMM_WORLD_RANK="):
                    pids[int(word.split(b"=")[1])] = int(child)
        return pids


def ask_all(server, documents: list[str]) -> list[dict]:
    """Two questions about each document, all at once, and then once more."""
    def ask(prompt):
        status, body = server.ask("/v1/completions", {"prompt": prompt, "temperature": 0, "max_tokens": 12, "seed": 1})
        assert status == 200, body
        return body["choices"][0]["text"]

    prompts = [f"{document} The {thing}" for document in documents for thing in ("dog", "girl")]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return [list(pool.map(ask, prompts)) for _ in range(2)]


@pytest.mark.parametrize("prune", [["--policy", "dense"], ["--prune", "3:0.4", "--min-prompt", 0]])
def test_a_server_answers_the_same(data, tmp_path, prune):
    documents = [f"Once upon a time there were {n} little dogs and a girl. " * 12 for n in ("two", "three", "four")]
    options = ["-m", data / "models" / "stories260K.gguf", "--parallel", 3, "-t", 1, *prune]
    with Serving(tmp_path, 1, *options) as server:
        expected = ask_all(server, documents)
    with Serving(tmp_path, 2, *options) as server:
        assert ask_all(server, documents) == expected
        assert server.metric("prompt_tokens_cached_total") > 0  # snapshots were used
        # A client that goes away leaves the others' answers as they are.
        gone = server.start_post("/v1/completions", {"prompt": documents[0] * 3, "max_tokens": 400, "stream": True})
        time.sleep(0.2)
        gone.close()
        assert ask_all(server, documents) == expected
        server.wait_until_idle()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_lost_rank_ends_all(data, tmp_path, how):
    server = Serving(tmp_path, 2, "-m", data / "models" / "stories260K.gguf", "-t", 1)
    pids = server.rank_pids()
    assert set(pids) == {0, 1}
    os.kill(pids[1], how)
    start = time.monotonic()
    try:
        code = server.process.wait(30)
    finally:
        if server.process.poll() is None:
            server.process.kill()
        if how == signal.SIGSTOP and pathlib.Path(f"/proc/{pids[1]}").exists():
            os.kill(pids[1], signal.SIGKILL)
    assert code != 0
    assert time.monotonic() - start < 15  # 10 s where nothing else runs
    server._reader.join(5)
    text = "\n".join(server.lines)
    assert ("rank 1 was not heard of" in text) if how == signal.SIGSTOP else ("rank 1" in text), text
