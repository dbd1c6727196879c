"""Scores: what is known of each option, and rows for those that have to be run.

An option of one token is read off the context's last logits. The rest of a longer one is run
behind the context: one option at least in the context's own row, the others behind copies of it in
rows that are free, all in the same steps.
"""

from collections import deque
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from comitia.inference.jobs import AnyJob, ScoreJob
from comitia.inference.likelihood import log_total
from comitia.inference.plans import Plan
from comitia.inference.runner import Floats
from comitia.inference.space import Space
from comitia.inference.work import Ids, Reading
from comitia.ports import Scores, Usage


@dataclass(eq=False, slots=True)
class Scoring:
    """One score; `left` are the options that have no row yet, `running` counts those that have."""

    job: ScoreJob
    plan: Plan
    cached: int
    totals: list[float] = field(default_factory=list)
    left: deque[int] = field(default_factory=deque)
    running: int = 0

    def begin(self, last: Floats) -> None:
        """`last`: logits float32[vocab] behind the context."""
        first = [option[0] for option in self.plan.options]
        self.totals = [float(found) for found in last[first] - log_total(last)]
        options = self.plan.options
        left = [n for n, option in enumerate(options) if len(option) > 1]
        # The longest first: a row has memory reserved for its first option, and goes on with
        # others.
        self.left.extend(sorted(left, key=lambda n: -len(options[n])))

    def add(self, number: int, end: int, logits: Floats) -> None:
        """Logits float32[places, vocab] at the places of an option that come before `end`."""
        following = self.plan.options[number][end - len(logits) + 1 : end + 1]
        chosen = logits[np.arange(len(following)), following]
        self.totals[number] += float((chosen - log_total(logits)).sum())

    def settle_if_over(self) -> None:
        """Hand over the scores once every option is done."""
        if self.left or self.running:
            return
        options, context = self.plan.options, self.plan.context
        usage = Usage(len(context), sum(map(len, options)), self.cached)
        self.job.settle(Scores(tuple(self.totals), usage))


class Weighing:
    """Gives options their rows in `space`; what is to be read goes into `readings`."""

    def __init__(self, space: Space, readings: list[Reading]) -> None:
        self._space, self._readings = space, readings
        # Scores with options left, and the row that holds their context.
        self._open: list[tuple[int, Scoring]] = []

    def context_read(
        self, scoring: Scoring, reading: Reading, ids: Ids, logits: Floats | None
    ) -> None:
        """The `then` of a context's reading."""
        assert logits is not None
        scoring.begin(logits[0])
        self._next_option(scoring, reading.row)
        if scoring.left:
            self._open.append((reading.row, scoring))

    def share_out(self) -> None:
        """Give options that wait the rows that are free."""
        for row, scoring in self._open:
            while scoring.left:
                tokens = len(scoring.plan.context) + len(scoring.plan.options[scoring.left[0]])
                other = self._space.begin(tokens)
                if other is None:
                    return
                self._space.copy(row, other, len(scoring.plan.context))
                self._weigh(scoring, other)
        self._open.clear()

    def leave(self, job: AnyJob) -> None:
        """Give no rows to a job any more."""
        self._open = [entry for entry in self._open if entry[1].job is not job]

    def clear(self) -> None:
        """Forget every score."""
        self._open.clear()

    def _weigh(self, scoring: Scoring, row: int) -> None:
        """The next option goes to `row`, behind the context there; its last token is never run."""
        number = scoring.left.popleft()
        scoring.running += 1
        tokens, context = scoring.plan.options[number][:-1], len(scoring.plan.context)
        then = partial(self._option_read, scoring, number)
        adapter = scoring.plan.prefix.adapter
        reading = Reading(scoring.job, row, tokens, then, adapter, start=context, scored=True)
        self._readings.append(reading)

    def _option_read(
        self, scoring: Scoring, number: int, reading: Reading, ids: Ids, logits: Floats | None
    ) -> None:
        assert logits is not None
        scoring.add(number, reading.done, logits)
        if reading.over:
            scoring.running -= 1
            self._next_option(scoring, reading.row)

    def _next_option(self, scoring: Scoring, row: int) -> None:
        """Go on with the next option in `row`, or give it back."""
        if scoring.left:
            self._weigh(scoring, row)
        else:
            self._space.end(row)
            scoring.settle_if_over()
