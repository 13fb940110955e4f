# SPDX-License-Identifier: Apache-2.0
"""`lazyllm tune` and the profiles it writes: found, named, overridden, refused."""

import json
import shutil

import pytest
from serving import ServeProcess

SENTENCES = ["Once upon a time, there was a little girl named {}. ", "She loved to play outside in the park with her {}. ",
             "One day, {} saw a big red ball. ", "It was very happy and ran to {}. ", "\"Can I play too?\" asked {}. "]
NAMES = ["Lily", "Tom", "Anna", "Ben", "the dog", "the cat", "Sue", "Max", "mom", "the bird"]


@pytest.fixture(scope="module")
def stories(data):
    return data / "models" / "stories260K.gguf"


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    file = tmp_path_factory.mktemp("text") / "story.txt"
    file.write_text("".join(SENTENCES[i % 5].format(NAMES[i * 7 % 10]) for i in range(400)))
    return file


@pytest.fixture(scope="module")
def tuned(program, stories, story, tmp_path_factory):
    out = tmp_path_factory.mktemp("tune") / "stories.profile.json"
    arguments = ["tune", "-m", stories, "--data", story, "--length", 300, "--needles", 12, "--windows", 6, "--no-chat",
                 "--max-loss", "12.5%", "--out", out]
    return out, program.ok(*arguments), arguments


def prompt_of(story):
    return ["--no-chat", "-p", story.read_text()[:900], "-n", 4]


def test_a_profile_is_written_with_its_figures(tuned, stories):
    out, text, _ = tuned
    profile = json.loads(out.read_text())
    assert profile["format"] == "lazyllm-profile" and profile["version"] == 1
    assert len(profile["model"]["fingerprint"]) == 16
    measured = profile["measured"]
    assert measured["prompts"] == 6 and measured["ttft_speedup"] >= 1.3 and measured["max_loss"] == 0.125
    assert 0 <= measured["mean_kl"] <= 0.5 and measured["answer_loglik_difference"] >= -0.25
    assert profile["pruning"]["schedule"] in text and "Chosen" in text and "predicted TTFT" in text


def test_an_interrupted_run_goes_on_with_what_it_had(tuned, program):
    out, _, arguments = tuned
    state = out.with_name(out.name + ".state") / "samples.jsonl"
    whole = state.read_text().splitlines(keepends=True)
    assert any("found" in json.loads(line) for line in whole), "the heads are not kept"
    first = json.loads(out.read_text())
    program.ok(*arguments)
    assert state.read_text().splitlines(keepends=True) == whole, "trials were made again"
    assert json.loads(out.read_text()) == first
    state.write_text("".join(whole[: len(whole) // 2]) + whole[-1][:40])  # stopped in the middle of a line
    program.ok(*arguments)
    again = state.read_text().splitlines(keepends=True)
    assert again[: len(whole) // 2] == whole[: len(whole) // 2]
    assert len({json.loads(line)["key"] for line in again}) == len(again)


def test_given_settings_are_measured_as_a_search_measures_them(tuned, program):
    out, _, arguments = tuned
    first, state = json.loads(out.read_text()), (out.with_name(out.name + ".state") / "samples.jsonl").read_text()
    given = first["pruning"]
    found = f"lazy@{given['schedule']}" + "".join(f"+{name.replace('_', '-')}={given[name]}" for name in ("score", "score_pool", "keep_mass", "protect_first",
                                                                                                       "protect_last", "revive_budget"))
    text = program.ok(*arguments, "--only", found)
    assert json.loads(out.read_text()) == first and (out.with_name(out.name + ".state") / "samples.jsonl").read_text() == state, "nothing was run anew"
    assert text.count(f"lazy@{given['schedule']}+") == 2, "one candidate, one choice"
    slow = program.ok(*arguments[:-1], out.with_name("slow.json"), "--only", "lazy@4:0.9", "--only", "lazy@3:0.95")
    assert "none found" in slow and "lazy@4:0.9+score=last+score-pool=7+" in slow and not out.with_name("slow.json").exists()


@pytest.mark.parametrize("given, says", [("lazy@paper", "with a schedule"), ("tsp@2:0.5", "of policy lazy"), ("lazy@2:0.5+pool=3", "--only lazy@2:0.5+pool=3"),
                                         ("lazy@99:0.5", "99"), ("dense", "of policy lazy")])
def test_settings_that_cannot_be_measured_are_refused(program, stories, story, tmp_path, given, says):
    result = program.run("tune", "-m", stories, "--data", story, "--length", 300, "--no-chat", "--out", tmp_path / "p.json", "--only", given)
    assert result.returncode == 2 and says in result.stderr.decode() and not (tmp_path / "p.json").exists()


def test_a_named_profile_is_used_and_overridden(tuned, program, stories, story, tmp_path):
    out, _, _ = tuned
    pruning = json.loads(out.read_text())["pruning"]
    run = ["run", "-m", stories, *prompt_of(story), "--stats-json", tmp_path / "s.json"]
    result = program.run(*run, "--profile", out)
    assert result.returncode == 0 and str(out) in result.stderr.decode()
    assert json.loads((tmp_path / "s.json").read_text())["schedule"] == pruning["schedule"]
    result = program.run(*run, "--profile", out, "--prune", "3:0.5", "--min-prompt", 0)
    assert str(out) not in result.stderr.decode()
    assert json.loads((tmp_path / "s.json").read_text())["schedule"] == "3:0.5"
    result = program.run(*run, "--profile", out, "--policy", "dense")
    assert result.returncode == 0 and str(out) not in result.stderr.decode()


def test_a_profile_beside_the_model_is_found(tuned, program, stories, story, tmp_path):
    out, _, _ = tuned
    model = tmp_path / "stories.gguf"
    shutil.copy(stories, model)
    run = ["run", "-m", model, *prompt_of(story)]
    assert b"profile" not in program.run(*run).stderr
    beside = tmp_path / "stories.gguf.profile.json"
    shutil.copy(out, beside)
    assert str(beside) in program.run(*run).stderr.decode()
    assert b"profile" not in program.run(*run, "--profile", "none").stderr
    chat = program.run("chat", "-m", model, stdin="")  # ends at once, or says that there is no chat template
    assert str(beside) in chat.stderr.decode() or b"chat template" in chat.stderr
    beside.write_text("{")
    result = program.run(*run)
    assert result.returncode == 1 and str(beside) in result.stderr.decode()


def test_the_server_uses_it_unless_a_request_has_a_schedule(tuned, program, stories, story):
    out, _, _ = tuned
    pruning = json.loads(out.read_text())["pruning"]
    with ServeProcess(program.path, "-m", stories, "--profile", out, "--parallel", 1, "--no-warmup") as server:
        assert any(str(out) in line for line in server.lines)
        offered = server.get("/props")[1]["default_lazy"]
        assert offered["profile"] == out.name and offered["prune"] == pruning["schedule"] and offered["score"] == pruning["score"]
        body = {"prompt": story.read_text()[:900], "max_tokens": 2, "temperature": 0}
        assert server.ask("/v1/completions", body)[1]["lazy"]["schedule"] == pruning["schedule"]
        assert server.ask("/v1/completions", {**body, "lazy": {"prune": "3:0.5", "min_prompt": 0}})[1]["lazy"]["schedule"] == "3:0.5"


@pytest.mark.parametrize("score", ["last", "window:4", "value:2", "ahead", "accumulate:2", "heads:1.2=0.5,3.1"])
def test_the_server_chooses_the_same_tokens_from_a_snapshot(program, stories, story, score):
    def answer(prompt, **more):
        status, body = server.ask("/v1/completions", {"prompt": prompt, "max_tokens": 8, "temperature": 0, "logprobs": 1, "lazy": {"report": "tokens"}, **more})
        assert status == 200
        return body

    with ServeProcess(program.path, "-m", stories, "--prune", "3:0.3", "--score", score, "--min-prompt", 0, "--parallel", 1, "--no-warmup") as server:
        document = story.read_text()[:900]
        answer(document + "Then Lily")
        cached, fresh = answer(document + "One day Tom"), answer(document + "One day Tom", cache_prompt=False)
    assert cached["lazy"]["cached_tokens"] > 200 and fresh["lazy"]["cached_tokens"] == 0
    for key in ("kept_per_layer", "tokens"):
        assert cached["lazy"][key] == fresh["lazy"][key]
    assert cached["choices"][0]["logprobs"] == fresh["choices"][0]["logprobs"]


@pytest.mark.parametrize("content, says", [
    (None, "cannot read the profile"), ("", "profile.json"), ("[]", "profile.json"), ('{"format": "x"}', "is no profile"),
    ('{"format": "lazyllm-profile", "version": 7}', "version 7")])
def test_a_bad_profile_is_refused(program, stories, story, tmp_path, content, says):
    file = tmp_path / "a.profile.json"
    if content is not None:
        file.write_text(content)
    result = program.run("run", "-m", stories, *prompt_of(story), "--profile", file)
    assert result.returncode == 1 and says in result.stderr.decode() and str(file) in result.stderr.decode()


def test_the_profile_of_another_model_is_refused(tuned, program, stories):
    out, _, _ = tuned
    profile = json.loads(out.read_text())
    profile["model"]["fingerprint"] = "0" * 16
    other = out.with_name("other.profile.json")
    other.write_text(json.dumps(profile))
    result = program.run("run", "-m", stories, "--no-chat", "-p", "Once", "-n", 1, "--profile", other)
    assert result.returncode == 2 and "another model" in result.stderr.decode()


def test_every_score_answers(program, stories, story, tmp_path):
    run = ["-m", stories, *prompt_of(story), "--min-prompt", 0, "--prune", "2:0.5,4:0.5"]
    for score in ["last", "window:4", "ahead", "ahead:1", "accumulate:2", "accumulate:3@4", "heads:1.2=0.5,3.1"]:
        _, stats = program.stats(tmp_path, *run, "--score", score, "--score-pool", 3)
        n = stats["prompt_tokens"]
        assert stats["kept_per_layer"][2] == -(-n // 2), score
    _, stats = program.stats(tmp_path, *run, "--keep-mass", 0.3)
    assert stats["kept_per_layer"][2] < n // 2
    for bad in ["best", "heads:9.1", "heads:1.99", "window:0"]:
        result = program.run("run", *run, "--score", bad)
        assert result.returncode == 2 and b"--score" in result.stderr


def test_what_tune_cannot_use_is_refused(program, stories, tmp_path):
    out = tmp_path / "x.profile.json"
    lines = tmp_path / "records.jsonl"
    for content, says in [("not json\n", "records.jsonl:1"), ('{"prompt": "a"}\n', '"answer"'), ("", "is empty"), ("\n\n", "only blank lines")]:
        lines.write_text(content)
        result = program.run("tune", "-m", stories, "--data", lines, "--no-chat", "--out", out)
        assert result.returncode != 0 and says in result.stderr.decode()
    result = program.run("tune", "-m", stories, "--data", lines, "--max-loss", "a lot", "--out", out)
    assert result.returncode == 2 and b"--max-loss" in result.stderr
    assert not out.exists()


def test_nothing_is_written_when_nothing_is_found(program, stories, story, tmp_path):
    out = tmp_path / "x.profile.json"
    text = program.ok("tune", "-m", stories, "--data", story, "--length", 100, "--needles", 0, "--windows", 3, "--no-chat",
                      "--max-loss", "0.00001%", "--out", out)
    assert "none found" in text and not out.exists()
