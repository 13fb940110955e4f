# SPDX-License-Identifier: Apache-2.0
"""tools/get-data: data sets in the forms in which they are distributed, and that `lazyllm eval` reads what it made."""

import json
import subprocess
import sys
import zipfile

import pytest

STORY = "The keeper of the lighthouse is called Mira. " * 20


def lines(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def get(root, tmp_path):
    def run(name, source, *more, code=0):
        result = subprocess.run([sys.executable, root / "tools" / "get-data", name, tmp_path / "made", "--from", str(source), *map(str, more)], capture_output=True, text=True, check=False)
        assert result.returncode == code, result.stderr
        return result.stderr if code else result.stdout

    run.folder = tmp_path / "made"
    run.records = lambda task: [json.loads(line) for line in (run.folder / f"{task}.jsonl").read_text().splitlines()]
    return run


@pytest.fixture
def evaluated(program, data, get, tmp_path):
    def run():
        result = program.run("eval", "-m", data / "models" / "stories260K.gguf", "--data", get.folder, "--out", tmp_path / "out", "--max-length", 150, "--limit", 1, "--policy", "lazy@2:0.5")
        assert result.returncode == 0, result.stderr
        return {row["task"] for row in map(json.loads, (tmp_path / "out" / "samples.jsonl").read_text().splitlines())}
    return run


def test_longbench_as_a_zip(get, evaluated, tmp_path):
    record = {"input": "Who keeps it?", "context": STORY, "answers": ["Mira"], "length": 140, "all_classes": None, "_id": "1"}
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.writestr("data/qasper.jsonl", lines(record))
        archive.writestr("data/hotpotqa_e.jsonl", lines(record))
        archive.writestr("data/vcsum.jsonl", lines(record))  # no prompt of ours: left out
        archive.writestr("data/README.md", "not a record")
    prompts = tmp_path / "config"
    prompts.mkdir()
    (prompts / "dataset2prompt.json").write_text(json.dumps({name: "{context}\n{input}" for name in ("qasper", "hotpotqa")}))
    (prompts / "dataset2maxlen.json").write_text(json.dumps({"qasper": 4, "hotpotqa": 4}))
    get("longbench", tmp_path / "data.zip", "--prompts", prompts)
    assert get.records("qasper") == [record] and not (get.folder / "vcsum.jsonl").exists() and evaluated() == {"qasper", "hotpotqa_e"}
    assert "--prompts" in get("longbench", tmp_path / "data.zip", code=1)


def test_longbench_v2(get, evaluated, tmp_path):
    row = {"_id": "7", "question": "Who?", "context": STORY, "answer": "B", **{f"choice_{letter}": letter * 3 for letter in "ABCD"}}
    (tmp_path / "data.json").write_text(json.dumps([row, row]))
    get("longbench-v2", tmp_path / "data.json")
    made = get.records("longbench_v2")
    assert len(made) == 2 and made[0]["answers"] == ["B"] and made[0]["options"].splitlines()[1] == "B. BBB"
    assert evaluated() == {"longbench_v2"}


def test_infinitebench(get, evaluated, tmp_path):
    folder = tmp_path / "infinite"
    folder.mkdir()
    (folder / "passkey.jsonl").write_text(lines({"id": 0, "context": STORY, "input": "Which key?", "answer": ["4711"], "options": []}))
    (folder / "longbook_choice_eng.jsonl").write_text(lines({"id": 0, "context": STORY, "input": "Who?", "answer": ["Mira"], "options": ["Ada", "Mira", "Ida", "Eva"]}))
    (folder / "code_run.jsonl").write_text(lines({"id": 0, "context": "x", "input": "x", "answer": "1", "options": []}))
    get("infinitebench", folder)
    assert get.records("longbook_choice_eng")[0]["answers"] == ["B"] and not (get.folder / "code_run.jsonl").exists()
    assert json.loads((get.folder / "dataset2metric.json").read_text()) == {"passkey": "contains", "longbook_choice_eng": "choice"}
    assert evaluated() == {"passkey", "longbook_choice_eng"}


def test_loogle_in_both_of_its_forms(get, tmp_path):
    folder = tmp_path / "loogle"
    folder.mkdir()
    (folder / "shortdep_qa.jsonl").write_text(lines({"input": STORY, "title": "t", "qa_pairs": "[{'Q': 'Who?', 'A': 'Mira'}, {'Q': 'What?', 'A': 'a lighthouse'}]", "output": "none"}))
    (folder / "longdep_qa.jsonl").write_text(lines({"context": STORY, "question": "Who?", "answer": "Mira"}))
    (folder / "summarization.jsonl").write_text(lines({"input": STORY, "qa_pairs": "none", "output": "Mira keeps a lighthouse."}))
    get("loogle", folder)
    assert [row["answers"] for row in get.records("loogle_shortdep_qa")] == [["Mira"], ["a lighthouse"]]
    assert get.records("loogle_longdep_qa")[0]["input"] == "Who?" and get.records("loogle_summarization")[0]["answers"] == ["Mira keeps a lighthouse."]
    assert json.loads((get.folder / "dataset2metric.json").read_text())["loogle_summarization"] == "rouge"


def test_own_prompts(get, evaluated, tmp_path):
    (tmp_path / "mine.jsonl").write_text(lines({"prompt": STORY + "Who?", "answers": ["Mira"]}, {"prompt": STORY + "Who is it?", "answer": "Mira"}))
    assert "2 records" in get("own", tmp_path / "mine.jsonl", "--metric", "contains", "--max-tokens", 8)
    assert [row["answers"] for row in get.records("mine")] == [["Mira"], ["Mira"]] and evaluated() == {"mine"}


def test_hugging_face_layout(get, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    import pyarrow

    folder = tmp_path / "hub" / "longdep_qa"
    folder.mkdir(parents=True)
    parquet.write_table(pyarrow.Table.from_pylist([{"context": STORY, "question": "Who?", "answer": "Mira"}]), folder / "test-00000-of-00001.parquet")
    get("loogle", tmp_path / "hub")
    assert get.records("loogle_longdep_qa")[0]["answers"] == ["Mira"]


def test_what_is_wrong_is_said(get, tmp_path):
    assert "no such file" in get("own", tmp_path / "absent.jsonl", code=1)
    (tmp_path / "bad.jsonl").write_text('{"prompt": "x"\n')
    assert "bad.jsonl" in get("own", tmp_path / "bad.jsonl", code=1)
    (tmp_path / "other.json").write_text(json.dumps([{"question": "Who?"}]))
    assert "'_id'" in get("longbench-v2", tmp_path / "other.json", code=1)
    (tmp_path / "empty").mkdir()
    assert "no records" in get("loogle", tmp_path / "empty", code=1)
