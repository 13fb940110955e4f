#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The moving pictures of README, from the real program: docs/pictures/show-kept.svg (a terminal) and docs/pictures/page.webp.

    tools/make_pictures.py -m models/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf

The page's needs Chromium with its driver, selenium and pillow; --only kept does without. What the terminal shows is what the program printed; a wait of more than 3 s before the first
word is shown as 3 s. Of the page a picture is taken every 0.3 s.
"""

import argparse
import html
import io
import itertools
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
DOCUMENT, QUESTION = ROOT / "tests" / "questions" / "meeting.txt", "What is the name of the rescue boat?"
COLUMNS, ROWS, WIDTH, HEIGHT = 96, 30, 8.4, 18  # of the terminal; of a character, in pixels
COLOURS = {"38;5;244": ("#8a8f98", None), "38;5;16;48;5;43": ("#06281f", "#00d7af"), "2": ("#8a8f98", None)}
PLAIN = ("#d6dae1", None)
LONGEST_WAIT = 3.0  # seconds that are shown of the wait before the first word


def ansi_rows(text):
    """Rows of (colours, text), broken between words at COLUMNS."""
    rows, style = [], PLAIN
    for line in text.split("\n"):
        cells = []  # (colours, character)
        for part in re.split(r"(\x1b\[[\d;]*m)", line):
            if part.startswith("\x1b"):
                style = COLOURS.get(re.sub(r"^0;|;4$", "", part[2:-1]), PLAIN)
            else:
                cells += [(style, character) for character in part]
        while len(cells) > COLUMNS:
            at = next((i + 1 for i in range(COLUMNS - 1, 0, -1) if cells[i][1] == " "), COLUMNS)
            rows.append(runs(cells[:at]))
            cells = cells[at:]
        rows.append(runs(cells))
    while rows and not rows[-1]:
        rows.pop()
    return rows


def runs(cells):
    return [(style, "".join(character for _, character in group)) for style, group in itertools.groupby(cells, key=lambda cell: cell[0])]


def svg_row(row, number):
    backs, texts, column = "", "", 0
    for (colour, back), text in row:
        x = 12 + column * WIDTH
        if back:
            backs += f'<rect x="{x:.1f}" y="{number * HEIGHT + 4}" width="{len(text) * WIDTH:.1f}" height="{HEIGHT}" fill="{back}"/>'
        texts += f'<text x="{x:.1f}" y="{number * HEIGHT + 17}" fill="{colour}" textLength="{len(text) * WIDTH:.1f}">{html.escape(text, quote=False)}</text>'
        column += len(text)
    return backs + texts


def style_of(wait, down):
    """When each part appears, and how the rows roll up by `down`."""
    typed, shown, read = 2.5, 2.5 + wait, 5 + wait
    end = read + down * 0.35 + 5

    def appear(name, at):
        share = 100 * at / end
        return f"@keyframes {name} {{ 0%, {share:.2f}% {{ visibility: hidden }} {share + 0.01:.2f}%, 100% {{ visibility: visible }} }}\n.{name} {{ animation: {name} {end:.1f}s step-end infinite }}\n"

    return (appear("settings", typed) + appear("kept", shown) +
            f"@keyframes roll {{ 0%, {100 * read / end:.2f}% {{ transform: translateY(0) }} {100 * (end - 5) / end:.2f}%, 100% {{ transform: translateY({-down * HEIGHT}px) }} }}\n"
            f".roll {{ animation: roll {end:.1f}s linear infinite }}\n")


def kept_picture(program, model, question, path):
    with tempfile.TemporaryDirectory() as folder:
        figures = pathlib.Path(folder) / "figures.json"
        result = subprocess.run([program, "run", "-m", model, "-f", DOCUMENT, "-p", question, "-n", "64", "--show-kept", "--color", "on", "--library", "none", "--stats-json", figures],
                                capture_output=True, text=True, check=True)
        first_word = json.loads(figures.read_text())["ttft_ms"] / 1000
    settings, rest = result.stderr.split("\n", 1)
    command = f'$ lazyllm run -m qwen2.5-coder-0.5b -f meeting.txt -p "{question}" --show-kept'
    head, answer, kept = ansi_rows(command), ansi_rows(f"\x1b[2m{settings}"), ansi_rows(result.stdout.rstrip() + "\n\n" + rest)
    rows = len(head) + len(answer) + len(kept)
    style = style_of(min(first_word, LONGEST_WAIT), max(rows + 1 - ROWS, 0))
    parts, number = {"typed": "", "settings": "", "kept": ""}, 0
    for name, group in (("typed", head), ("settings", answer), ("kept", kept)):
        for row in group:
            parts[name] += svg_row(row, number) + "\n"
            number += 1
    width, height = round(24 + COLUMNS * WIDTH), ROWS * HEIGHT + 12
    groups = "".join(f'<g class="{name}">\n{body}</g>\n' for name, body in parts.items())
    path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="ui-monospace, DejaVu Sans Mono, monospace" '
                    f'font-size="14">\n<title>lazyllm run --show-kept</title>\n<style>\ntext {{ white-space: pre }}\n{style}</style>\n<rect width="100%" height="100%" rx="8" fill="#14171c"/>\n'
                    f'<g class="roll">\n{groups}</g>\n</svg>\n')
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1000} kB, first word after {first_word:.1f} s")


def page_picture(program, model, path):
    sys.path.insert(0, str(ROOT / "tests" / "python"))
    from PIL import Image
    from browsing import Page, chromium
    from serving import ServeProcess

    os.environ["LAZYLLM_LIBRARY"] = "none"
    frames, times = [], []
    with ServeProcess(program, "-m", model, "-c", 4096) as server:
        browser = next(starting := chromium.__wrapped__())
        page = Page(browser, server).open(width=1000, height=680)

        def take():
            image = Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")
            times.append(time.monotonic())
            frames.append(image)

        def watch(condition, seconds=600):
            limit = time.monotonic() + seconds
            while not condition():
                take()
                time.sleep(0.3)
                if time.monotonic() > limit:
                    sys.exit("make_pictures.py: the page does not come to an end")
            take()

        take()
        page.id("files").send_keys(str(DOCUMENT))
        watch(lambda: page.all("#documents .chip") and "counting" not in page.all("#documents .chip")[0].text)
        for part in re.findall(r"\S+ ?", QUESTION):
            page.id("question").send_keys(part)
            take()
        page.id("question").send_keys("\ue007")
        watch(lambda: page.all(".turn .figures"))
        for summary in page.all("details.sources summary, .sources summary")[:1]:
            summary.click()
        for _ in range(8):
            take()
            time.sleep(0.3)
        next(starting, None)
    waits = [max(round(1000 * (later - earlier)), 50) for earlier, later in zip(times, times[1:])] + [4000]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=waits, loop=0, quality=55, method=6)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1000} kB, {len(frames)} pictures of {sum(waits) / 1000:.0f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-m", "--model", required=True)
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build" / "release" / "lazyllm")
    parser.add_argument("--only", choices=["kept", "page"])
    parser.add_argument("--question", default=QUESTION, help="of the terminal's")
    parser.add_argument("--name", default="show-kept", help="of the terminal's file")
    options = parser.parse_args()
    folder = ROOT / "docs" / "pictures"
    folder.mkdir(exist_ok=True)
    if options.only != "page":
        kept_picture(options.program, options.model, options.question, folder / f"{options.name}.svg")
    if options.only != "kept":
        page_picture(options.program, options.model, folder / "page.webp")


if __name__ == "__main__":
    main()
