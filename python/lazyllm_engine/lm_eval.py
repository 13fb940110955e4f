# SPDX-License-Identifier: Apache-2.0
"""A model for EleutherAI's lm-evaluation-harness, which has to be installed (``pip install lm-eval``).

    import lazyllm_engine.lm_eval   # registers the model "lazyllm"
    lm_eval.simple_evaluate(model="lazyllm", model_args="path=model.gguf,prune=balanced", tasks=["..."])
"""

from __future__ import annotations

from typing import Any

from lm_eval.api.model import LM  # type: ignore[import-not-found,import-untyped,unused-ignore]
from lm_eval.api.registry import register_model  # type: ignore[import-not-found,import-untyped,unused-ignore]

from ._model import Model


@register_model("lazyllm")  # type: ignore[misc,unused-ignore]
class LazyLM(LM):  # type: ignore[misc,unused-ignore]
    """``path`` and any option of :class:`lazyllm_engine.Model`. Each request is read anew in a session of its own, so that none depends on another."""

    def __init__(self, path: str, max_gen_toks: int = 256, **options: Any):
        super().__init__()
        known = {name: value for name, value in options.items() if name not in {"batch_size", "max_batch_size", "device"}}
        self.model = Model(path, **known)
        self.max_gen_toks = int(max_gen_toks)

    def loglikelihood(self, requests: list[Any], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        return [self._loglikelihood(*request.args) for request in requests]

    def _loglikelihood(self, context: str, continuation: str) -> tuple[float, bool]:
        whole = self.model.tokenize(context + continuation, parse_special=True)
        first = self.model.tokenize(context, parse_special=True)
        # Where a token reaches over the border, it belongs to the continuation.
        shared = next((i for i, (a, b) in enumerate(zip(whole, first)) if a != b), min(len(whole), len(first)))
        shared = max(min(shared, len(whole) - 1), 1)
        logarithms, likeliest = self.model.session().forced(whole[:shared], whole[shared:])
        return float(logarithms.sum()), likeliest == whole[shared:]

    def loglikelihood_rolling(self, requests: list[Any], disable_tqdm: bool = False) -> list[float]:
        return [self._rolling(request.args[0]) for request in requests]

    def _rolling(self, text: str) -> float:
        tokens = self.model.tokenize(text, parse_special=True)
        most = self.model.session().context
        total = 0.0
        for begin in range(0, max(len(tokens) - 1, 0), most - 1):
            window = tokens[begin : begin + most]
            if len(window) > 1:
                total += float(self.model.session().forced(window[:1], window[1:])[0].sum())
        return total

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        return [self._generate(*request.args) for request in requests]

    def _generate(self, context: str, settings: dict[str, Any]) -> str:
        until = settings.get("until", [])
        temperature = float(settings.get("temperature", 0.0)) if settings.get("do_sample", False) else 0.0
        answer = self.model.generate(context, max_tokens=int(settings.get("max_gen_toks", self.max_gen_toks)), temperature=temperature,
                                     stop=[until] if isinstance(until, str) else list(until))
        return answer.text
