#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes src/text/jinja_unicode_tables.inc: what upper(), lower(), title() and repr()
of Python strings know about characters, from this Python's own Unicode data.

    python3 tools/generate_jinja_unicode_tables.py > src/text/jinja_unicode_tables.inc
"""
import sys
import unicodedata

SURROGATES = range(0xD800, 0xE000)
CHARACTERS = [c for c in range(0x80, 0x110000) if c not in SURROGATES]


def mapped_ranges(mapping):
    """(first, last, stride, delta) for characters whose mapping is one character."""
    ranges = []
    for code in CHARACTERS:
        target = mapping(chr(code))
        if len(target) != 1 or ord(target) == code:
            continue
        delta = ord(target) - code
        if ranges:
            first, last, stride, known = ranges[-1]
            gap = code - last
            if known == delta and gap <= 2 and (stride == gap or first == last):
                ranges[-1] = (first, code, gap, delta)
                continue
        ranges.append((code, code, 1, delta))
    return ranges


def table(kind, name, rows):
    out, line = [f"constexpr {kind} {name}[] = {{"], "   "
    for row in rows:
        cell = " {" + ", ".join(row) + "},"
        if len(line) + len(cell) > 100:
            out.append(line)
            line = "   "
        line += cell
    out += [line, "};"]
    return "\n".join(out)


def predicate_ranges(test):
    ranges = []
    for code in CHARACTERS:
        if not test(chr(code)):
            continue
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return [[hex(first), hex(last)] for first, last in ranges]


def specials(mapping):
    rows = []
    for code in CHARACTERS:
        target = mapping(chr(code))
        if len(target) != 1:
            encoded = "".join(f"\\{byte:03o}" for byte in target.encode())
            rows.append([hex(code), f'"{encoded}"'])
    return rows


def simple(mapping):
    return [[hex(a), hex(b), str(s), str(d)] for a, b, s, d in mapped_ranges(mapping)]


print("// SPDX-License-Identifier: Apache-2.0")
print("// Written by tools/generate_jinja_unicode_tables.py, Unicode", unicodedata.unidata_version)
print("// clang-format off")
print(table("CaseRange", "kUpper", simple(str.upper)))
print(table("CaseRange", "kLower", simple(str.lower)))
title = [[hex(c), str(ord(chr(c).title()) - c)] for c in CHARACTERS
         if len(chr(c).title()) == 1 and len(chr(c).upper()) == 1
         and chr(c).title() != chr(c).upper()]
print(table("TitleException", "kTitle", title))
print(table("SpecialCase", "kUpperSpecial", specials(str.upper)))
print(table("SpecialCase", "kTitleSpecial", specials(str.title)))
print(table("SpecialCase", "kLowerSpecial", specials(str.lower)))
print(table("CharacterRange", "kNotPrintable", predicate_ranges(lambda c: not c.isprintable())))
print(table("CharacterRange", "kAlphabetic", predicate_ranges(str.isalpha)))
print(table("CharacterRange", "kDecimal", predicate_ranges(str.isdecimal)))
print(table("CharacterRange", "kDigit", predicate_ranges(str.isdigit)))
print(table("CharacterRange", "kNumeric", predicate_ranges(str.isnumeric)))
sys.stdout.flush()
