# SPDX-License-Identifier: Apache-2.0
"""Reads samples.jsonl. A line that is no sample is noted with file and line and skipped, never fatal."""

import json
import math
import pathlib
import re
from dataclasses import dataclass, field

REQUIRED = ("suite", "task", "id", "policy")

# `key` of a sample: what its result depends on, joined by "|"; suite or task, id and a hash of the prompt follow (apps/cli/eval_*.cpp).
# From the second form on its first part is the form's number.
FIRST_KEY = ("version", "model", "model_bytes", "isa", "threads", "cache_type_k", "cache_type_v", "policy", "options")
SECOND_KEY = ("format", "version", "model", "model_bytes", "model_files", "isa", "threads", "cache_type_k", "cache_type_v", "arm")
SETTINGS = ("version", "model", "model_bytes", "isa", "threads", "cache_type_k", "cache_type_v", "machine", "max_length")


class ReportError(Exception):
    """A sentence for the user."""


@dataclass(slots=True)
class Sample:
    folder: str
    line: int
    suite: str
    task: str
    category: str
    id: str
    policy: str
    schedule: str
    options: str        # of the arm beside policy and schedule, as written in the sample
    asked: str          # policy's options with the schedule as it was asked for
    settings: dict      # model, version, machine ... (texts)
    prompt: str         # tells two prompts of one record apart: a hash or the number of tokens
    values: dict        # the line's finite numbers
    prediction: str | None
    raw: dict = field(repr=False)

    @property
    def record(self) -> tuple[str, str, str]:
        """What samples of several policies are paired by."""
        return self.suite, self.task, self.id

    def number(self, name: str) -> float:
        return self.values.get(name, math.nan)


@dataclass
class Problem:
    file: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}"


@dataclass
class Loaded:
    samples: list[Sample]
    problems: list[Problem]
    files: dict[str, int]   # file -> samples read from it


def finite(value) -> float | None:
    """A number of JSON as a float; None for what is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def text(value) -> str:
    """Any JSON value as text that can be written as UTF-8."""
    if value is None:
        return ""
    if not isinstance(value, str):
        value = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return value.encode("utf-8", "replace").decode()


def beside_the_schedule(options: str) -> str:
    """Without --prune as it was written, with which the key's options begin: the sample states the schedule it became."""
    parts = options.split(",")[1:]
    while parts and re.fullmatch(r"[\d.]+:[\d.]+", parts[0]):
        del parts[0]
    return ",".join(parts)


def settings_of(line: dict) -> tuple[dict, str, str, str]:
    """Settings, the arm's options without and with schedule, the prompt's hash: named keys first, otherwise from the sample's key."""
    parts = text(line.get("key")).split("|")
    fields = SECOND_KEY if parts[0].isdigit() else FIRST_KEY
    known = dict(zip(fields, parts)) if len(parts) >= len(fields) + 3 else {}
    prompt = parts[-1] if known else ""
    known |= {name: text(line[name]) for name in (*SETTINGS, "arm") if line.get(name) is not None}
    asked = known.get("arm") or known.get("options", "")   # "lazy@15:0.3+score-pool=7" or "15:0.3,last,7"
    options = asked.partition("+")[2] if known.get("arm") else beside_the_schedule(asked)
    if line.get("options") is not None:
        options = text(line["options"])
    known = {name: known[name] for name in SETTINGS if name in known}
    if not prompt:
        tokens = finite(line.get("prompt_tokens"))
        prompt = "" if tokens is None else f"{tokens:.0f} tokens"
    return known, options, asked or options, text(line.get("prompt_hash")) or prompt


def parse_line(folder: str, number: int, data: bytes) -> Sample:
    """Errors: ValueError saying what is wrong with the line."""
    try:
        line = json.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"invalid UTF-8 at byte {error.start}") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON ({str(error)[:80]})") from None
    if not isinstance(line, dict):
        raise ValueError("not a JSON object")
    if line.get("error"):
        raise ValueError(f"an error was recorded: {text(line['error'])[:120]}")
    for name in REQUIRED:
        if not isinstance(line.get(name), (str, int)) or isinstance(line.get(name), bool) or line[name] == "":
            raise ValueError(f"the field \"{name}\" is missing or no text")
    settings, options, asked, prompt = settings_of(line)
    values = {text(name): number for name, value in line.items() if (number := finite(value)) is not None}
    for name in ("ttft_ms", "total_ms"):  # a time of zero was not measured
        if values.get(name, 1.0) <= 0.0:
            del values[name]
    prediction = line.get("prediction")
    line.pop("tokens", None)   # long, and not used
    return Sample(folder, number, text(line["suite"]), text(line["task"]), text(line.get("category")), text(line["id"]), text(line["policy"]),
                  text(line.get("schedule")), options, asked, settings, prompt, values, text(prediction) if isinstance(prediction, str) else None, line)


def samples_file(folder: pathlib.Path) -> pathlib.Path:
    file = folder / "samples.jsonl" if folder.is_dir() else folder
    if not file.is_file():
        raise ReportError(f"there is no {file}; give a folder that `lazyllm eval --out` wrote")
    return file


def load(folders: list[pathlib.Path]) -> Loaded:
    """Errors: ReportError for a folder without samples."""
    loaded = Loaded([], [], {})
    for folder in folders:
        file = samples_file(folder)
        if str(file) in loaded.files:
            continue
        before = len(loaded.samples)
        try:
            with file.open("rb") as lines:
                for number, data in enumerate(lines, 1):
                    if not data.strip():
                        continue
                    try:
                        loaded.samples.append(parse_line(str(file), number, data))
                    except ValueError as error:
                        loaded.problems.append(Problem(str(file), number, str(error)))
        except OSError as error:
            raise ReportError(f"cannot read {file}: {error.strerror}") from None
        loaded.files[str(file)] = len(loaded.samples) - before
    if not loaded.samples:
        first = f"; the first line skipped: {loaded.problems[0]}" if loaded.problems else ""
        raise ReportError(f"{', '.join(loaded.files)}: no samples{first}")
    return loaded
