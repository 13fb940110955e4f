#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes src/text/unicode_table.cpp: the general categories of all code points as ranges.

    tools/generate_unicode_table.py > src/text/unicode_table.cpp

The data come from the package unicodedata2 where it is installed, else from Python's own
unicodedata. The table in the tree is Unicode 15.1 (unicodedata2==15.1.0), the version that
llama.cpp splits words with; another version changes how newly assigned characters are split.
"""

import sys

try:
    import unicodedata2 as unicodedata
except ImportError:
    import unicodedata

# General category -> letter in the table; the order is that of enum class Category in unicode.h.
CATEGORIES = ["Lu", "Ll", "Lt", "Lm", "Lo", "M", "N", "P", "S", "Z", "C"]


def category(code_point: int) -> int:
    name = unicodedata.category(chr(code_point))
    return CATEGORIES.index(name if name[0] == "L" else name[0])


def ranges():
    """(first code point, category) of each range of equal categories."""
    previous = None
    for code_point in range(sys.maxunicode + 1):
        current = category(code_point)
        if current != previous:
            yield code_point, current
            previous = current


def main() -> None:
    entries = [f"0x{first << 4 | value:x}" for first, value in ranges()]
    print("// SPDX-License-Identifier: Apache-2.0")
    print(f"// Written by tools/generate_unicode_table.py from Unicode {unicodedata.unidata_version}.")
    print('#include "text/unicode_table.h"\n')
    print("namespace lazyllm::text {\n")
    print("// clang-format off")
    print("const uint32_t kCategoryRanges[] = {  // (first code point << 4) | category")
    line = " "
    for entry in entries:
        if len(line) + len(entry) + 2 > 100:
            print(line)
            line = " "
        line += f" {entry},"
    print(line)
    print("};")
    print("// clang-format on")
    print(f"const int kCategoryRangeCount = {len(entries)};\n")
    print("}  // namespace lazyllm::text")


if __name__ == "__main__":
    main()
