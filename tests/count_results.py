#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads a JUnit file of ctest or pytest: prints "PASSED FAILED SKIPPED" to stdout, what failed and what was skipped and why to stderr."""

import sys
import xml.etree.ElementTree as tree


def reason(case, skipped) -> str:
    """GoogleTest prints "file:line: Skipped" and the message behind it; pytest has an attribute."""
    lines = [line.strip() for line in (case.findtext("system-out") or "").splitlines()]
    for i, line in enumerate(lines):
        if line.endswith(": Skipped"):
            return next((text for text in lines[i + 1:] if text), "no reason given")
    return skipped.get("message") or "no reason given"


def main() -> None:
    passed = failed = 0
    skipped: dict[str, list[str]] = {}
    for case in tree.parse(sys.argv[1]).getroot().iter("testcase"):
        name = ".".join(dict.fromkeys(part for part in (case.get("classname"), case.get("name")) if part))
        skip = case.find("skipped")
        # ctest also calls "skipped" what it could not start: that is a failure.
        not_started = skip is not None and case.get("status") == "notrun" and not skip.get("message", "").startswith("SKIP_")
        if case.find("failure") is not None or case.find("error") is not None or not_started:
            failed += 1
            print(f"failed: {name}", file=sys.stderr)
        elif skip is not None:
            skipped.setdefault(reason(case, skip), []).append(name)
        else:
            passed += 1
    for why, names in skipped.items():
        print(f"skipped {len(names)}: {why} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})", file=sys.stderr)
    print(passed, failed, sum(map(len, skipped.values())))


if __name__ == "__main__":
    main()
