#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs llama.cpp's own server tests (tools/server/tests) against `lazyllm serve`.

    tests/peers/run.py --llama-cpp FOLDER [--program build/release/lazyllm] [--models ../shared/data/models] [PYTEST ARGUMENTS...]

FOLDER holds llama.cpp's sources, for instance vendor/llama.cpp in the source package of llama_cpp_python. Nothing of it is copied into the
tree: the tests run in a temporary folder, with llama_server.py in the place of llama-server and without those of left_out.txt.
Needs what their requirements.txt names, and pytest-timeout is of use (--timeout 60). Prints passed and failed per file.
"""

import argparse
import collections
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]

# No models are fetched: those that are absent have their tests left out. Names are compared whole: --deselect takes a beginning of them.
PLUGIN = """
import json, os, utils
utils.ServerPreset.load_all = staticmethod(lambda: None)
LEFT_OUT = set(json.loads(os.environ.get("LAZYLLM_PEER_LEFT_OUT", "[]")))
def pytest_collection_modifyitems(config, items):
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid in LEFT_OUT])
    items[:] = [item for item in items if item.nodeid not in LEFT_OUT]
"""


def left_out() -> list[str]:
    """Patterns of test names, without their reasons."""
    lines = (HERE / "left_out.txt").read_text().splitlines()
    return [line.split("#")[0].strip() for line in lines if line.split("#")[0].strip()]


def counts(report: pathlib.Path) -> dict[str, collections.Counter]:
    files = collections.defaultdict(collections.Counter)
    for case in xml.parse(report).iter("testcase"):
        kinds = {child.tag for child in case} & {"failure", "error", "skipped"}
        files[case.get("classname").split(".")[-1]][min(kinds) if kinds else "passed"] += 1
    return files


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llama-cpp", type=pathlib.Path, required=True)
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build" / "release" / "lazyllm")
    parser.add_argument("--models", type=pathlib.Path, default=ROOT.parent / "shared" / "data" / "models")
    parser.add_argument("--all", action="store_true", help="also those of left_out.txt")
    options, pytest_arguments = parser.parse_known_args()
    source = options.llama_cpp / "tools" / "server" / "tests"
    if not source.is_dir():
        parser.error(f"{source} is missing; --llama-cpp must name the folder of llama.cpp's sources")
    with tempfile.TemporaryDirectory() as folder:
        # Templates are looked for at ../../../models/templates.
        tests = pathlib.Path(folder) / "tools" / "server" / "tests"
        shutil.copytree(source, tests)
        if (options.llama_cpp / "models").is_dir():
            os.symlink((options.llama_cpp / "models").resolve(), pathlib.Path(folder) / "models")
        (tests / "lazyllm_peer.py").write_text(PLUGIN)
        environment = {**os.environ, "LLAMA_SERVER_BIN_PATH": str(HERE / "llama_server.py"), "LAZYLLM": str(options.program.resolve()),
                       "LAZYLLM_PEER_MODELS": str(options.models.resolve()), "PYTHONPATH": str(tests)}
        skipped = [] if options.all else left_out()
        listed = subprocess.run([sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "lazyllm_peer", "-m", "not slow"], cwd=tests,
                                env=environment, capture_output=True, text=True, check=False).stdout
        names = [line for line in listed.splitlines() if "::" in line]
        out = [name for name in names if any(re.search(pattern, name) for pattern in skipped)]
        print(f"{len(names)} tests, {len(out)} of them left out")
        environment["LAZYLLM_PEER_LEFT_OUT"] = json.dumps(out)
        report = pathlib.Path(folder) / "report.xml"
        code = subprocess.run([sys.executable, "-m", "pytest", "-q", "--tb=line", "-p", "lazyllm_peer", "-m", "not slow", f"--junitxml={report}",
                               *pytest_arguments], cwd=tests, env=environment, check=False).returncode
        ran, absent = counts(report), collections.Counter(pathlib.Path(name.split("::")[0]).stem for name in out)
        for file in sorted(ran.keys() | absent.keys()):
            print(f"{file:32} " + ", ".join([f"{kind} {count}" for kind, count in sorted(ran[file].items())] + [f"left out {absent[file]}"] * (file in absent)))
        return code


if __name__ == "__main__":
    sys.exit(main())
