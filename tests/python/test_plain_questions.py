# SPDX-License-Identifier: Apache-2.0
"""bench/plain_questions.py: its questions can be answered from their texts, and it counts what the program says."""

import json
import subprocess
import sys

import pytest
from scripts import load_script


@pytest.fixture
def script(root):
    return load_script(root / "bench" / "plain_questions.py")


def test_the_questions_can_be_answered_from_their_texts(root, script):
    folder = root / "tests" / "questions"
    questions = json.loads((folder / "questions.json").read_text())
    assert len(questions) == 24 and len({item["question"] for item in questions}) == 24
    texts = {path.name: path.read_text() for path in folder.glob("*.txt")}
    assert len(texts) == 3
    for item in questions:
        assert script.is_right(texts[item["text"]], item["answers"]), item
        assert not script.is_right("I do not know.", item["answers"])


def test_circles_and_right_answers_are_counted(script):
    def answer(dense, lazy, circles=False):
        arm = {"circles": False, "computed_fraction": 0.7, "schedule": "9:0.5"}
        return {"dense": {**arm, "right": dense}, "lazy": {**arm, "right": lazy, "circles": circles}}

    counted = script.summary([answer(True, True), answer(True, False, circles=True), answer(False, True)], "lazy")
    assert counted == {"questions": 3, "right_dense": 2, "right_lazy": 2, "lazy_right_where_dense_is": 1, "circles_dense": 0, "circles_lazy": 1,
                       "work_done": pytest.approx(0.7), "schedule": "9:0.5"}


def test_one_question_by_the_program(root, program, smollm2, tmp_path):
    result = subprocess.run([sys.executable, root / "bench" / "plain_questions.py", "--program", program.path, "-m", smollm2, "--limit", "1", "-n", "24", "--together",
                             "--json", tmp_path / "answers.json"], capture_output=True, text=True, check=False)
    assert result.returncode == 0 and "of 1; lazy right where dense is" in result.stdout, result.stderr
    (answers,) = json.loads((tmp_path / "answers.json").read_text()).values()
    assert answers[0]["dense"]["policy"] == "dense" and answers[0]["lazy"]["policy"] == "lazy" and answers[0]["lazy"]["computed_fraction"] < 1
    both = subprocess.run([sys.executable, root / "bench" / "plain_questions.py", "--program", program.path, "-m", smollm2, "--limit", "1", "-n", "8",
                           "--lazy", "--prune 12:0.5", "--lazy", "--prune 20:0.25 --score last"], capture_output=True, text=True, check=False)
    assert both.returncode == 0 and "lazy --prune 12:0.5 (12:0.5," in both.stdout and "(20:0.25," in both.stdout, both.stderr
    bad = subprocess.run([sys.executable, root / "bench" / "plain_questions.py", "--program", program.path, "-m", "absent.gguf"], capture_output=True, text=True, check=False)
    assert bad.returncode != 0 and "absent.gguf" in bad.stderr
