# SPDX-License-Identifier: Apache-2.0
"""``lazyllm eval`` in parts (``--part``) on the nodes of a cluster, with the samples of one machine in the order of one machine."""

from __future__ import annotations

import argparse
import collections
import contextlib
import ctypes
import hashlib
import json
import logging
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
from typing import Any

import ray  # type: ignore[import-not-found,import-untyped,unused-ignore]
from ray.exceptions import RayActorError  # type: ignore[import-not-found,import-untyped,unused-ignore]
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # type: ignore[import-not-found,import-untyped,unused-ignore]

from ._errors import Error, UsageError
from ._server import find_program
from .ray import cores_of_all, nodes

_MOST_LOSSES = 3  # of a part's actors, before it is given up
_PATIENCE = 60.0  # seconds until somebody who waits is told for what


def _say(text: str) -> None:
    print(f"lazyllm: {text}", file=sys.stderr, flush=True)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).split("\n")[0]


def _end_with_the_actor() -> None:
    """Of a child: an actor that is killed leaves no program behind."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class _Worker:
    """An actor that answers parts, in a folder of its own node."""

    def kind(self, model: str) -> str:
        """What samples depend on beside the flags: they are alike on all nodes, or the study is not one."""
        program = find_program()
        told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.strip()
        if not os.path.exists(model):
            return f"{told}, without {model}"
        about = subprocess.run([program, "info", model], capture_output=True, text=True, check=False)
        kernels = next((line.partition(",")[0] for line in about.stdout.splitlines() if line.startswith("kernels")), "")
        state = os.stat(model)
        return f"{told}, {' '.join(kernels.split())}, {os.path.realpath(model)} of {state.st_size} bytes, changed at {state.st_mtime_ns}"

    def answer(self, flags: list[str], part: str, known: str) -> str:
        """The part's new lines. `known`: those that there are already."""
        with tempfile.TemporaryDirectory(prefix="lazyllm-eval-") as folder:
            file = pathlib.Path(folder) / "samples.jsonl"
            file.write_bytes(known.encode())
            command = [str(find_program()), "eval", *flags, "--part", part, "--out", folder]
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False,
                                  preexec_fn=_end_with_the_actor)
            if done.returncode != 0:
                told = [line.removeprefix("lazyllm: ") for line in done.stderr.splitlines() if line.startswith("lazyllm: ")]
                if done.returncode == 2 and told:
                    raise UsageError(told[0])
                ended = f"killed by signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
                raise Error(f"part {part} was not answered ({ended}): {told[0] if told else 'lazyllm eval said nothing'}")
            return file.read_bytes()[len(known.encode()):].decode()


class Cluster:
    """Workers on nodes. One that dies is replaced, on another node if its own is gone."""

    def __init__(self, per_node: int):
        self.places = [str(node["NodeID"]) for node in nodes() for _ in range(per_node)]
        self.cores = cores_of_all(nodes(), per_node)
        self._kind = ray.remote(num_cpus=self.cores)(_Worker)

    def start(self, place: str) -> Any:
        return self._kind.options(scheduling_strategy=NodeAffinitySchedulingStrategy(place, soft=True)).remote()

    def answer_all(self, flags: list[str], parts: list[str], known: str, keep: Any) -> None:
        """Calls `keep` with each part and its lines, in the order in which they are done."""
        waiting, losses = collections.deque(parts), collections.Counter[str]()
        stored = ray.put(known)
        free = [self.start(place) for place in self.places[:len(parts)]]
        names = dict(zip(free, self.places))
        work: dict[Any, tuple[Any, str]] = {}
        while waiting or work:
            while waiting and free:
                worker, part = free.pop(), waiting.popleft()
                work[worker.answer.remote(flags, part, stored)] = worker, part
            while free:  # nothing is left for them, and another's replacement may wait for their cores
                ray.kill(free.pop())
            (done,), _ = ray.wait(list(work))
            worker, part = work.pop(done)
            try:
                keep(part, ray.get(done))
            except RayActorError as error:
                losses[part] += 1
                if losses[part] >= _MOST_LOSSES:
                    raise Error(f"part {part} ended {_MOST_LOSSES} actors; the last one: {_first_line(error)}") from error
                _say(f"the actor of part {part} died; another one takes it")
                waiting.appendleft(part)
                ray.kill(worker)  # one that cannot be reached may live, and keep its cores
                place = names.pop(worker)
                worker = self.start(place)
                names[worker] = place
            free.append(worker)


def _flag(flags: list[str], *names: str) -> str | None:
    """The value of a flag that the program would take."""
    found = None
    for here, then in zip(flags, [*flags[1:], ""]):
        name, equals, value = here.partition("=")
        if name in names:
            found = value if equals else then
    return found


def _checked_model(flags: list[str]) -> str:
    """What needs no cluster is refused before there is one."""
    model = _flag(flags, "-m", "--model")
    if model is None or not os.path.exists(model):
        raise UsageError("a study on a cluster needs -m with a file or folder that all nodes have under this path")
    for wrong in ("--part", "--config", "-hf", "--hf-repo"):
        if _flag(flags, wrong) is not None:
            raise UsageError(f"{wrong} does not go together with --ray")
    return model


def _keys(file: pathlib.Path, text: str) -> list[str]:
    """Of the samples in `text`, which lie in `file`; empty for an empty line. A text may hold other characters that Python takes for line ends."""
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        try:
            key = json.loads(line)["key"] if line.strip() else ""
        except (ValueError, KeyError, TypeError):
            key = None
        if not isinstance(key, str):
            raise UsageError(f"{file}:{number}: not a sample of this program; delete the line, or give another --out")
        found.append(key)
    return found


def _known(out: str) -> str:
    """The samples that there are, whole lines. What is wrong with them or with their folder is said before a cluster is asked."""
    try:
        (pathlib.Path(out) / "parts").mkdir(parents=True, exist_ok=True)
        file = pathlib.Path(out) / "samples.jsonl"
        known = file.read_bytes() if file.exists() else b""
        known = known[:known.rfind(b"\n") + 1]  # a last line that was cut short
        _keys(file, known.decode())
        return known.decode()
    except OSError as error:
        raise UsageError(f"--out {out}: {error.filename}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file}: not UTF-8, so not of this program; give another --out") from error


def _kind_of_all(cluster: Cluster, model: str) -> str:
    """The one kind of all nodes."""
    probes = [cluster.start(place) for place in cluster.places]
    asked = [probe.kind.remote(model) for probe in probes]
    _, waiting = ray.wait(asked, num_returns=len(asked), timeout=_PATIENCE)
    if waiting:
        _say(f"{len(waiting)} of {len(asked)} actors still wait for {cluster.cores} free cores on their node; perhaps another job of the cluster holds them")
    try:
        kinds = set(ray.get(asked))
    finally:
        for probe in probes:
            ray.kill(probe)
    if len(kinds) > 1:
        raise UsageError("the nodes are not alike, so their samples would not be those of one machine: " + "; ".join(sorted(kinds)))
    return str(kinds.pop())


def _looked_at(per_node: int, model: str) -> tuple[Cluster, str]:
    """The cluster, and the kind of its nodes. One of them may be gone without the cluster's having noticed: then once more."""
    for losses in range(1, _MOST_LOSSES + 1):
        cluster = Cluster(per_node)
        try:
            return cluster, _kind_of_all(cluster, model)
        except RayActorError as error:
            if losses == _MOST_LOSSES:
                raise Error(f"an actor died before it had looked at its node, {losses} times: {_first_line(error)}") from error
            _say("an actor died before it had looked at its node; the nodes are looked at again")
    raise AssertionError


def _cut(folder: pathlib.Path, study: str, parts: int, cluster: Cluster, *, told: bool) -> tuple[int, int]:
    """The number of parts, and the threads (0: the flags tell them): those of the parts that are answered already, since the cluster may have lost
    or gained nodes meanwhile, and else what suits the cluster."""
    answered = collections.Counter[tuple[int, int]]()
    for file in folder.glob(f"{study}-*.jsonl"):
        found = re.fullmatch(r"\d+-of-(\d+)-by-(\d+)", file.stem.removeprefix(f"{study}-"))
        if found and parts in (0, int(found[1])):
            answered[int(found[1]), int(found[2])] += 1
    if not answered:
        return parts or 4 * len(cluster.places), 0 if told else cluster.cores
    (count, threads), number = answered.most_common(1)[0]
    _say(f"{number} of {count} parts are answered already" + (f", with {threads} threads, as the others will be" if threads not in (0, cluster.cores) else ""))
    return count, threads


def _evaluate(args: argparse.Namespace, flags: list[str], model: str, known: str) -> int:
    cluster, kind = _looked_at(args.actors_per_node, model)
    folder = pathlib.Path(args.out)
    samples, parts_folder = folder / "samples.jsonl", folder / "parts"

    # Parts of another study, or of one with other samples before it, are not those of this one.
    study = hashlib.sha256(json.dumps([flags, kind, known]).encode()).hexdigest()[:16]
    count, threads = _cut(parts_folder, study, args.parts, cluster, told=_flag(flags, "-t", "--threads") is not None)
    if threads > 0:
        flags = [*flags, "--threads", str(threads)]

    def file_of(part: str) -> pathlib.Path:
        return parts_folder / f"{study}-{part.replace('/', '-of-')}-by-{threads}.jsonl"

    def keep(part: str, lines: str) -> None:
        beside = file_of(part).with_suffix(".tmp")
        beside.write_bytes(lines.encode())
        os.replace(beside, file_of(part))
        _say(f"part {part} is answered")

    parts = [f"{number}/{count}" for number in range(1, count + 1)]
    unused = len(set(parts_folder.glob("*.jsonl")) - {file_of(part) for part in parts})
    if unused > 0:
        _say(f"files in {parts_folder} that are of another study, or of another cut of this one, and not used: {unused}")
    cluster.answer_all(flags, [part for part in parts if not file_of(part).exists()], known, keep)
    keys = set(_keys(samples, known))
    whole = [known]
    for part in parts:
        lines = file_of(part).read_bytes().decode()
        for key, line in zip(_keys(file_of(part), lines), lines.split("\n")):
            if key and key not in keys:  # the same question may stand in two parts
                whole.append(line + "\n")
            keys.add(key)
    beside = samples.with_suffix(".tmp")
    beside.write_bytes("".join(whole).encode())
    os.replace(beside, samples)
    for part in parts:
        file_of(part).unlink()
    # It finds every sample, and prints the tables.
    return subprocess.run([find_program(), "eval", *flags, "--out", folder], check=False).returncode


def _join(address: str) -> None:
    """Becomes a driver of the cluster. Ray itself tries an address that does not answer for minutes."""
    host, colon, port = address.rpartition(":")
    _say(f"looking for a cluster of Ray ({address})")
    try:
        if colon and port.isdigit() and "/" not in host:
            socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
        ray.init(address=address, log_to_driver=False, logging_level=logging.WARNING)
    except ValueError as error:
        raise UsageError(f"--ray {address}: {_first_line(error)}; it is HOST:PORT, or auto") from error
    except (OSError, OverflowError) as error:
        raise Error(f"--ray {address}: no cluster of Ray answers there ({_first_line(error)}); `ray start --head` begins one") from error


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m lazyllm_engine.ray", allow_abbrev=False, description="lazyllm on a cluster of Ray")
    evaluate = parser.add_subparsers(dest="command", required=True).add_parser(
        "eval", allow_abbrev=False, help="lazyllm eval, its questions spread over the nodes", description="All other flags are those of `lazyllm eval`.")
    evaluate.add_argument("--ray", metavar="ADDRESS", default="auto", help="of the cluster: HOST:PORT, or auto for one that runs on this machine")
    evaluate.add_argument("--out", required=True, help="folder for samples.jsonl; an interrupted run goes on there")
    evaluate.add_argument("--parts", type=int, default=0, help="into how many the questions are cut (default: 4 for each actor)")
    evaluate.add_argument("--actors-per-node", type=int, default=1, help="1, or the number of NUMA nodes")
    args, flags = parser.parse_known_args(arguments)
    if args.parts < 0 or args.actors_per_node < 1:
        parser.error("--parts and --actors-per-node are 1 or more")
    try:
        model = _checked_model(flags)
        known = _known(args.out)
        with contextlib.redirect_stdout(sys.stderr):  # what Ray has to say; the tables come from the program
            _join(args.ray)
            return _evaluate(args, flags, model, known)
    except (Error, ray.exceptions.RayError) as error:
        cause = getattr(error, "cause", None) or error
        _say(str(cause) if isinstance(cause, Error) else _first_line(cause))
        return 2 if isinstance(cause, UsageError) else 1
    except KeyboardInterrupt:
        _say(f"stopped; the same command goes on with the parts in {args.out}")
        return 130
    finally:
        ray.shutdown()
