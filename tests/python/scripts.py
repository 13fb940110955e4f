# SPDX-License-Identifier: Apache-2.0
"""Scripts of the tree as modules, and what their samples have in common."""

import importlib.util
import pathlib
import types

TIMES = {"ttft_ms", "tpot_ms", "total_ms"}


def load_script(path: pathlib.Path) -> types.ModuleType:
    """The script as a module of its own, whatever folder it lies in."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def without_times(rows: list[dict]) -> list[dict]:
    """Samples of `lazyllm eval` but for what differs from run to run."""
    return [{key: value for key, value in row.items() if key not in TIMES} for row in rows]
