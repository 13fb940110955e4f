# SPDX-License-Identifier: Apache-2.0
"""What the program says to somebody who does not know it yet: help, near misses, settings, names of models."""

import re

import pytest

COMMANDS = ["run", "chat", "serve", "pull", "list", "tokenize", "tune", "info", "policies", "quantize", "bench", "eval", "attention", "report", "paper", "logits"]


def error(program, *arguments):
    result = program.run(*arguments)
    assert result.returncode == 2 and result.stdout == b"", result
    return result.stderr.decode()


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_plain(program, command):
    text = program.ok("help", command)
    assert text == program.ok(command, "--help") and f"Usage: lazyllm {command} " in text + " "
    everything = program.ok(command, "--help-all")
    assert len(everything) >= len(text)
    for page in (text, everything):
        assert not re.search(r"\b(INT|UINT|FLOAT|NONNEGATIVE|POSITIVE|REQUIRED)\b| in \[", page), page
        assert "default: default" not in page and "Options:" not in page
        assert max(len(line) for line in page.split("Example")[0].splitlines()) <= 100
    assert ("For experts" in everything) == ("--help-all" in text)


def test_the_first_page(program):
    text = program.ok("help")
    assert text == program.ok("--help") and all(re.search(rf"^  {command} ", text, re.MULTILINE) for command in COMMANDS)


def test_near_misses(program, data):
    model = data / "models" / "stories260K.gguf"
    assert "Did you mean 'run'?" in error(program, "rnu", "-m", model)
    assert "Did you mean 'serve'?" in error(program, "server")
    assert "lazyllm help" in error(program, "frobnicate")
    assert "no GPU" in error(program, "run", "-m", model, "-ngl", "99", "-p", "x")
    assert "OWNER/REPO" in error(program, "run", "-hf", "no-slash", "-p", "x") and "-m FILE" in error(program, "run", "-p", "x")
    presets = error(program, "run", "-m", model, "--no-chat", "-p", "x", "--prune", "foo")
    assert "careful, balanced, fast, off, paper" in presets and "foo" in presets


def test_wrong_flags_in_plain_words(program):
    for arguments, words in ((["--predcit", "4"], "lazyllm run has no flag --predcit. Did you mean --predict?"), (["--frobnicate"], "has no flag --frobnicate\n"),
                             (["-m", "a", "-m", "b"], "--model is given more than once"), (["--temp"], "--temp needs a value"), (["extra"], "'extra' belongs to no flag"),
                             (["-n", "many"], "many")):
        told = error(program, "run", *arguments)
        assert told.startswith("lazyllm: ") and words in told and told.endswith("lazyllm help run explains its flags.\n"), told
        assert not re.search(r"\b(TEXT|INT|FLOAT)\b|At Most|not expected", told), told


def test_flags_that_fingers_know(program, data):
    run = ["run", "-m", data / "models" / "stories260K.gguf", "--no-chat", "-p", "Once upon a time"]
    assert program.ok(*run, "--n-predict", 8, "--temperature", 0) == program.ok(*run, "-n", 8, "--temp", 0)
    assert program.ok(*run, "-n", 4, "-r", "-ngl") == program.ok(*run, "-n", 4)


def test_presets_by_their_names_of_today_and_before(program, data, tmp_path):
    common = ["-m", data / "models" / "stories260K.gguf", "--no-chat", "-p", "The cat sat on the mat. " * 40, "-n", 2, "--profile", "none"]

    def schedule(name):
        return program.stats(tmp_path, *common, "--prune", name)[1]["schedule"]

    assert schedule("careful") == schedule("conservative") == program.stats(tmp_path, *common)[1]["schedule"] != ""
    assert schedule("fast") == schedule("aggressive") != schedule("balanced")
    for policy in ("lazy", "tsp", "random"):
        stats = program.stats(tmp_path, *common, "--policy", policy, "--prune", "off")[1]
        assert stats["policy"] == "dense" and stats["computed_fraction"] == 1


def test_one_line_says_which_settings_hold(program, data, smollm2, tmp_path):
    stories = ["run", "-m", data / "models" / "stories260K.gguf", "--no-chat", "-n", 2, "-p", "The cat sat on the mat. " * 40]

    def settings(*arguments, **options):
        lines = [line for line in program.run(*arguments, **options).stderr.decode().splitlines() if line.startswith("Settings: ")]
        assert len(lines) == 1
        return lines[0]

    assert "careful" in settings(*stories) and "tune" in settings(*stories)
    assert "off" in settings(*stories, "--prune", "off") and "off" in settings(*stories, "--policy", "dense")
    assert "lazy 2:0.5" in settings(*stories, "--prune", "2:0.5")
    assert re.search(r"measured for .*SmolLM2-135M-Instruct\.profile\.json.* 1\.7x as soon, the same next word in 97 %",
                     settings("run", "-m", smollm2, "-n", 1, "-p", "Hello"), re.IGNORECASE)


def test_profiles_do_not_depend_on_the_folder(program, smollm2, tmp_path, monkeypatch):
    common = ["-m", smollm2.resolve(), "--no-chat", "-p", "The cat sat on the mat. " * 160, "-n", 1]
    here = program.stats(tmp_path, *common)[1]["schedule"]
    monkeypatch.chdir(tmp_path)
    assert program.stats(tmp_path, *common)[1]["schedule"] == here == "9:0.5"


def test_figures_in_words(program, data):
    run = ["run", "-m", data / "models" / "stories260K.gguf", "--no-chat", "-n", 4]
    long = program.run(*run, "-p", "The cat sat on the mat. " * 40).stderr.decode()
    assert re.search(r"Read \d+ tokens with \d+ % of the usual work\. First word after \d+\.\d s, then \d+ tokens/s\.", long) and "Aux Cache" not in long
    assert re.search(r"Short prompt \(\d+ tokens\): nothing skipped\.", program.run(*run, "-p", "The cat").stderr.decode())
    assert re.search(r"Read all of \d+ tokens\.", program.run(*run, "-p", "The cat", "--prune", "off").stderr.decode())
    assert "Aux Cache" in program.run(*run, "-p", "The cat", "--verbose").stderr.decode()


def test_models_by_name(program, data, tmp_path, monkeypatch):
    monkeypatch.setenv("LAZYLLM_MODELS", str(tmp_path))
    assert re.search(r"^smollm2-135m .* no$", program.ok("list"), re.MULTILINE)
    result = program.run("run", "-m", "smollm2-135m", "-p", "x")
    assert result.returncode == 1 and b"tools/fetch-model smollm2-135m" in result.stderr and str(tmp_path).encode() in result.stderr
    (tmp_path / "SmolLM2-135M-Instruct.Q4_1.gguf").symlink_to(data / "models" / "stories260K.gguf")
    assert re.search(r"^smollm2-135m .* yes$", program.ok("list"), re.MULTILINE)
    assert program.ok("run", "-m", "smollm2-135m", "--no-chat", "-p", "Once upon a time", "-n", 4)
    assert "stories260K" in program.ok("info", "smollm2-135m") or "llama" in program.ok("info", "smollm2-135m")
