# SPDX-License-Identifier: Apache-2.0
"""lazyllm paper: an estimate first, then tables and figures; a stopped run goes on."""

import json
import re
import shutil
import subprocess

import pytest


@pytest.fixture
def paper(program, data, tmp_path):
    found = any(shutil.which(python) and subprocess.run([python, "-c", "import numpy, matplotlib"], capture_output=True, check=False).returncode == 0
                for python in ("python3", "/usr/bin/python3"))
    if not found:
        pytest.skip("python3-matplotlib is not installed; ./test installs it")
    folder = tmp_path / "data"
    folder.mkdir()
    story = "Once upon a time there was a little dog. He liked the park. " * 30
    for task in ("hotpotqa", "qasper"):
        (folder / f"{task}.jsonl").write_text("".join(json.dumps({"input": f"Question {i}: where?", "context": story, "answers": ["the park"], "_id": f"{task}-{i}"}) + "\n" for i in range(1)))
    (folder / "dataset2prompt.json").write_text(json.dumps({task: "{context}\n{input}" for task in ("hotpotqa", "qasper")}))
    (folder / "dataset2maxlen.json").write_text(json.dumps({"hotpotqa": 6, "qasper": 6}))

    def run(*more):
        return program.run("paper", data / "models" / "stories260K.gguf", folder, "--out", tmp_path / "out", "--max-length", 100, *more, timeout=1500)

    run.out = tmp_path / "out"
    return run


def test_estimate_then_tables_and_figures(paper):
    first = paper("--estimate")
    assert first.returncode == 0, first.stderr
    assert re.search(rb"^2 records of 2 tasks, 12 settings, and 16 more for Figure 6: about \d+\.\d hours", first.stdout) and not (paper.out / "report").exists()
    before = (paper.out / "table" / "samples.jsonl").read_text()
    result = paper()
    assert result.returncode == 0, result.stderr
    samples = [json.loads(line) for line in (paper.out / "table" / "samples.jsonl").read_text().splitlines()]
    assert len(samples) == 2 * 12 and (paper.out / "table" / "samples.jsonl").read_text().startswith(before)
    assert {row["policy"] for row in samples} == {"dense", "lazy", "random", "static", "compress"}
    report = (paper.out / "report" / "report.md").read_text()
    assert "(paper)" in report and list((paper.out / "report" / "plots").glob("*.svg"))
    assert "Fig. 6" in (paper.out / "report-figure-6" / "report.md").read_text()
    assert "| after layer |" in (paper.out / "figure-2.md").read_text()


def test_a_folder_without_records(paper, tmp_path):
    result = paper("--tasks", "narrativeqa")
    assert result.returncode == 1 and b"narrativeqa.jsonl" in result.stderr and b"tools/get-data" in result.stderr
