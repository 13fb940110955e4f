#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the chat template interpreter against Python's jinja2.

    python3 render_with_jinja2.py --driver build/render_template

Renders every template beside this file, every *.jinja in the folder that
LAZYLLM_CHAT_TEMPLATES names (may be unset), and many random expressions with jinja2 in
the way Hugging Face transformers does, and with the driver. Both must give the same text
or both an error. Needs only jinja2; without it the test is skipped (exit code 77).
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
from datetime import datetime

try:
    import jinja2
    import jinja2.ext
    from jinja2.sandbox import ImmutableSandboxedEnvironment
except ImportError:
    print("jinja2 is not installed; skipped")
    sys.exit(77)

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import conversations  # noqa: E402
import random_expressions  # noqa: E402


class Generation(jinja2.ext.Extension):
    """{% generation %}: a scope of its own that changes nothing in the text."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


class TemplateDict:
    def __call__(self, *args, **kwargs):
        return dict(*args, **kwargs)


class TemplateNamespace(jinja2.utils.Namespace):
    def __init__(*args, **kwargs):
        self, args = args[0], args[1:]
        attributes = dict(*args, **kwargs)
        for name in attributes:
            TemplateNamespace.check(name)
        jinja2.utils.Namespace.__init__(self, attributes)

    def __setitem__(self, name, value):
        TemplateNamespace.check(name)
        jinja2.utils.Namespace.__setitem__(self, name, value)

    @staticmethod
    def check(name):
        if isinstance(name, str) and name.startswith("_"):
            raise jinja2.exceptions.SecurityError(name)


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                      sort_keys=sort_keys)


def environment():
    made = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                         extensions=[Generation, jinja2.ext.loopcontrols])
    made.filters["tojson"] = tojson
    made.globals["raise_exception"] = raise_exception
    made.globals["strftime_now"] = lambda pattern: datetime.now().strftime(pattern)
    made.globals["dict"] = TemplateDict()
    made.globals["namespace"] = TemplateNamespace
    return made


class Driver:
    def __init__(self, command):
        self.process = subprocess.Popen([command], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, request):
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the driver died on {json.dumps(request)}")
        return json.loads(line)


def expected(template, request):
    request = json.loads(json.dumps(request))  # the indent filter changes lists in place
    options = request["options"]
    variables = {"tools": None, "documents": None, **options.get("extra", {})}
    variables.update(messages=request["messages"],
                     add_generation_prompt=options["add_generation_prompt"],
                     bos_token=options["bos_token"], eos_token=options["eos_token"])
    try:
        if isinstance(template, Exception):
            raise template
        text = template.render(**variables)
        text.encode()
        return {"text": text}
    except RecursionError:
        return {"error": "recursion"}
    except Exception as error:  # whatever a template can raise
        return {"error": f"{type(error).__name__}: {error}"}


# jinja2 evaluates constants while compiling, with other rules: (1)[1:] is undefined, and a
# list as a key fails even in a branch that is not taken. Integers have 64 bits here.
KNOWN = re.compile("LoopContext cannot be iterated|cannot be sliced|slices need integers|"
                   "cannot have the step 0|over 2\\^63|"
                   "does not fit into an int|is not supported")


# jinja2 prints lazy objects with their address, which a template can take apart or double;
# sets are not supported.
ADDRESS = re.compile(r" at 0x|g\W*e\W*n\W*e\W*r", re.I)


class Comparison:
    def __init__(self, driver, verbose):
        self.driver, self.verbose = driver, verbose
        self.environment = environment()
        self.same = self.both_failed = self.not_comparable = 0
        self.different = []

    def compile(self, source):
        try:
            return self.environment.from_string(source)
        except Exception as error:
            return error

    def check(self, name, source, request, template=None, lenient=False):
        template = self.compile(source) if template is None else template
        ask = {"template": source, **request}
        for attempt in (0, 1):  # a second one in case the clock moved on in between
            theirs, ours = expected(template, request), self.driver.ask(ask)
            if "text" in theirs and "text" in ours and theirs["text"] == ours["text"]:
                self.same += 1
                joined = "".join(segment[0] for segment in ours["segments"])
                assert joined == ours["text"]
                return True
            if "error" in theirs and "error" in ours:
                self.both_failed += 1
                return True
            text = theirs.get("text", "")
            unhashable = theirs.get("error", "").startswith("TypeError: unhashable")
            printed = ADDRESS.search(text + str(ours.get("text")))
            if lenient and (printed or unhashable or KNOWN.search(ours.get("error", ""))):
                self.not_comparable += 1
                return True
            if attempt == 0 and "strftime_now" not in source:
                break
        self.different.append(name)
        if len(self.different) <= self.verbose:
            print(f"--- {name}\n  jinja2: {json.dumps(theirs, ensure_ascii=False)[:2000]}\n"
                  f"  lazyllm: {json.dumps({k: v for k, v in ours.items() if k != 'segments'}, ensure_ascii=False)[:2000]}")
        return False


def compare_templates(comparison, paths):
    """Returns the templates that do not agree everywhere."""
    unequal = []
    for path in paths:
        source = path.read_text()
        template = comparison.compile(source)
        failed = []
        rendered = comparison.same
        for name, request in conversations.requests():
            if not comparison.check(f"{path.name}: {name}", source, request, template):
                failed.append(name)
        if failed:
            unequal.append((path.name, failed))
        if rendered == comparison.same:
            print(f"note: {path.name} rendered no conversation without an error")
    return unequal


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--driver", required=True, help="the program render_template")
    parser.add_argument("--random", type=int, default=4000, help="random expressions")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--verbose", type=int, default=10, help="differences to show")
    arguments = parser.parse_args()
    comparison = Comparison(Driver(arguments.driver), arguments.verbose)
    failed = False

    folders = [HERE]
    if os.environ.get("LAZYLLM_CHAT_TEMPLATES"):
        folders.append(pathlib.Path(os.environ["LAZYLLM_CHAT_TEMPLATES"]))
    for folder in folders:
        paths = sorted(folder.glob("*.jinja"))
        same, both = comparison.same, comparison.both_failed
        unequal = compare_templates(comparison, paths)
        print(f"{folder.name}: {len(paths) - len(unequal)} of {len(paths)} templates agree, "
              f"{comparison.same - same} texts equal, {comparison.both_failed - both} refused by both")
        for name, where in unequal:
            print(f"  differs: {name} ({len(where)}: {', '.join(where[:5])})")
        failed = failed or bool(unequal)

    same, both, before = comparison.same, comparison.both_failed, len(comparison.different)
    request = conversations.expression_request()
    for source in random_expressions.sources(arguments.seed, arguments.random):
        comparison.check(source, source, request, lenient=True)
    different = len(comparison.different) - before
    print(f"expressions: {comparison.same - same} texts equal, "
          f"{comparison.both_failed - both} refused by both, {different} differ, "
          f"{comparison.not_comparable} not comparable")
    sys.exit(1 if failed or different else 0)


if __name__ == "__main__":
    main()
