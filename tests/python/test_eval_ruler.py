# SPDX-License-Identifier: Apache-2.0
"""RULER: what is generated keeps the published texts and rules, scores equal the official ones, files of both forms are read."""

import json
import random
import re
import subprocess

import pytest

NIAH = {  # haystack, keys hold uuids, values hold uuids, keys, values, queries
    "niah_single_1": ("noise", False, False, 1, 1, 1), "niah_single_2": ("essay", False, False, 1, 1, 1), "niah_single_3": ("essay", False, True, 1, 1, 1),
    "niah_multikey_1": ("essay", False, False, 4, 1, 1), "niah_multikey_2": ("needle", False, False, 1, 1, 1),
    "niah_multikey_3": ("needle", True, True, 1, 1, 1), "niah_multivalue": ("essay", False, False, 1, 4, 1), "niah_multiquery": ("essay", False, False, 4, 1, 4)}
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
WORDS, NUMBER = r"[a-z]+-[a-z]+", r"[1-9]\d{6}"
TOKENS = {"niah": 128, "vt": 30, "cwe": 120, "fwe": 50}


# The official rules, written down again --------------------------------------------------------------------------------

def postprocess(prediction):
    return re.sub(r"[\x00-\x1f]", "\n", prediction.strip()).strip()


def string_match_all(prediction, answers):
    return sum(1.0 if answer.lower() in postprocess(prediction).lower() else 0.0 for answer in answers) / len(answers)


def string_match_part(prediction, answers):
    return max(1.0 if answer.lower() in postprocess(prediction).lower() else 0.0 for answer in answers)


PIECES = ["abc", "ABC", "Äbc", "ΣΑΣ", "σας", "İ", "1234567", "12", " ", "\n", "\x00", "\x1c", "\t", "x-y", ".", "日本", "\u00a0", "ß"]


@pytest.mark.parametrize("metric", [string_match_all, string_match_part])
def test_scores_equal_the_official_ones(metric, build):
    rng = random.Random(metric.__name__)

    def text(most):
        return "".join(rng.choice(PIECES) for _ in range(rng.randrange(1, most)))

    cases = [(text(20), [text(4) for _ in range(rng.randrange(1, 5))]) for _ in range(4000)]
    lines = "".join(json.dumps({"metric": metric.__name__, "prediction": p, "answers": a}) + "\n" for p, a in cases)
    done = subprocess.run([build / "score_lines"], input=lines.encode(), capture_output=True, check=True)
    scores = [float(line) for line in done.stdout.split()]
    expected = [metric(*case) for case in cases]
    assert scores == expected
    assert 0.1 < sum(expected) / len(expected) < 0.9, "the cases are too easy"


# Generation ------------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def templates(data):
    return json.loads((data / "ruler" / "templates.json").read_text())


@pytest.fixture(scope="module")
def generate(build, data):
    def run(*tasks, length=4096, samples=2, seed=42):
        done = subprocess.run([build / "ruler_lines", data / "tokenizers" / "ggml-vocab-gpt-2.gguf", data / "ruler" / "templates.json",
                               data / "text" / "frankenstein.txt", str(length), str(samples), str(seed), *tasks], capture_output=True, check=True)
        return [json.loads(line) for line in done.stdout.decode().splitlines()]
    return run


def pattern(form, **fields):
    """A regular expression for a template with its fields filled in."""
    text = re.escape(form)
    for name, value in fields.items():
        text = text.replace(re.escape("{" + name + "}"), value)
    return text


def test_token_budget_is_kept_and_used(generate, program, data, tmp_path):
    for length in (2048, 4096):
        for row in generate(length=length, samples=1):
            file = tmp_path / "prompt.txt"
            file.write_text(row["input"] + row["answer_prefix"], encoding="utf-8")
            tokens = len(program.ok("tokenize", "-m", data / "tokenizers" / "ggml-vocab-gpt-2.gguf", "-f", file, "--ids").split())
            assert row["length"] == tokens + row["max_tokens"] <= length
            assert row["length"] > 0.9 * length, (row["task"], row["length"])
            assert row["max_tokens"] == TOKENS[row["task"].split("_")[0]]


@pytest.mark.parametrize("task", NIAH)
def test_niah(task, generate, templates):
    haystack, uuid_keys, uuid_values, keys, values, queries = NIAH[task]
    kind, key, value = "uuids" if uuid_values else "numbers", UUID if uuid_keys else WORDS, UUID if uuid_values else NUMBER
    form, prefix = templates["niah"]["template"], templates["niah"]["answer_prefix"]
    asked = kind
    if queries * values == 1:
        asked = kind.rstrip("s")
        for old, new in (("Some", "A"), ("are all", "is"), ("are", "is"), ("answers", "answer")):
            form, prefix = form.replace(old, new), prefix.replace(old, new)
    rows = generate(task)
    assert len({row["input"] for row in rows}) == 2
    for row in rows:
        match = re.fullmatch(pattern(form, type_needle_v=asked, context="(?P<context>.*)", query="(?P<query>.*?)"), row["input"], re.DOTALL)
        assert match, row["input"][:300]
        assert row["answer_prefix"] == prefix.format(type_needle_v=asked, query=match["query"])
        needles = re.findall(pattern(templates["niah"]["needle"], type_needle_v=kind, key=f"({key})", value=f"({value})"), match["context"])
        if haystack != "needle":
            assert len(needles) == keys * values
        wanted = match["query"].replace(", and ", ", ").split(", ")
        assert len(wanted) == queries
        assert sorted(v for k, v in needles if k in wanted) == sorted(row["outputs"]) and len(row["outputs"]) == queries * values
        rest = re.sub(pattern(templates["niah"]["needle"], type_needle_v=kind, key=key, value=value), "", match["context"])
        if haystack == "noise":
            assert set(rest.split("\n")) <= {templates["niah"]["noise"], ""}
        elif haystack == "needle":
            assert rest.strip() == "" and len(needles) > 30
        else:
            assert rest.split()[:9] == "Letter 1 To Mrs. Saville, England. St. Petersburgh, Dec.".split(), rest[:100]


def test_vt(generate, templates):
    for row in generate("vt"):
        halves = re.fullmatch(pattern(templates["vt"]["template"], context="(.*)", query=r"(\d{5})") + pattern(templates["vt"]["answer_prefix"], num_v="5", query=r"(\d{5})") +
                              "([A-Z ]*)\n" + pattern(templates["vt"]["template"], context="(.*)", query=r"(\d{5})"), row["input"], re.DOTALL)
        assert halves, row["input"][:500]
        example, query, again, shown, context, asked = halves.groups()
        for text, names, value, letters in ((example, shown.split(), query, 3), (context, row["outputs"], asked, 5)):
            statements = re.findall(r"VAR ([A-Z]+) = (?:VAR ([A-Z]+) |(\d+))", text)
            assert [s[0] for s in statements] == names and len(set(names)) == 5 and all(len(n) == letters for n in names)
            assert statements[0][2] == value and [s[1] for s in statements[1:]] == names[:-1]
            rest = re.sub(r"VAR [A-Z]+ = (?:VAR [A-Z]+ |\d+)", "", text)
            assert set(rest.replace(templates["niah"]["noise"], "").split()) == set()
        assert query == again and row["answer_prefix"] == templates["vt"]["answer_prefix"].format(num_v=5, query=asked)


@pytest.mark.parametrize("length, common, uncommon, example_common, example_uncommon, example_words",
                         [(2048, 6, 1, 3, 1, 20), (4096, 30, 3, 10, 3, 40)])
def test_cwe(length, common, uncommon, example_common, example_uncommon, example_words, generate, templates):
    for row in generate("cwe", length=length):
        lists = re.findall(r"appear most often\.\n(.*?)\nQuestion", row["input"], re.DOTALL)
        assert len(lists) == 2
        for text, answers, often, seldom in ((lists[0], None, example_common, example_uncommon), (lists[1], row["outputs"], common, uncommon)):
            numbers, words = zip(*re.findall(r"(\d+)\. (\S+)", text))
            assert list(map(int, numbers)) == list(range(1, len(words) + 1))
            counts = {word: words.count(word) for word in set(words)}
            assert sorted(counts.values()) == [seldom] * (len(counts) - 10) + [often] * 10
            if answers is not None:
                assert {word for word, count in counts.items() if count == often} == set(answers)
            else:
                assert len(counts) == example_words
        assert row["answer_prefix"] == templates["cwe"]["answer_prefix"]


def test_fwe(generate, templates):
    for row in generate("fwe"):
        text = re.fullmatch(pattern(templates["fwe"]["template"], context="(.*)"), row["input"], re.DOTALL)[1]
        words = text.split(" ")
        counts = {word: words.count(word) for word in set(words)}
        ranked = sorted(counts, key=counts.get, reverse=True)
        assert ranked[0] == "..." and ranked[1:4] == row["outputs"]
        assert all(re.fullmatch("[a-z]{6}", word) for word in ranked[1:])
        # Zipf with alpha 2: rank k has 1/k^2 of what rank 1 has.
        assert [counts[word] for word in ranked[:4]] == pytest.approx([counts["..."] / k**2 for k in (1, 2, 3, 4)], abs=1.0)


def test_seeds(generate):
    assert generate("niah_multivalue", "fwe", seed=1) == generate("niah_multivalue", "fwe", seed=1)
    assert generate("niah_multivalue", seed=1) != generate("niah_multivalue", seed=2)


# The program -----------------------------------------------------------------------------------------------------------

@pytest.fixture
def evaluate(program, data, tmp_path):
    def run(*more, folder=None):
        return program.run("eval", "-m", data / "models" / "stories260K.gguf", "--suite", "ruler", "--data", folder or tmp_path, "--out", tmp_path / "out", *more)
    return run


def samples(tmp_path):
    return [json.loads(line) for line in (tmp_path / "out" / "samples.jsonl").read_text().splitlines()]


def test_generated_and_asked(evaluate, data, tmp_path):
    (tmp_path / "templates.json").write_text((data / "ruler" / "templates.json").read_text())
    arguments = ("--tasks", "niah_multikey_2,niah_single_1", "--max-length", 510, "--limit", 2, "--policy", "lazy@2:0.5", "--min-prompt", 0)
    done = evaluate(*arguments)
    assert done.returncode == 0, done.stderr
    rows = samples(tmp_path)
    assert [(r["task"], r["policy"]) for r in rows] == [("niah_multikey_2", "dense"), ("niah_multikey_2", "lazy")] * 2 + [("niah_single_1", "dense"), ("niah_single_1", "lazy")] * 2
    for row in rows:
        assert row["length"] <= 510 and row["prompt_tokens"] + TOKENS[row["task"].split("_")[0]] == row["length"]
        assert row["answer_loglik"] < 0 and row["answer_tokens"] > 0 and 0 <= row["score"] <= 1
    assert evaluate(*arguments).returncode == 0 and samples(tmp_path) == rows, "the same samples are made again"
    assert evaluate(*arguments, "--seed", 5).returncode == 0 and len(samples(tmp_path)) == 2 * len(rows)


def test_files_of_both_forms(evaluate, tmp_path):
    text = "Once upon a time there was a special number: 77. "
    (tmp_path / "niah_single_1.jsonl").write_text(json.dumps({"index": 5, "input": text, "outputs": ["77"], "length": 99, "answer_prefix": " The number is"}) + "\n")
    (tmp_path / "qa_1.jsonl").write_text(json.dumps({"index": 0, "input": text + " The number is", "outputs": ["77", "no"], "length": 9}) + "\n")
    (tmp_path / "vt").mkdir()
    (tmp_path / "vt" / "validation.jsonl").write_text(json.dumps({"index": 0, "input": text, "outputs": ["77"], "length": 9, "answer_prefix": " It is "}) + "\n")
    done = evaluate("--tasks", "niah_single_1,qa_1,vt")
    assert done.returncode == 0, done.stderr
    assert [(r["task"], r["generated_tokens"] <= most) for r, most in zip(samples(tmp_path), (128, 64, 30))] == [("niah_single_1", True), ("qa_1", True), ("vt", True)]
    for folder in (tmp_path, tmp_path / "qa_1.jsonl"):
        refused = evaluate("--tasks", "qa_2", folder=folder)
        assert refused.returncode == 2 and b"qa_2" in refused.stderr, refused.stderr
    assert b"| qa_1 | string_match_part |" in done.stdout and b"| vt | string_match_all |" in done.stdout


def test_bad_input(evaluate, data, tmp_path):
    def refused(code, *words, more=(), folder=None):
        done = evaluate(*more, folder=folder)
        assert done.returncode == code, done.stderr
        for word in words:
            assert word in done.stderr.decode(), done.stderr

    texts = json.loads((data / "ruler" / "templates.json").read_text())
    file = tmp_path / "templates.json"
    refused(1, "cannot read", "templates.json")
    file.write_text("[]")
    refused(1, "templates.json", "JSON object")
    file.write_text(json.dumps({**texts, "niah": {**texts["niah"], "needle": "nothing"}}))
    refused(1, "niah", "{key}")
    file.write_text(json.dumps(texts))
    refused(2, "niah_single_9", more=["--tasks", "niah_single_9"])
    refused(2, "--haystack", more=["--tasks", "niah_single_2"])
    refused(2, "no room", more=["--tasks", "niah_single_1", "--max-length", 200])
    refused(2, "--max-length 2500", "context", more=["--tasks", "niah_single_1", "--max-length", 2500])
    (tmp_path / "empty.txt").write_text(" \n")
    refused(1, "empty.txt", more=["--tasks", "niah_single_2", "--haystack", tmp_path / "empty.txt"])
    good = json.dumps({"index": 0, "input": "a b", "outputs": ["b"], "answer_prefix": " c"}) + "\n"
    for line, word in (("{", "JSON"), ('{"input": "a"}', "outputs"), ('{"outputs": ["a"]}', "input"), ('{"input": "", "outputs": ["a"]}', "empty"),
                       ('{"input": "a", "outputs": []}', "outputs"), ('{"input": "a", "outputs": ["b"]}', "answer_prefix")):
        (tmp_path / "fwe.jsonl").write_text(good + line + "\n")
        refused(1, "fwe.jsonl:2", word, more=["--tasks", "fwe"])
    (tmp_path / "fwe.jsonl").write_text(json.dumps({"input": "word " * 3000, "outputs": ["b"]}) + "\n")
    refused(1, "fwe.jsonl:1", "context", more=["--tasks", "fwe"])
