"""The decoder's work in steps: prompts in bounded pieces one at a time, and one token for all
running generations.

Scores and prompts are run on a shelf of the prefix cache, right behind their prefix; a generation
is then copied to a row of its own and joins the batch of the rows before it. Rows stay packed at
the front: when one ends, the last takes its place. (Several new tokens behind cached ones can only
be run for one row at a time: GroupQueryAttention refuses a batch there.) Only the engine thread
calls this.
"""

import time
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from comitia.errors import ComitiaError, Retryable
from comitia.inference.jobs import GenerateJob, Job, ScoreJob
from comitia.inference.likelihood import Floats, log_softmax, pick
from comitia.inference.plans import Plan, plan_generation, plan_score
from comitia.inference.prefixes import Shelves
from comitia.inference.rows import Row
from comitia.inference.text import Text
from comitia.ports import Scores, Usage, Watch


class Runner(Protocol):
    """The graph and its cache memory; see slots.SlotRunner."""

    def extend(
        self, slot: int, past: int, tokens: Sequence[int], wanted: Sequence[int]
    ) -> Floats: ...

    def decode(self, lengths: Sequence[int], tokens: Sequence[int]) -> Floats: ...

    def copy(self, source: int, target: int, tokens: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """`rows`: generations at once. `shelves`: prefixes kept. `chunk_tokens`: prompt tokens in a
    step. `jobs`: waiting or running.
    """

    rows: int = 8
    shelves: int = 8
    chunk_tokens: int = 256
    jobs: int = 256

    @property
    def slots(self) -> int:
        """Rows of cache memory."""
        return self.rows + self.shelves


# Advanced once a step; it ends when its job is settled or sits in a row.
_Prefill = Generator[None, None, None]


class DecoderCore:
    """Jobs of one decoder. `failures` are the errors of the runtime below, which fail a job and not
    the engine.
    """

    def __init__(
        self, text: Text, runner: Runner, limits: Limits, failures: tuple[type[Exception], ...] = ()
    ) -> None:
        self._text, self._runner, self._limits = text, runner, limits
        self._failures = failures
        self._watch: Watch | None = None
        self._shelves = Shelves(limits.rows, limits.shelves)
        self._waiting: deque[Job[Any]] = deque()
        self._current: tuple[Job[Any], _Prefill] | None = None
        self._rows: list[Row] = []

    def add(self, job: Job[Any]) -> None:
        """Take a job; no work yet."""
        self._waiting.append(job)

    def held(self) -> int:
        """Jobs taken and not settled."""
        return len(self._waiting) + (self._current is not None) + len(self._rows)

    def abandon(self, error: BaseException) -> None:
        """Fail every job."""
        current = [self._current[0]] if self._current else []
        for job in [*self._waiting, *current, *(row.job for row in self._rows)]:
            job.fail(error)
        self._waiting.clear()
        self._rows.clear()
        self._current = None

    def step(self) -> None:
        """One piece of a prompt, if any waits, then one token for every row."""
        if self._current is None:
            self._current = self._next()
        if self._current is not None:
            self._advance(*self._current)
        if self._rows:
            self._decode()

    def _next(self) -> tuple[Job[Any], _Prefill] | None:
        """The job that has waited longest; a generation waits on while all rows are taken."""
        for job in list(self._waiting):
            if isinstance(job, GenerateJob) and len(self._rows) >= self._limits.rows:
                continue
            self._waiting.remove(job)
            return job, self._start(job)
        return None

    def _start(self, job: Job[Any]) -> _Prefill:
        if isinstance(job, ScoreJob):
            return self._score(job)
        assert isinstance(job, GenerateJob)
        return self._generate(job)

    def _advance(self, job: Job[Any], work: _Prefill) -> None:
        try:
            next(work)
        except StopIteration:
            self._current = None
        except ComitiaError as error:
            self._current = None
            job.fail(error)
        except self._failures as error:
            self._current = None
            job.fail(Retryable(f"ONNX Runtime failed: {error}"))

    def _score(self, job: ScoreJob) -> _Prefill:
        plan = plan_score(self._text, job.prompt, job.options)
        slot, cached, last = yield from self._prefill(plan)
        first = log_softmax(last)
        totals = []
        for option in plan.options:
            total, place = float(first[option[0]]), len(plan.context)
            # An option of one token is read off the prompt's last logits; a longer one is run
            # behind the prompt.
            for low in range(0, len(option) - 1, self._limits.chunk_tokens):
                piece = option[low : min(low + self._limits.chunk_tokens, len(option) - 1)]
                logits = self._runner.extend(slot, place + low, piece, range(len(piece)))
                chosen = option[low + 1 : low + 1 + len(piece)]
                total += float(log_softmax(logits)[np.arange(len(piece)), chosen].sum())
                yield
            totals.append(total)
        completion = sum(map(len, plan.options))
        job.settle(Scores(tuple(totals), Usage(len(plan.context), completion, cached)))

    def _generate(self, job: GenerateJob) -> _Prefill:
        plan = plan_generation(self._text, job.prompt)
        slot, cached, last = yield from self._prefill(plan)
        self._runner.copy(slot, len(self._rows), len(plan.context))
        row = Row(job, self._text, len(plan.context), cached)
        if row.push(pick(last, job.sampling.temperature, row.chance)):
            self._wrote(row)
        else:
            self._rows.append(row)

    def _prefill(self, plan: Plan) -> Generator[None, None, tuple[int, int, Floats]]:
        """Run the context on a shelf; the slot, how many tokens were there before, and the last
        token's logits.
        """
        slot, source, shared = self._shelves.place(plan.prefix)
        try:
            if source != slot:
                self._runner.copy(source, slot, shared)
            yield from self._feed(slot, shared, plan.prefix[shared:])
        except BaseException:
            self._shelves.forget(slot)
            raise
        self._shelves.settle(plan.prefix, slot)
        rest = plan.context[len(plan.prefix) :]
        logits = yield from self._feed(slot, len(plan.prefix), rest)
        assert logits is not None, "a plan leaves at least one token to run"
        return slot, shared, logits

    def _feed(
        self, slot: int, past: int, tokens: Sequence[int]
    ) -> Generator[None, None, Floats | None]:
        """Write tokens in pieces, with a step between two; the logits of the last one."""
        logits, size = None, self._limits.chunk_tokens
        for low in range(0, len(tokens), size):
            if low:
                yield
            piece = tokens[low : low + size]
            logits = self._runner.extend(slot, past + low, piece, [len(piece) - 1])[0]
        return logits

    def watched(self, watch: Watch) -> None:
        """Tell `watch` of batches and texts from now on."""
        self._watch = watch

    def let_go(self) -> None:
        """Drop the jobs that were cancelled, in whatever phase they are."""
        if any(job.cancelled for job in self._waiting):
            self._waiting = deque(job for job in self._waiting if not job.cancelled)
        if self._current is not None and self._current[0].cancelled:
            # Closing it gives its shelf back.
            self._current[1].close()
            self._current = None
        for number in reversed(range(len(self._rows))):
            if self._rows[number].job.cancelled:
                self._leave(number)

    def _decode(self) -> None:
        try:
            logits = self._runner.decode(
                [row.length for row in self._rows], [row.last for row in self._rows]
            )
        except self._failures as error:
            for row in self._rows:
                row.job.fail(Retryable(f"ONNX Runtime failed: {error}"))
            self._rows.clear()
            return
        if self._watch is not None:
            self._watch.ran(len(self._rows))
        for number in reversed(range(len(self._rows))):
            row = self._rows[number]
            row.length += 1
            try:
                ended = row.push(pick(logits[number], row.job.sampling.temperature, row.chance))
                if ended:
                    self._wrote(row)
            except ComitiaError as error:
                row.job.fail(error)
                ended = True
            if ended:
                self._leave(number)

    def _wrote(self, row: Row) -> None:
        if self._watch is not None:
            rest_s = time.perf_counter() - row.began_s
            self._watch.wrote(row.began_s - row.job.arrived_s, rest_s, row.decoded)

    def _leave(self, number: int) -> None:
        """Free a row; the last one takes its memory."""
        last = self._rows.pop()
        if number < len(self._rows):
            self._runner.copy(len(self._rows), number, last.length)
            self._rows[number] = last
