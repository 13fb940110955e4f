#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does what a newcomer would do on a Debian 12 that holds nothing yet, and prints the minutes: from nothing to an answer about a PDF.

    packaging/fresh_debian.py deb wheel tarball     with what tools/release left in dist/VERSION
    packaging/fresh_debian.py source                clone, ./quickstart --build

Needs root and debootstrap. The machine is a folder with a system of its own (chroot); debootstrap makes it once. The model is put there before:
its download depends on the network alone and is not counted. What apt and pip fetch is counted by itself.
"""

import argparse
import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import textwrap
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
TEXT = ROOT / "tests" / "questions" / "meeting.txt"
QUESTION, ANSWER = "What is the name of the rescue boat?", "Kittiwake"
APT = "DEBIAN_FRONTEND=noninteractive apt-get -qq -y"


def make_pdf(text):
    """A plain PDF of the text, 60 lines on a page."""
    lines = [line for paragraph in text.split("\n") for line in (textwrap.wrap(paragraph, 90) or [""])]
    pages = [lines[i:i + 60] for i in range(0, len(lines), 60)]
    bodies = ["<</Type/Catalog/Pages 2 0 R>>", f"<</Type/Pages/Count {len(pages)}/Kids[{' '.join(f'{4 + 2 * i} 0 R' for i in range(len(pages)))}]>>",
              "<</Type/Font/Subtype/Type1/BaseFont/Courier/Encoding/WinAnsiEncoding>>"]
    for number, page in enumerate(pages):
        shown = "".join("({}) Tj T*\n".format(line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")) for line in page)
        stream = f"BT /F1 9 Tf 11 TL 50 780 Td\n{shown}ET"
        bodies.append(f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F1 3 0 R>>>>/Contents {5 + 2 * number} 0 R>>")
        bodies.append(f"<</Length {len(stream.encode('cp1252'))}>>stream\n{stream}\nendstream")
    pdf, places = b"%PDF-1.4\n", []
    for number, body in enumerate(bodies, 1):
        places.append(len(pdf))
        pdf += f"{number} 0 obj\n{body}\nendobj\n".encode("cp1252")
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    return pdf + f"xref\n0 {len(places) + 1}\n0000000000 65535 f \n{table}trailer<</Size {len(places) + 1}/Root 1 0 R>>\nstartxref\n{len(pdf)}\n%%EOF\n".encode()


class Machine:
    """A fresh system in a folder. `step` runs a command in it and keeps its time."""

    def __init__(self, base, folder, copied):
        if folder.exists():
            shutil.rmtree(folder)
        subprocess.run(["cp", "-a", base, folder], check=True)
        self.folder, self.steps, self.copied = folder, [], ["/etc/resolv.conf", *copied]

    def put(self, source, path):
        target = self.folder / str(path).lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        shutil.copyfile(source, target)  # without holes and links of this machine

    def step(self, name, command, kind="work"):
        for path in self.copied:  # each time: the package ca-certificates writes its own list of certificates
            self.put(path, path)
        before, begin = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime, time.monotonic()
        # Mounts and processes of its own: nothing is left when the command ends.
        result = subprocess.run(["unshare", "--mount", "--pid", "--fork", f"--mount-proc={self.folder}/proc", "chroot", self.folder, "/usr/bin/env", "-i", "HOME=/root", "LANG=C.UTF-8",
                                 "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "sh", "-ec", f"cd /root\n{command}"], capture_output=True, text=True, check=False)
        seconds, user = time.monotonic() - begin, resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
        print(f"  {seconds:7.1f} s  {user:7.1f} s of processor  {'(download) ' if kind == 'download' else '(check) ' if kind == 'check' else ''}{name}", flush=True)
        if result.returncode != 0:
            sys.exit(f"fresh_debian.py: {name}: exit code {result.returncode}\n{result.stdout[-2000:]}{result.stderr[-4000:]}")
        self.steps.append({"name": name, "kind": kind, "seconds": seconds, "user_seconds": user})
        return result.stdout + result.stderr

    def ask(self, program, *, kind="work"):
        said = self.step(f"{program} run -f meeting.pdf", f"{program} run -m model.gguf -f meeting.pdf -p '{QUESTION}' -n 48", kind)
        if ANSWER not in said:
            sys.exit(f"fresh_debian.py: the answer is wrong: {said}")
        self.said = " / ".join(line for line in said.strip().splitlines() if line)


def only(folder, pattern):
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        sys.exit(f"fresh_debian.py: {folder} holds {len(found)} files {pattern}, not one; run tools/release")
    return found[0]


def apt(machine, what):
    machine.step("apt-get update", f"{APT} update", "download")
    machine.step(f"fetch {what}", f"{APT} install --download-only {what}", "download")
    machine.step(f"apt-get install {what}", f"{APT} install {what}")


def try_deb(machine, dist):
    names = [only(dist, pattern).name for pattern in ("lazyllm_*.deb", "liblazyllm0_*.deb", "lazyllm-dev_*.deb")]
    for name in names:
        machine.put(dist / name, f"/root/{name}")
    apt(machine, f"./{names[0]}")
    machine.ask("lazyllm")
    machine.put(ROOT / "examples" / "answer.c", "/root/answer.c")
    machine.put(TEXT, "/root/meeting.txt")
    machine.step("manual, list", "test -s /usr/share/man/man1/lazyllm-run.1* && lazyllm list | grep -q qwen2.5-coder-0.5b && lazyllm --version", "check")
    machine.step("library and headers", f"{APT} install ./{names[1]} ./{names[2]} gcc libc6-dev pkg-config", "check")
    machine.step("an example in C", f"gcc answer.c -o answer $(pkg-config --cflags --libs lazyllm_c) && ./answer model.gguf meeting.txt '{QUESTION}' | grep {ANSWER}", "check")
    machine.step("removed again", f"{APT} remove lazyllm lazyllm-dev liblazyllm0 && ! command -v lazyllm", "check")


def try_wheel(machine, dist):
    wheel = only(dist, "lazyllm_engine-*.whl")
    machine.put(wheel, f"/root/{wheel.name}")
    apt(machine, "--no-install-recommends python3-venv poppler-utils")
    machine.step("pip install", f"python3 -m venv venv && venv/bin/pip install -q ./{wheel.name}")
    machine.ask("venv/bin/lazyllm")
    machine.put(TEXT, "/root/meeting.txt")
    machine.step("from Python", "venv/bin/python -c \"from lazyllm_engine import Model; print(Model('model.gguf').chat("
                 f"open('meeting.txt').read() + '\\n\\n{QUESTION}', max_tokens=48).text)\" | grep {ANSWER}", "check")
    machine.step("a fetch without libcurl", "venv/bin/lazyllm pull http://localhost/x.gguf 2>&1 | grep 'apt install libcurl4'", "check")


def try_tarball(machine, dist):
    archive = only(dist, f"lazyllm-*-linux-{os.uname().machine}.tar.gz")
    machine.put(archive, f"/root/{archive.name}")
    apt(machine, "--no-install-recommends poppler-utils")
    machine.step("tar", f"tar -xf {archive.name} && mv {archive.name.removesuffix('.tar.gz')} lazyllm")
    machine.ask("lazyllm/bin/lazyllm")


def try_source(machine, model):
    sources = machine.folder / "root/lazyllm"
    sources.mkdir()
    with subprocess.Popen(["git", "archive", "HEAD"], cwd=ROOT, stdout=subprocess.PIPE) as archive:
        subprocess.run(["tar", "-x", "-C", sources], stdin=archive.stdout, check=True)
    (sources / "models").mkdir()
    os.link(machine.folder / "root/model.gguf", sources / "models" / model.resolve().name)
    packages = "$(bash -c '. tools/setup.sh; echo ${BUILD_PACKAGES[*]} ${FETCH_PACKAGES[*]} ${DOCUMENT_PACKAGES[*]}')"
    machine.step("apt-get update", f"{APT} update", "download")
    machine.step("fetch the packages to build with", f"cd lazyllm && {APT} install --no-install-recommends --download-only {packages}", "download")
    name = {"qwen2.5-coder-0.5b-instruct-q4_k_m.gguf": "qwen2.5-coder-0.5b", "SmolLM2-135M-Instruct.Q4_1.gguf": "smollm2-135m"}[model.resolve().name]
    said = machine.step(f"./quickstart --build --model {name}", f"cd lazyllm && ./quickstart --build --model {name}")
    print(textwrap.indent(said[-900:], "    "))
    machine.ask("lazyllm/build/release/lazyllm")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="+", choices=["deb", "wheel", "tarball", "source"])
    parser.add_argument("-m", "--model", type=pathlib.Path, default=ROOT / "models" / "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf")
    parser.add_argument("--dist", type=pathlib.Path, help="folder of tools/release (default: the newest in dist/)")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build" / "fresh-debian", help="where the systems are made")
    parser.add_argument("--copy", action="append", default=[], metavar="FILE", help="a file of this machine that the fresh one needs to reach the network, such as a proxy's certificate")
    parser.add_argument("--mirror", default="http://deb.debian.org/debian")
    parser.add_argument("--keep", action="store_true", help="do not remove the systems")
    parser.add_argument("--json", type=pathlib.Path, help="file for all times")
    options = parser.parse_args()
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        sys.exit("fresh_debian.py: needs root and debootstrap (apt install debootstrap)")
    if not options.model.exists():
        sys.exit(f"fresh_debian.py: {options.model} is not there; tools/fetch-model qwen2.5-coder-0.5b")
    dist = options.dist or max((ROOT / "dist").glob("*"), key=lambda folder: folder.stat().st_mtime, default=None)
    if dist is None and options.what != ["source"]:
        sys.exit("fresh_debian.py: there is nothing in dist/; run tools/release")
    base = options.folder / "base"
    if not (base / "usr/bin/apt-get").exists():
        options.folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["debootstrap", "--variant=minbase", "bookworm", base, options.mirror], check=True, stdout=sys.stderr)
    kept = {}
    for what in options.what:
        print(f"{what}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors:")
        machine = Machine(base, options.folder / what, options.copy)
        machine.put(options.model, "/root/model.gguf")
        (machine.folder / "root/meeting.pdf").write_bytes(make_pdf(TEXT.read_text()))
        {"deb": try_deb, "wheel": try_wheel, "tarball": try_tarball, "source": try_source}[what](machine, options.model if what == "source" else dist)
        seconds = {kind: sum(step["seconds"] for step in machine.steps if step["kind"] == kind) for kind in ("work", "download")}
        user = sum(step["user_seconds"] for step in machine.steps if step["kind"] == "work")
        print(f"  {machine.said}\n  {what}: {seconds['work'] / 60:.1f} minutes ({user / 60:.1f} of processor) and {seconds['download'] / 60:.1f} of download\n")
        kept[what] = machine.steps
        if not options.keep:
            shutil.rmtree(machine.folder)
    if options.json:
        options.json.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
