# SPDX-License-Identifier: Apache-2.0
"""Models, sessions and answers."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Union, overload

import numpy as np
import numpy.typing as npt

from . import _core
from ._errors import Error, InvalidInputError
from ._score import OwnScore

Message = Mapping[str, str]
Prompt = Union[str, Sequence[int]]

_PRUNING = {"policy", "prune", "profile", "score", "score_pool", "keep_mass", "protect_first", "protect_last", "revive_budget", "min_prompt", "attention", "seed"}


@dataclass(frozen=True)
class Statistics:
    """What an answer cost. Times are in milliseconds; ``computed_fraction`` is the share of the usual work that reading took."""

    policy: str
    schedule: str
    prompt_tokens: int
    generated_tokens: int
    ttft_ms: float
    tpot_ms: float
    total_ms: float
    computed_fraction: float
    computed_fraction_end: float
    kept_per_layer: list[int]
    shared_kv_saved: float
    revived_tokens: int
    kv_bytes: int
    aux_bytes: int


@dataclass(frozen=True)
class Answer:
    """An answer with its figures. ``depths`` says through how many layers each token of the prompt was carried; ``revivals`` which came back later, as
    (answer token from 1, token of the prompt, layers afterwards)."""

    text: str
    tokens: list[int]
    finish_reason: Literal["stop", "length", "cancelled"]
    statistics: Statistics
    depths: npt.NDArray[np.int32] = field(repr=False)
    revivals: list[tuple[int, int, int]] = field(repr=False)

    def __str__(self) -> str:
        return self.text


class Stream(Iterator[str]):
    """The pieces of an answer as they come. ``answer`` is the whole of it once the pieces have ended. To stop early: ``close()``, or leave a ``with`` block."""

    def __init__(self, session: _core.Session, run: Callable[[Callable[[str], None], Callable[[float], None]], tuple[str, list[int], str, dict[str, Any]]],
                 on_progress: Callable[[float], None] | None, release: Callable[[], None]):
        self._session = session
        pieces: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._pieces = pieces
        self._on_progress = on_progress
        self._release: Callable[[], None] | None = release
        self.answer: Answer | None = None

        def work() -> None:  # holds nothing of this object: one that nobody has any more closes itself
            try:
                pieces.put(("end", run(lambda text: pieces.put(("text", text)), lambda share: pieces.put(("progress", share)))))
            except BaseException as error:  # it belongs to whoever reads the stream
                pieces.put(("error", error))

        self._thread = threading.Thread(target=work, name="lazyllm", daemon=True)
        self._thread.start()

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> str:
        if self._release is None:
            raise StopIteration
        try:
            while True:
                kind, value = self._pieces.get()
                if kind == "text":
                    return str(value)
                if kind == "progress":
                    if self._on_progress is not None:
                        self._on_progress(value)
                elif kind == "end":
                    self._finish(value)
                    raise StopIteration
                else:
                    self._join()
                    raise value
        except StopIteration:
            raise
        except BaseException:  # Ctrl-C among them: nothing goes on behind the caller's back
            self.close()
            raise

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Stops the answer if it is still being written; ``answer`` is then what there was."""
        if getattr(self, "_release", None) is None:
            return
        while self._thread.is_alive():  # a cancel before the work began is forgotten by it
            self._session.cancel()
            self._thread.join(0.02)
        while not self._pieces.empty():
            kind, value = self._pieces.get()
            if kind == "end":
                self._finish(value)
        self._join()

    def _join(self) -> None:
        self._thread.join()
        if self._release is not None:
            self._release()
            self._release = None

    def _finish(self, result: tuple[str, list[int], str, dict[str, Any]]) -> None:
        text, tokens, reason, statistics = result
        self._thread.join()
        self.answer = Answer(text, tokens, reason, Statistics(**statistics), self._session.depths(), self._session.revivals())  # type: ignore[arg-type]
        self._join()


class Session:
    """One conversation on a model, with everything computed for it: what a prompt shares with the one before is not read again. Used by one thread at a time."""

    def __init__(self, model: Model, *, context: int = 0, cache_type: Literal["f16", "f32", "q8_0"] = "f16", **pruning: Any):
        unknown = set(pruning) - _PRUNING
        if unknown:
            raise TypeError(f"unknown options: {', '.join(sorted(unknown))}; there are {', '.join(sorted(_PRUNING))}")
        self.model = model
        self._own_score: OwnScore | None = None
        if callable(pruning.get("score")):
            self._own_score, pruning = OwnScore.take(pruning)
        self._core = _core.Session(model._core, context, cache_type, {"profile": "auto", **{k: v for k, v in pruning.items() if v is not None}})
        self._busy = threading.Lock()

    @overload
    def generate(self, prompt: Prompt, *, stream: Literal[False] = False, **options: Any) -> Answer: ...
    @overload
    def generate(self, prompt: Prompt, *, stream: Literal[True], **options: Any) -> Stream: ...

    def generate(self, prompt: Prompt, *, stream: bool = False, **options: Any) -> Answer | Stream:
        """Goes on with a text or with token ids, as they are. The options are those of :meth:`Model.generate`."""
        tokens = self.model.tokenize(prompt, parse_special=True) if isinstance(prompt, str) else list(prompt)
        return self._answer(tokens, [], stream, **options)

    @overload
    def chat(self, messages: str | Sequence[Message], *, stream: Literal[False] = False, **options: Any) -> Answer: ...
    @overload
    def chat(self, messages: str | Sequence[Message], *, stream: Literal[True], **options: Any) -> Stream: ...

    def chat(self, messages: str | Sequence[Message], *, stream: bool = False, **options: Any) -> Answer | Stream:
        """Answers a conversation, ``[{"role": "user", "content": "..."}, ...]``, or one message given as text. Roles, template and system turns are never skipped."""
        turns = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
        tokens, ranges = self.model._core.chat_prompt([(turn["role"], turn["content"]) for turn in turns])
        return self._answer(tokens, ranges, stream, **options)

    def _answer(self, tokens: list[int], ranges: list[tuple[int, int]], stream: bool, *, max_tokens: int = -1, temperature: float = 0.0, top_k: int = 40,
                top_p: float = 0.95, min_p: float = 0.05, repeat_penalty: float = 1.0, seed: int = 0, stop: str | Sequence[str] = (), ignore_eos: bool = False,
                on_progress: Callable[[float], None] | None = None) -> Answer | Stream:
        if not self._busy.acquire(blocking=False):
            raise Error("the session is still writing an answer; end its stream first, or take another session")
        stops = [stop] if isinstance(stop, str) else list(stop)
        if self._own_score is not None:
            try:
                ranges = self._own_score.choose(self.model._core, tokens, ranges)
            except BaseException:
                self._busy.release()
                raise

        def run(on_text: Callable[[str], None], progress: Callable[[float], None]) -> tuple[str, list[int], str, dict[str, Any]]:
            return self._core.generate(tokens, ranges, max_tokens, stops, ignore_eos, temperature, top_k, top_p, min_p, repeat_penalty, seed, on_text, progress)

        pieces = Stream(self._core, run, on_progress, self._busy.release)
        if stream:
            return pieces
        for _ in pieces:
            pass
        assert pieces.answer is not None
        return pieces.answer

    def logits(self, prompt: Prompt, positions: Sequence[int] | None = None) -> npt.NDArray[np.float32]:
        """Logits of a full pass over the tokens, ``[positions, vocabulary]``; of all positions if none are named. The session holds the tokens afterwards."""
        tokens = self.model.tokenize(prompt) if isinstance(prompt, str) else list(prompt)
        wanted = list(range(len(tokens))) if positions is None else [position + len(tokens) if position < 0 else position for position in positions]
        if any(not 0 <= position < len(tokens) for position in wanted) or sorted(set(wanted)) != wanted:
            raise InvalidInputError(f"positions must rise and lie in 0 to {len(tokens) - 1}")
        with self._busy:
            return self._core.logits(self.model._core, tokens, wanted)

    def log_likelihood(self, prompt: Prompt, continuation: Prompt) -> float:
        """Mean natural logarithm of the probabilities of the continuation's tokens behind the prompt."""
        first = self.model.tokenize(prompt, parse_special=True) if isinstance(prompt, str) else list(prompt)
        second = self.model.tokenize(continuation, add_special=False) if isinstance(continuation, str) else list(continuation)
        with self._busy:
            return self._core.log_likelihood(first, second, [])

    def forced(self, prompt: Prompt, continuation: Prompt) -> tuple[npt.NDArray[np.float64], list[int]]:
        """Of each token of the continuation, as if the model had written it: the natural logarithm of its probability, and the token that was the most
        likely one."""
        first = self.model.tokenize(prompt, parse_special=True) if isinstance(prompt, str) else list(prompt)
        second = self.model.tokenize(continuation, add_special=False) if isinstance(continuation, str) else list(continuation)
        with self._busy:
            logarithms, likeliest = self._core.forced(first, second, [])
        return np.asarray(logarithms), likeliest

    def reset(self) -> None:
        """Forgets everything."""
        self._core.reset()

    def __len__(self) -> int:
        return self._core.size()

    @property
    def context(self) -> int:
        """Most tokens it can hold."""
        return self._core.context()


class Model:
    """A GGUF file or a Hugging Face folder, ready to answer. Any number of sessions may share it, from any threads.

    ``prune`` says how much is skipped: ``"careful"``, ``"balanced"``, ``"fast"``, ``"off"``, ``"paper"`` or ``"19:0.1"``; unsaid, the settings measured for this model
    hold (``profile="auto"``), or ``careful``. Further options: ``policy``, ``profile``, ``score``, ``score_pool``, ``keep_mass``, ``protect_first``, ``protect_last``,
    ``revive_budget`` (-1: all), ``min_prompt``, ``seed``, and ``context`` and ``cache_type`` of a session.

    ``score`` may be a function of your own: attention ``[tokens]`` in, importance ``[tokens]`` out, both NumPy arrays; then ``prune`` is one cut, ``"LAYER:KEEP"``.
    """

    def __init__(self, path: str | os.PathLike[str], *, threads: int = 0, isa: str = "", chat_template: str = "", **session: Any):
        self._core = _core.Model.load(os.fspath(path), threads, isa, chat_template)
        self._options = session
        self.session()  # wrong options are refused here

    def session(self, **options: Any) -> Session:
        """A conversation of its own; its options win over the model's."""
        return Session(self, **{**self._options, **options})

    @overload
    def generate(self, prompt: Prompt, *, stream: Literal[False] = False, **options: Any) -> Answer: ...
    @overload
    def generate(self, prompt: Prompt, *, stream: Literal[True], **options: Any) -> Stream: ...

    def generate(self, prompt: Prompt, *, stream: bool = False, **options: Any) -> Answer | Stream:
        """Goes on with a text or with token ids, in a new session. Options: ``max_tokens``, ``temperature`` (0: always the most likely token), ``top_k``, ``top_p``,
        ``min_p``, ``repeat_penalty``, ``seed``, ``stop``, ``ignore_eos``, ``on_progress`` (called with the share that was read)."""
        return self.session().generate(prompt, stream=stream, **options)  # type: ignore[call-overload,no-any-return]

    @overload
    def chat(self, messages: str | Sequence[Message], *, stream: Literal[False] = False, **options: Any) -> Answer: ...
    @overload
    def chat(self, messages: str | Sequence[Message], *, stream: Literal[True], **options: Any) -> Stream: ...

    def chat(self, messages: str | Sequence[Message], *, stream: bool = False, **options: Any) -> Answer | Stream:
        """Answers a conversation, or one message given as text, in a new session. Options as :meth:`generate` has them."""
        return self.session().chat(messages, stream=stream, **options)  # type: ignore[call-overload,no-any-return]

    def tokenize(self, text: str, *, add_special: bool = True, parse_special: bool = False) -> list[int]:
        """Token ids of a text. ``parse_special``: text that spells a special token becomes it."""
        return self._core.tokenize(text, add_special, parse_special)

    def detokenize(self, tokens: Sequence[int], *, special: bool = False) -> str:
        """The text of token ids; bytes that are no character become U+FFFD."""
        return self._core.detokenize(list(tokens), special).decode("utf-8", errors="replace")

    def logits(self, prompt: Prompt, positions: Sequence[int] | None = None) -> npt.NDArray[np.float32]:
        """Logits of a full pass, ``[positions, vocabulary]``; see :meth:`Session.logits`."""
        return self.session().logits(prompt, positions)

    def attention(self, prompt: Prompt) -> tuple[list[int], npt.NDArray[np.float32]]:
        """Where the last token looks: layers (from 1) and its attention over all tokens there, mean over the heads, ``[layers, tokens]``. The paper's score, of
        a dense pass; layers with a sliding window and the last one are left out."""
        tokens = self.tokenize(prompt, parse_special=True) if isinstance(prompt, str) else list(prompt)
        return self._core.attention(tokens)

    @property
    def info(self) -> dict[str, Any]:
        """What the model is, in numbers."""
        return self._core.info()
