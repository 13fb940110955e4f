# SPDX-License-Identifier: Apache-2.0
"""docs/lab/readers-tasks.md: each answer stands where the table says."""

import re


def tasks(root):
    text = (root / "docs" / "lab" / "readers-tasks.md").read_text()
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line.startswith("| ") and not line.startswith("| task")]


def plain(text):
    return " ".join(text.split())


def test_the_answers_stand_where_the_table_says(root, program):
    missing, seen = [], 0
    for task, place, words in tasks(root):
        command = re.fullmatch(r"`lazyllm (.*)`", place)
        text = program.ok(*command.group(1).split()) if command else (root / place).read_text()
        seen += 1
        if plain(words) not in plain(text):
            missing.append(f"{task}: {place} has no: {words}")
    assert seen >= 10 and not missing, missing
