# SPDX-License-Identifier: Apache-2.0
"""Prompts and evaluations on a cluster of Ray (``pip install 'ray[data,serve]'``): one actor a node, and what is about one document meets one actor.

    python -m lazyllm_engine.ray eval --ray ADDRESS -m model.gguf --data LongBench/data --policy lazy --out results

The flags but Ray's are those of ``lazyllm eval``.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ._errors import Error, InvalidInputError, UsageError
from ._server import Server

try:
    import ray  # type: ignore[import-not-found,import-untyped,unused-ignore]
    import ray.data  # type: ignore[import-not-found,import-untyped,unused-ignore]
except ImportError as error:
    raise ImportError("lazyllm_engine.ray needs Ray, which is not installed here: pip install 'ray[data,serve]'") from error

if TYPE_CHECKING:
    import pandas  # type: ignore[import-not-found,import-untyped,unused-ignore]

_LAZY = ("policy", "schedule", "computed_fraction", "computed_fraction_end", "ttft_ms")
_COLUMNS = ("text", "finish_reason", "prompt_tokens", "cached_tokens", "generated_tokens", *_LAZY)


def nodes() -> list[dict[str, Any]]:
    """Those of the cluster that have processors, in the order of their ids."""
    alive = [node for node in ray.nodes()  # type: ignore[no-untyped-call,unused-ignore]
             if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]
    if not alive:
        raise Error("no node of the cluster has a processor for an actor")
    return sorted(alive, key=lambda node: str(node["NodeID"]))


def cores_of_all(alive: list[dict[str, Any]], per_node: int) -> int:
    """Cores that an actor may take on every node."""
    cores = int(min(node["Resources"]["CPU"] for node in alive)) // per_node
    if cores < 1:
        raise UsageError(f"{per_node} actors a node: the smallest node has {int(min(node['Resources']['CPU'] for node in alive))} cores")
    return cores


class _Reader:
    """An actor with a server, whose cache helps further questions about a document and changes no bit. Rows of one document stand together."""

    def __init__(self, model: str, document: str, prompt: str, flags: Mapping[str, Any], fields: Mapping[str, Any]):
        self._server = Server(model, **{"parallel": 1, **flags})
        self._document, self._prompt = document, prompt
        # Which way is the quickest depends on what was asked before; a table is not to.
        self._fields = {"temperature": 0, **fields, "lazy": {"plan": "fixed", **fields.get("lazy", {})}}

    def _ask(self, text: str) -> dict[str, Any]:
        body = json.dumps({**self._fields, "messages": [{"role": "user", "content": text}]}).encode()
        try:
            with urllib.request.urlopen(self._server.base_url + "/chat/completions", body) as response:
                told = json.loads(response.read())
        except urllib.error.HTTPError as error:
            raise InvalidInputError(json.loads(error.read())["error"]["message"]) from None
        (choice,) = told["choices"]
        usage = told["usage"]
        return {"text": choice["message"]["content"], "finish_reason": choice["finish_reason"], "prompt_tokens": usage["prompt_tokens"],
                "cached_tokens": usage["prompt_tokens_details"]["cached_tokens"], "generated_tokens": usage["completion_tokens"],
                **{name: told["lazy"][name] for name in _LAZY}}

    def __call__(self, rows: pandas.DataFrame) -> pandas.DataFrame:
        answers = [self._ask(f"{document}\n\n{prompt}" if document else str(prompt)) for document, prompt in zip(rows[self._document], rows[self._prompt])]
        return rows.assign(**{name: [answer[name] for answer in answers] for name in _COLUMNS})


def _as_they_are(rows: pandas.DataFrame) -> pandas.DataFrame:
    return rows


def map_prompts(dataset: ray.data.Dataset, model: str | os.PathLike[str], *, document: str = "document", prompt: str = "prompt", actors_per_node: int = 1,
                flags: Mapping[str, Any] | None = None, **fields: Any) -> ray.data.Dataset:
    """Answers every row: a chat about its column ``document`` with its column ``prompt`` behind it. The rows get the columns ``text``, ``finish_reason``,
    ``prompt_tokens``, ``cached_tokens``, ``generated_tokens``, ``policy``, ``schedule``, ``computed_fraction``, ``computed_fraction_end`` and ``ttft_ms``. Rows of one
    document come to one actor, one after the other, so that it is read once; the rows of the result stand by document.

    ``model``: a path that every node has. ``flags``: those of ``lazyllm serve``, as for :class:`Server` (``{"prune": "balanced"}``). ``fields``: those of a request
    (``max_tokens=64``). ``actors_per_node``: 1, or the number of NUMA nodes. Errors: UsageError for flags that an actor sets itself.

    At temperature 0, which is what they have unless ``fields`` says otherwise, texts are those of one machine, if all nodes have processors of one kind. An actor that dies is replaced, and its rows
    are asked again."""
    for own in {"threads", "host", "port"} & (flags or {}).keys():
        raise UsageError(f"{own}: an actor sets it itself, and takes the cores of its node; see actors_per_node")
    alive = nodes()
    cores, actors = cores_of_all(alive, actors_per_node), len(alive) * actors_per_node
    # Grouped before the actors take all cores: the shuffle needs some, too.
    grouped = dataset.groupby(document, num_partitions=4 * actors).map_groups(_as_they_are, batch_format="pandas").materialize()
    arguments = (os.fspath(model), document, prompt, {**(flags or {}), "threads": cores}, fields)
    answered: ray.data.Dataset = grouped.map_batches(_Reader, fn_constructor_args=arguments, batch_format="pandas", batch_size=None, num_cpus=cores,
                                                     compute=ray.data.ActorPoolStrategy(size=actors))
    return answered


if __name__ == "__main__":
    from ._ray_eval import main

    sys.exit(main(sys.argv[1:]))
