# SPDX-License-Identifier: Apache-2.0
"""A document is read once: a PDF on the page, read ahead, asked twice, and once more of a server that was started anew."""

import re
import textwrap

import pytest
from pdf import make_pdf
from proxies import free_port
from serving import ServeProcess

pytest.importorskip("selenium", reason="selenium is not installed")

from browsing import Page, chromium  # noqa: E402, F401


def figures(page):
    """Of the last answer: tokens known already, share of the usual work."""
    text = page.all(".turn .figures")[-1].text
    known = re.search(r"Known already\n([\d,]+) tokens", text)
    work = re.search(r"Work done\n([\d.]+)\s*%", text)
    assert work, text
    return int(known.group(1).replace(",", "")) if known else 0, float(work.group(1)) / 100


def test_a_pdf_is_read_once_and_known_after_a_restart(chromium, program, smollm2, root, tmp_path):  # noqa: F811
    pdf = tmp_path / "minutes.pdf"
    text = (root / "tests" / "questions" / "meeting.txt").read_text()
    pdf.write_bytes(make_pdf("\n".join(line for paragraph in text.splitlines() for line in textwrap.wrap(paragraph, 90) or [""])))
    arguments = ["-m", smollm2, "-c", 4096, "--library", tmp_path / "library"]
    port = free_port()
    with ServeProcess(program.path, *arguments, port=port) as server:
        page = Page(chromium, server).open()
        page.set("max-tokens", 8)
        page.add(pdf)
        page.until(lambda: "Ask away" in page.id("ahead").text)
        (size,) = [int(chip.text.split()[0].replace(",", "")) for chip in page.all("#documents .size")]
        assert size > 500
        server.wait_for_metric("settled", 1, timeout=120)  # read to the last layer, and written
        page.ask("Where did the meeting take place?")
        page.answered()
        known, work = figures(page)
        assert known > 0.95 * size and work < 0.1
        page.ask("Who wrote the minutes?")
        page.answered(turns=2)
        known, work = figures(page)
        assert known > 0.95 * size and work < 0.1
        server.wait_for_metric("settled", 1, timeout=120)
    with ServeProcess(program.path, *arguments, port=port) as server:
        assert server.metric("prompt_tokens_total") == 0
        page.reload()  # the conversation and its document are still there
        page.ask("What is the name of the rescue boat?")
        page.answered(turns=3)
        known, work = figures(page)
        assert known > 0.95 * size and work < 0.1
        assert page.console() == []
    # And a conversation that begins anew, of a third server.
    with ServeProcess(program.path, *arguments, port=port) as server:
        page = Page(chromium, server).open()
        page.set("max-tokens", 8)
        page.add(pdf)
        page.ask("When will the next meeting be?")
        page.answered()
        known, work = figures(page)
        assert known > 0.95 * size and work < 0.1
