"""The decoder's work in steps: each step is one run of the graph over pieces of any mix of texts.

A job waits until there is a row of the cache and memory for it; then its prompt is read in pieces,
behind a copy of the longest beginning that is kept, and its text written token by token. A step
takes one token of every text that is being written, and as many tokens of prompts and options as
its limit allows, so that a long prompt does not hold up the others. Jobs join and leave between
steps. Only the engine's thread calls this.
"""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Protocol

from comitia.errors import ComitiaError, Retryable
from comitia.inference.attending import look_back
from comitia.inference.jobs import AnyJob, AttendJob, GenerateJob, ScoreJob
from comitia.inference.likelihood import not_finite
from comitia.inference.limits import Limits
from comitia.inference.queue import Queue, Ready, refusal
from comitia.inference.runner import Feed, Floats, Outcome, places
from comitia.inference.space import Prefix, Space
from comitia.inference.text import Text
from comitia.inference.weighing import Scoring, Weighing
from comitia.inference.work import SCORED_TOKENS_MAX, Ids, Reading, Work, Writer
from comitia.inference.writing import Writing
from comitia.ports import Step, Watch


class Runner(Protocol):
    """The graph; see runner.RowRunner. `adapters`: the number of each by name, from 1."""

    adapters: Mapping[str, int]

    def run(self, feeds: Sequence[Feed], *, logits: bool) -> Outcome: ...


class DecoderCore:
    """Jobs of one decoder. `failures` are the errors of the runtime below, which fail jobs and not
    the engine.
    """

    def __init__(
        self,
        text: Text,
        runner: Runner,
        space: Space,
        limits: Limits,
        failures: tuple[type[Exception], ...] = (),
    ) -> None:
        self._text, self._runner, self._space, self._limits = text, runner, space, limits
        self._failures = failures
        self._watch: Watch | None = None
        self._queue = Queue(text, runner.adapters, space)
        # Begun, and perhaps settled since: nobody is forgotten whatever breaks in between.
        self._begun: list[AnyJob] = []
        self._readings: list[Reading] = []
        self._writers: list[Writer] = []
        self._weighing = Weighing(space, self._readings)

    def add(self, job: AnyJob) -> None:
        """Take a job; no work yet."""
        self._queue.add(job)

    def held(self) -> int:
        """Jobs taken and not settled."""
        return len(self._queue) + len({id(work.job) for work in self._at_work()})

    def watched(self, watch: Watch) -> None:
        """Tell `watch` of steps and texts from now on."""
        self._watch = watch

    def abandon(self, error: BaseException) -> None:
        """Fail every job."""
        self.recover(error)
        self._queue.fail(error)

    def recover(self, error: BaseException) -> None:
        """Fail the jobs at work and forget what the cache holds; those that wait may go on."""
        for job in self._begun:
            job.fail(error)
        self._begun.clear()
        self._readings.clear()
        self._writers.clear()
        self._weighing.clear()
        self._space.forget()

    def let_go(self) -> None:
        """Drop the jobs that were cancelled, in whatever phase they are."""
        self._queue.drop_cancelled()
        for work in self._at_work():
            if work.job.cancelled:
                self._leave(work.job)

    def step(self) -> None:
        """Let in what there is room for, and run one step."""
        self._begun = [job for job in self._begun if not job.future.done()]
        while ready := self._queue.next(self._is_coming):
            self._begin(ready)
        self._weighing.share_out()
        works, feeds = self._pieces()
        if feeds:
            self._run(works, feeds)

    def _pieces(self) -> tuple[list[Work], list[Feed]]:
        """What the next step takes: a token of each text that is written, then of what is read as
        much as the limits allow. Pieces that would pad the rows too much wait for another step.
        """
        works: list[Work] = [*self._writers]
        feeds = [writer.feed() for writer in self._writers]
        left = self._limits.mixed_tokens if feeds else self._limits.chunk_tokens
        scored_left, places_max = SCORED_TOKENS_MAX, self._limits.rows * self._limits.mixed_tokens
        for reading in self._readings:
            tokens_max = min(left, scored_left) if reading.scored else left
            if tokens_max <= 0:
                continue
            feed = reading.feed(tokens_max)
            if feeds and places([*feeds, feed]) > places_max:
                continue
            works.append(reading)
            feeds.append(feed)
            left -= len(feed.tokens)
            scored_left -= len(feed.tokens) if reading.scored else 0
        return works, feeds

    def _at_work(self) -> list[Work]:
        return [*self._readings, *self._writers]

    def _is_coming(self, prefix: Prefix) -> bool:
        """Whether somebody is reading just this prefix, to be kept."""
        return any(
            reading.done < reading.keep == len(prefix.tokens)
            and Prefix(reading.adapter, reading.tokens[: reading.keep]) == prefix
            for reading in self._readings
        )

    def _begin(self, ready: Ready) -> None:
        job, plan, row = ready
        self._begun.append(job)
        cached = self._space.start_from(plan.prefix, row)
        try:
            reading = self._reading(ready, cached)
        except Exception as error:  # noqa: BLE001 - one request's slip is not the engine's
            self._space.end(row)
            job.fail(refusal(error))
            return
        reading.done = cached
        reading.keep = 0 if self._space.holds(plan.prefix) else len(plan.prefix.tokens)
        self._readings.append(reading)
        if self._watch is not None:
            self._watch.read(len(plan.context), cached)

    def _reading(self, ready: Ready, cached: int) -> Reading:
        """The job's prompt on its way into its row, and what comes then."""
        job, plan, row = ready
        adapter = plan.prefix.adapter
        if isinstance(job, ScoreJob):
            weigh = partial(self._weighing.context_read, Scoring(job, plan, cached))
            return Reading(job, row, plan.context, weigh, adapter)
        if isinstance(job, AttendJob):
            look = partial(self._look_back, cached)
            return Reading(job, row, plan.context, look, adapter, needs_logits=False)
        assert isinstance(job, GenerateJob)
        writing = Writing(job, self._text, plan.context, cached)
        write = partial(self._prompt_read, writing)
        return Reading(job, row, plan.context, write, adapter, needs_logits=not writing.greedy)

    def _run(self, works: Sequence[Work], feeds: Sequence[Feed]) -> None:
        """Run pieces together; where that fails, each alone, which shows whose fault it is."""
        begun_s = time.perf_counter()
        try:
            outcome = self._runner.run(feeds, logits=any(work.needs_logits for work in works))
        except self._failures as error:
            if len(works) == 1:
                self._fail(works[0].job, Retryable(f"ONNX Runtime failed: {error}"))
                return
            for work, feed in zip(works, feeds, strict=True):
                if work in self._at_work():
                    self._run([work], [feed])
            return
        self._ran(works, feeds, time.perf_counter() - begun_s)
        start = 0
        for work, feed in zip(works, feeds, strict=True):
            end = start + len(feed.wanted)
            self._deal(work, feed, outcome, slice(start, end))
            start = end

    def _deal(self, work: Work, feed: Feed, outcome: Outcome, places: slice) -> None:
        """Its part of the outcome to one piece of work; what goes wrong is its job's alone."""
        if work not in self._at_work():
            # Its job has failed in this step, over another of its options.
            return
        if not outcome.finite[places].all():
            self._fail(work.job, not_finite())
            return
        if isinstance(work, Reading):
            self._advance(work, len(feed.tokens))
            if not (work.scored or work.over):
                return
        ids = outcome.next_ids[places]
        logits = None if outcome.logits is None else outcome.logits[places]
        try:
            if isinstance(work, Writer):
                work.length += 1
                self._write(work, int(ids[0]), logits)
            else:
                work.then(work, ids, logits)
                if work.over:
                    self._readings.remove(work)
        except Exception as error:  # noqa: BLE001 - one request's slip is not the engine's
            self._fail(work.job, refusal(error))

    def _advance(self, reading: Reading, tokens: int) -> None:
        reading.done += tokens
        if reading.done == reading.keep:
            prefix = Prefix(reading.adapter, reading.tokens[: reading.keep])
            self._space.keep(prefix, reading.row)

    def _prompt_read(
        self, writing: Writing, reading: Reading, ids: Ids, logits: Floats | None
    ) -> None:
        job = reading.job
        assert isinstance(job, GenerateJob)
        writer = Writer(job, reading.row, writing, len(reading.tokens), reading.adapter)
        self._writers.append(writer)
        self._write(writer, int(ids[0]), logits)

    def _look_back(self, cached: int, reading: Reading, _ids: Ids, _logits: Floats | None) -> None:
        """Run the last token once more, where its looks can be seen."""
        try:
            found = look_back(self._runner, self._text, reading, cached)
        except self._failures as error:
            raise Retryable(f"ONNX Runtime failed: {error}") from error
        self._space.end(reading.row)
        reading.job.settle(found)

    def _write(self, writer: Writer, likely: int, logits: Floats | None) -> None:
        writing = writer.writing
        if writing.take(likely, logits[0] if logits is not None else None):
            self._writers.remove(writer)
            self._space.end(writer.row)
            if self._watch is not None and writing.began_s is not None:
                rest_s = time.perf_counter() - writing.began_s
                first_s = writing.began_s - writer.job.arrived_s
                self._watch.wrote(first_s, rest_s, writing.written)

    def _fail(self, job: AnyJob, error: ComitiaError) -> None:
        self._leave(job)
        job.fail(error)

    def _leave(self, job: AnyJob) -> None:
        """Free every row of a job."""
        # What was read and goes on otherwise has its row from there.
        for row in {work.row for work in self._at_work() if work.job is job}:
            self._space.end(row)
        self._readings[:] = [reading for reading in self._readings if reading.job is not job]
        self._writers[:] = [writer for writer in self._writers if writer.job is not job]
        self._weighing.leave(job)

    def _ran(self, works: Sequence[Work], feeds: Sequence[Feed], took_s: float) -> None:
        if self._watch is None:
            return
        written = sum(isinstance(work, Writer) for work in works)
        tokens = sum(len(feed.tokens) for feed in feeds)
        space = self._space
        step = Step(
            *(len(works), self._limits.rows, tokens - written, written),
            *(space.reserved, space.tokens_max, took_s),
        )
        self._watch.ran(step)
