# SPDX-License-Identifier: Apache-2.0
"""`lazyllm run --show-kept`: the prompt as it was read, on stderr."""

import json
import re

import pytest

PROMPT = "Once upon a time there was a little dog. He liked the park.\n" * 12


@pytest.fixture(scope="module")
def arguments(data):
    return ["run", "-m", data / "models" / "stories260K.gguf", "--no-chat", "-p", PROMPT, "-n", 8, "--prune", "2:0.5,4:0.5",
            "--min-prompt", 0, "--protect-first", 1, "--revive-budget", 2]


def test_marks_and_counts(program, arguments, tmp_path):
    plain = program.ok(*arguments)
    result = program.run(*arguments, "--show-kept", "--color", "off", "--stats-json", tmp_path / "s.json")
    assert result.returncode == 0 and result.stdout.decode() == plain
    view = result.stderr.decode()
    stats = json.loads((tmp_path / "s.json").read_text())
    kept, n = stats["kept_per_layer"], stats["prompt_tokens"]
    counts = dict(re.findall(r"\] (all \d+ layers|left after layer \d+|revived by the answer) +(\d+) tokens", view))
    assert int(counts["all 5 layers"]) == kept[4]
    assert int(counts["left after layer 4"]) == kept[3] - kept[4]
    assert int(counts["left after layer 2"]) == n - kept[3]
    assert 0 < int(counts["revived by the answer"]) <= stats["revived_tokens"] <= 14
    text = [line for line in view.splitlines() if "Once upon" in line or "little dog" in line]
    assert "\033" not in view and len(text) >= 12
    assert re.search(r"^[#.^ ]*#[#.^ ]*$", view, re.MULTILINE)


def test_colours_do_not_change_the_text(program, arguments):
    view = program.run(*arguments, "--show-kept", "--color", "on").stderr.decode()
    assert "\033[0;38;5;16;48;5;43m" in view and ";4m" in view
    bare = re.sub("\033\\[[0-9;]*m", "", view)
    assert bare.split("[kept]")[0].endswith(PROMPT)


def test_a_prompt_cannot_steer_the_terminal(program, data):
    result = program.run("run", "-m", data / "models" / "stories260K.gguf", "--no-chat", "-p", "\033]0;owned\a\033[2J Once upon", "-n", 1,
                         "--show-kept", "--color", "off")
    assert result.returncode == 0 and b"\033" not in result.stderr and b"\a" not in result.stderr
