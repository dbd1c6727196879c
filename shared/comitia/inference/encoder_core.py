"""The encoder's work in steps: texts of all waiting calls in padded batches, pooled and normalised.

Only the engine thread calls this.
"""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from comitia.errors import ComitiaError, Poison, Retryable
from comitia.inference.cards import Pooling
from comitia.inference.jobs import EmbedJob, Job
from comitia.inference.text import Text
from comitia.ports import Embeddings, Step, Usage, Watch

Floats = NDArray[np.float32]


class States(Protocol):
    """The graph: padded tokens and mask, int64[texts, tokens], to float32[texts, tokens,
    dimensions].
    """

    def __call__(self, tokens: NDArray[np.int64], mask: NDArray[np.int64]) -> Floats: ...


@dataclass(frozen=True, slots=True)
class EncoderLimits:
    """`texts` in a batch, `batch_tokens`: texts in it times its longest. `jobs`: waiting or
    running.
    """

    texts: int = 64
    batch_tokens: int = 2048
    jobs: int = 256


class _Item(NamedTuple):
    job: EmbedJob
    number: int
    tokens: list[int]


class EncoderCore:
    """Jobs of one encoder. `failures` are the errors of the runtime below, which fail jobs and not
    the engine.
    """

    def __init__(
        self,
        text: Text,
        states: States,
        pooling: Pooling,
        limits: EncoderLimits,
        failures: tuple[type[Exception], ...] = (),
    ) -> None:
        self._text, self._states, self._pooling, self._limits = text, states, pooling, limits
        self._failures = failures
        self._watch: Watch | None = None
        self._waiting: deque[_Item] = deque()
        self._open: set[EmbedJob] = set()

    def add(self, job: Job[Any]) -> None:
        """Take a job; its tokens are made here, so that the batch can be cut by length."""
        assert isinstance(job, EmbedJob)
        try:
            items = [
                _Item(job, number, self._text.encode_whole(text))
                for number, text in enumerate(job.texts)
            ]
        except ComitiaError as error:
            job.fail(error)
            return
        job.tokens = sum(len(item.tokens) for item in items)
        self._open.add(job)
        self._waiting.extend(items)

    def held(self) -> int:
        """Jobs taken and not settled."""
        return len(self._open)

    def abandon(self, error: BaseException) -> None:
        """Fail every job."""
        for job in self._open:
            job.fail(error)
        self._open.clear()
        self._waiting.clear()

    def recover(self, error: BaseException) -> None:
        """Fail every job: which of them a step was about is not known."""
        self.abandon(error)

    def watched(self, watch: Watch) -> None:
        """Tell `watch` of the batches from now on."""
        self._watch = watch

    def let_go(self) -> None:
        """Drop the jobs that were cancelled; their texts are passed over."""
        self._open = {job for job in self._open if not job.cancelled}

    def step(self) -> None:
        """One batch of the texts that have waited longest."""
        for job in [job for job in self._open if not job.texts]:
            self._finish(job)
        batch = self._batch()
        if not batch:
            return
        begun_s = time.perf_counter()
        try:
            vectors = self._embed([item.tokens for item in batch])
        except self._failures as error:
            for item in batch:
                item.job.fail(Retryable(f"ONNX Runtime failed: {error}"))
                self._open.discard(item.job)
            return
        except Poison as error:
            for item in batch:
                item.job.fail(error)
                self._open.discard(item.job)
            return
        if self._watch is not None:
            tokens = sum(len(item.tokens) for item in batch)
            took_s = time.perf_counter() - begun_s
            self._watch.ran(Step(len(batch), self._limits.texts, tokens, 0, 0, 0, took_s))
        for item, vector in zip(batch, vectors, strict=True):
            item.job.vectors[item.number] = vector
            if len(item.job.vectors) == len(item.job.texts):
                self._finish(item.job)

    def _batch(self) -> list[_Item]:
        batch: list[_Item] = []
        longest = 0
        while self._waiting and len(batch) < self._limits.texts:
            item = self._waiting[0]
            if item.job in self._open:
                longest = max(longest, len(item.tokens))
                if batch and longest * (len(batch) + 1) > self._limits.batch_tokens:
                    break
                batch.append(item)
            self._waiting.popleft()
        return batch

    def _embed(self, texts: Sequence[list[int]]) -> Floats:
        width = max(map(len, texts))
        tokens = np.zeros((len(texts), width), np.int64)
        mask = np.zeros_like(tokens)
        for row, text in enumerate(texts):
            tokens[row, : len(text)], mask[row, : len(text)] = text, 1
        return pooled(self._states(tokens, mask), mask, self._pooling)

    def _finish(self, job: EmbedJob) -> None:
        self._open.discard(job)
        vectors = [job.vectors[number] for number in sorted(job.vectors)]
        stacked = np.stack(vectors) if vectors else np.zeros((0, 0), np.float32)
        job.settle(Embeddings(stacked, Usage(job.tokens, 0, 0)))


def pooled(states: Floats, mask: NDArray[np.int64], pooling: Pooling) -> Floats:
    """Unit vectors float32[texts, dimensions]: the mean over real tokens, or the first token's
    state.

    Sentence-BERT, https://doi.org/10.18653/v1/D19-1410. Raises Poison (NOT_FINITE) for NaN or
    infinity.
    """
    if pooling == "cls":
        vectors = states[:, 0]
    else:
        weight = mask[:, :, None].astype(np.float32)
        vectors = (states * weight).sum(1) / weight.sum(1)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.isfinite(length).all():
        raise Poison(
            "The model answered with numbers that are not finite; check its weights.", "NOT_FINITE"
        )
    result: Floats = (vectors / np.maximum(length, np.float32(1e-12))).astype(np.float32)
    return result
