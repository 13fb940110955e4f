# SPDX-License-Identifier: Apache-2.0
"""The command line. Exit codes as the program's: 0, 1 for data or disk, 2 for usage."""

import argparse
import json
import pathlib
import sys

from . import markdown, page
from .bootstrap import Resampler
from .load import ReportError, load
from .sections import Builder, Report
from .study import studies_of


def arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="lazyllm report")
    parser.add_argument("folders", nargs="+", metavar="DIR", type=pathlib.Path, help="folder that lazyllm eval wrote")
    parser.add_argument("--out", type=pathlib.Path, help="folder for report.md, report.html, report.json and plots/ (default: the first DIR)")
    parser.add_argument("--title", default="lazyllm evaluation", help="heading")
    parser.add_argument("--able", default="", help="tasks that the model can do, comma separated: averaged apart as well")
    parser.add_argument("--resamples", type=int, default=5000, help="of the bootstrap")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    parser.add_argument("--no-plots", action="store_true", help="tables only; does without matplotlib")
    options = parser.parse_args(words)
    if not 100 <= options.resamples <= 100_000:
        parser.error("--resamples must lie between 100 and 100000")
    if options.seed < 0:
        parser.error("--seed must not be negative")
    return options


def write(folder: pathlib.Path, report: Report, title: str) -> list[pathlib.Path]:
    """Errors: ReportError when the folder cannot be written."""
    texts = {"report.html": page.render(report, title), "report.md": markdown.render(report, title),
             "report.json": json.dumps({"format": 1, "title": title, "figures": report.figures}, indent=1, ensure_ascii=False) + "\n"}
    texts |= {f"plots/{plot.name}.svg": plot.file() for plot in report.plots}
    try:
        (folder / "plots" if report.plots else folder).mkdir(parents=True, exist_ok=True)
        for name, content in texts.items():
            (folder / name).write_text(content, encoding="utf-8", errors="replace")
    except OSError as error:
        raise ReportError(f"cannot write {error.filename or folder}: {error.strerror}; choose another folder with --out") from None
    return [folder / name for name in ("report.md", "report.html", "report.json")]


def main(words: list[str] | None = None) -> int:
    options = arguments(words)
    try:
        folder = options.out or (options.folders[0] if options.folders[0].is_dir() else options.folders[0].parent)
        loaded = load(options.folders)
        able = [name.strip() for name in options.able.split(",") if name.strip()]
        unknown = sorted(set(able) - {sample.task for sample in loaded.samples})
        if unknown:
            raise ReportError(f"--able {', '.join(unknown)}: no samples of such a task")
        resampler = Resampler(options.resamples, options.seed)
        if options.no_plots:
            from .no_plots import NoPlots as Plots
        else:
            from .plots import Plots   # takes a second and needs matplotlib
        report = Builder(loaded, studies_of(loaded.samples), able, resampler, Plots()).build()
        for file in write(folder, report, options.title):
            print(file, flush=True)
        if loaded.problems:
            print(f"lazyllm: {len(loaded.problems)} lines skipped, the first: {loaded.problems[0]}", file=sys.stderr)
    except ReportError as error:
        print(f"lazyllm: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        sys.stdout = None   # the reader is gone; the files are written
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
