# SPDX-License-Identifier: Apache-2.0
"""The documents: a site without a broken link, made pages that are up to date, paths that exist, and spelling."""

import pathlib
import re
import shutil
import subprocess
import sys

import pytest

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
# A path in the tree, named in backticks.
NAMED = re.compile(r"`((?:apps|bench|cmake|docs|examples|include|packaging|profiles|python|src|tests|tools)/[\w./-]*)`")
EXAMPLES = {"src/lazy/scores/newest.cpp", "src/lazy/policies/once.cpp"}  # what a reader would write


def documents(root):
    return [*sorted((root / "docs").rglob("*.md")), *sorted(root.glob("*.md")), root / "python" / "README.md"]


def anchors(text):
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_the_site_is_built_without_a_warning(root, tmp_path):
    pytest.importorskip("material", reason="mkdocs-material is not installed")
    result = subprocess.run([sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path / "site"], cwd=root,
                            capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin", "NO_MKDOCS_2_WARNING": "1", "DISABLE_MKDOCS_2_WARNING": "true"})
    assert result.returncode == 0, result.stdout + result.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 20
    # The site fetches nothing from elsewhere.
    for page in pages:
        fetched = re.findall(r'<(?:script|img|iframe)[^>]*\ssrc="(https?:[^"]*)"|<link[^>]*rel="(?:stylesheet|preconnect)"[^>]*href="(https?:[^"]*)"', page.read_text())
        assert fetched == [], page


def test_no_link_is_broken(root):
    broken, seen = [], 0
    for file in documents(root):
        for target in LINK.findall(FENCE.sub("", file.read_text())):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            found = (file.parent / path).resolve() if path else file
            seen += 1
            if not found.exists() or (anchor and found.suffix == ".md" and anchor not in anchors(found.read_text())):
                broken.append(f"{file.relative_to(root)}: {target}")
    assert seen > 60 and not broken, broken


def test_paths_that_are_named_exist(root):
    missing = []
    for file in [*documents(root), *(root / "src").rglob("*.h")]:
        for name in NAMED.findall(file.read_text()):
            pattern = re.sub(r"\b[A-Z]{4,}\b", "*", name.rstrip("./"))  # TARGET: any
            if name not in EXAMPLES and not any(root.glob(pattern)) and not any(root.glob(pattern + ".*")):
                missing.append(f"{file.relative_to(root)}: {name}")
    for file in [*(root / "src").rglob("*.h"), *(root / "src").rglob("*.cpp"), *(root / "apps").rglob("*.cpp"), *(root / "include").rglob("*.h")]:
        missing += [f"{file.relative_to(root)}: {name}" for name in re.findall(r"docs/[\w/-]+\.md", file.read_text()) if not (root / name).exists()]
    assert not missing, missing


def markdown_faults(text):
    """What a formatter would mend: tables with uneven rows, headings without a blank line, open fences, white space at the ends of lines."""
    faults, fenced, columns = [], False, 0
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if line.startswith("```"):
            fenced = not fenced
        if fenced or line.startswith("    "):
            continue
        if line != line.rstrip() or "\t" in line:
            faults.append(f"{number}: white space at the end, or a tab")
        if re.match(r"#+ ", line) and ((number > 1 and lines[number - 2] != "") or (number < len(lines) and lines[number] != "")):
            faults.append(f"{number}: a heading without blank lines around it")
        cells = len(re.sub(r"`[^`]*`|\\\|", "", line).strip("|").split("|")) if line.startswith("|") else 0
        if cells and columns and cells != columns:
            faults.append(f"{number}: {cells} cells under {columns}")
        columns = columns or cells if cells else 0
    if fenced:
        faults.append("a fence is not closed")
    if not text.endswith("\n") or text.endswith("\n\n"):
        faults.append("must end with one line end")
    return faults


def test_markdown_is_well_formed(root):
    assert markdown_faults("# a\nb \n| a | b |\n|---|\n```\n") == ["1: a heading without blank lines around it", "2: white space at the end, or a tab", "4: 1 cells under 2", "a fence is not closed"]
    found = {str(file.relative_to(root)): faults for file in documents(root) if (faults := markdown_faults(file.read_text()))}
    assert not found, found


def test_flags_are_those_of_the_program(root, program, tmp_path):
    description = program.ok("help", "--json")
    subprocess.run([sys.executable, root / "tools" / "cli_documents.py", "--markdown", tmp_path / "flags.md"], input=description, text=True, check=True)
    assert (tmp_path / "flags.md").read_text() == (root / "docs" / "reference" / "flags.md").read_text(), \
        "lazyllm help --json | tools/cli_documents.py --markdown docs/reference/flags.md"


def test_man_pages_and_completions_are_well_formed(root, program, tmp_path):
    description = program.ok("help", "--json")
    subprocess.run([sys.executable, root / "tools" / "cli_documents.py", "--out", tmp_path, "--version", "1"], input=description, text=True, check=True)
    pages = sorted((tmp_path / "man1").glob("*.1"))
    assert len(pages) > 10 and "--ctx-size" in (tmp_path / "man1" / "lazyllm-run.1").read_text().replace("\\", "")
    if shutil.which("groff"):
        for page in pages:
            told = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z", page], capture_output=True, text=True, check=True).stderr
            assert told == "", told

    def complete(*words):
        script = (f"source {tmp_path / 'bash' / 'lazyllm'}; COMP_WORDS=({' '.join(words)} ''); COMP_CWORD={len(words)}; "
                  f"COMP_WORDS[{len(words)}]=\"$LAST\"; _lazyllm; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
        return lambda last: subprocess.run(["bash", "-c", script], env={"LAST": last, "PATH": "/usr/bin:/bin"}, capture_output=True, text=True,
                                           check=True, cwd=root).stdout.split()

    assert complete("lazyllm")("to") == ["tokenize"] and "run" in complete("lazyllm")("")
    assert "--ctx-size" in complete("lazyllm", "run")("--ctx") and complete("lazyllm", "run", "-m")("READ") == ["README.md"]
    assert complete("lazyllm", "run", "--color")("o") == ["on", "off"]
    for shell, file in (("zsh", "zsh/_lazyllm"), ("fish", "fish/lazyllm.fish")):
        if shutil.which(shell):
            subprocess.run([shell, "-n", tmp_path / file], check=True)


def test_spelling(root):
    """Words that codespell takes for others: names of the code, and British spelling is right."""
    checker = shutil.which("codespell", path=f"{pathlib.Path(sys.executable).parent}:/usr/bin")
    if checker is None:
        pytest.skip("codespell is not installed")
    tracked = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md", "*.h", "*.cpp", "*.py", "*.js", "*.html", "*.sh", "quickstart", "test"], cwd=root,
                             capture_output=True, text=True, check=True).stdout.split()
    wanted = [name for name in tracked if not re.search(r"(unicode|_tables?)\b|golden|words_|stemmer|/seeds/", name) and (root / name).is_file()]
    assert len(wanted) > 300
    result = subprocess.run([checker, "--ignore-words", root / "tests" / "python" / "spelling.txt", *wanted], cwd=root, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_the_plot_of_the_evidence_is_its_tables(root):
    result = subprocess.run([sys.executable, root / "tools" / "evidence_plot.py", "--check"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
