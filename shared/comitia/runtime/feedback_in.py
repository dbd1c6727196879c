"""Feedback on its way into a leader's fold: decoded, brought together with the decisions that it
names, judged or refused.

In come records of `feedback`; what they say goes into the fold, and what is refused is kept until
the transaction that carries its dead letter, together with the traces that it is due to.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from comitia.effects import Recorded
from comitia.errors import Poison
from comitia.ports import Record
from comitia.runtime import dead_letters
from comitia.runtime.context import Runtime
from comitia.runtime.decisions_at import DecisionsAt
from comitia.runtime.delivery import Delivery, Job, trace_of
from comitia.runtime.leader_spec import Learning
from comitia.runtime.retry import persist
from comitia.telemetry import spans
from comitia.telemetry.learning_metrics import FEEDBACK
from comitia.telemetry.logs import wordless
from comitia.telemetry.names import Attribute
from comitia.v1.decision_pb2 import Decision
from comitia.v1.feedback_pb2 import Feedback

_LOG = logging.getLogger("comitia.leader")
# Feedback whose decisions are looked up together.
_TOGETHER_MAX = 200
REFUSED = "refused"


@dataclass(slots=True, eq=False)
class Told:
    """One record of feedback. `found` None: it could not be decoded, `why` says so."""

    record: Record
    job: Job
    found: Recorded[Feedback] | None = None
    why: Poison | None = None


class FeedbackIn:
    """Of one term. `refused` waits for its dead letters, `traces` are those that came since the
    last transaction. Close it in the end.
    """

    def __init__(self, runtime: Runtime, group: str, learning: Learning) -> None:
        self.refused: list[Told] = []
        self.traces: list[tuple[str, str]] = []
        self._runtime = runtime
        self._group = group
        self._learning = learning
        self._decisions = DecisionsAt(runtime)

    async def fold(self, records: Sequence[Record]) -> None:
        """Fold all, in their order. Stopped when the service is asked to stop meanwhile."""
        told = [self._opened(record) for record in records]
        for at in range(0, len(told), _TOGETHER_MAX):
            await self._together(told[at : at + _TOGETHER_MAX])

    async def keep_refused(self, delivery: Delivery) -> None:
        """Put what was refused into the dead letters, within the transaction of `delivery`."""
        for told in self.refused:
            letter = dead_letters.given_up(told.why or Poison("refused"), told.job.task_id)
            await delivery.keep(told.job, told.record, letter)

    async def close(self) -> None:
        """Give back what it reads with."""
        await self._decisions.close()

    def published(self) -> None:
        """The transaction is committed."""
        self.refused, self.traces = [], []

    def _opened(self, record: Record) -> Told:
        runtime, trace = self._runtime, trace_of(record)
        job = Job((), record, trace=trace)
        if runtime.telemetry.tracer is not None:
            job.span, job.trace = runtime.telemetry.tracer.process(record, self._group, trace)
        job.task_id = dead_letters.ending_task_id("", record)
        told = Told(record, job)
        try:
            told.found = runtime.codec.decode(Feedback, record, job.trace[0])
            job.task_id = told.found.message.task_id
            if job.span is not None:
                spans.about(job.span, told.found.message)
        except Poison as poison:
            told.why = poison
        return told

    async def _together(self, batch: Sequence[Told]) -> None:
        runtime = self._runtime
        messages = [told.found.message for told in batch if told.found is not None]
        wanted = {(one.decision_partition, one.decision_offset) for one in messages}
        found = await persist(runtime, "decisions", lambda: self._decisions.find(wanted))
        outcomes: Counter[str] = Counter()
        for told in batch:
            try:
                outcomes[self._judge(told, found)] += 1
            except Poison as why:
                outcomes[REFUSED] += 1
                told.why = why
                self._refuse(told)
            self.traces.append(told.job.trace)
            if told.job.span is not None:
                told.job.span.end()
        for outcome, count in outcomes.items():
            runtime.telemetry.add(FEEDBACK, count, {Attribute.COMITIA_OUTCOME: outcome})

    def _judge(self, told: Told, found: Mapping[tuple[int, int], Record]) -> str:
        """Fold one feedback. Poison when it is to be refused."""
        if told.found is None:
            raise told.why or ValueError("feedback that is neither read nor refused")
        message, decision = told.found.message, None
        stands = found.get((message.decision_partition, message.decision_offset))
        if stands is not None:
            decision = self._runtime.codec.decode(Decision, stands)
        try:
            return self._learning.feedback(told.found, decision)
        except Poison:
            raise
        except Exception as error:
            _LOG.error(
                *("feedback at offset %d cannot be folded", told.record.offset),
                exc_info=wordless(error),
                extra=dead_letters.fields(told.record, told.job.task_id, told.job.trace[0]),
            )
            why = f"{type(error).__name__}: {error}"
            raise Poison(why, dead_letters.HANDLER_FAILED) from error

    def _refuse(self, told: Told) -> None:
        record, why = told.record, told.why
        if why is None:
            raise ValueError("refused without a reason")
        self._learning.refuse("feedback", record.partition, record.offset)
        dead_letters.tell(record, why, told.job.task_id, told.job.trace[0])
        if told.job.span is not None:
            spans.fail(told.job.span, why)
        self.refused.append(told)
