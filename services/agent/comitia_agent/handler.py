"""The agent's behaviour: an Assignment in, an Answer out, through ports.Model alone.

What the model cannot do ends in an abstention that says why, so that a seat is never silently
missing. Retryable and Overloaded pass through: the runtime tries again until the deadline and
abstains then (FAILED, OVERLOADED).
"""

from comitia.consensus.weights import JUDGE
from comitia.effects import Publish, Recorded
from comitia.errors import ConfigError, Poison
from comitia.ports import Clock, Model
from comitia.v1.answer_pb2 import AbstentionReason, Answer, ModelRef, Timings
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.task_pb2 import Task
from comitia_agent.answers import abstain
from comitia_agent.budget import TooDear
from comitia_agent.card import AgentProfile
from comitia_agent.choosing import Unsupported
from comitia_agent.deliberation import deliberates
from comitia_agent.embedding import embed
from comitia_agent.judging import judge
from comitia_agent.means import Means
from comitia_agent.prompts import input_text
from comitia_agent.reconsidering import reconsider

UNSUPPORTED = AbstentionReason.ABSTENTION_REASON_UNSUPPORTED
FAILED = AbstentionReason.ABSTENTION_REASON_FAILED
TOO_LONG = AbstentionReason.ABSTENTION_REASON_TOO_LONG
# What the model cannot do with an input, or with a schema.
_REASONS = {"TOO_LONG": TOO_LONG, "BAD_CONSTRAINT": UNSUPPORTED}
UINT32_MAX = 2**32 - 1


class Agent:
    """One agent of a process; several share the model. `answer_bytes_max` bounds the Answer as a
    message. `embedder`: what embeds the answers, None where the card names none.
    """

    def __init__(
        self,
        profile: AgentProfile,
        model: Model,
        clock: Clock,
        answer_bytes_max: int,
        embedder: Model | None = None,
    ) -> None:
        self.profile = profile
        self._model = model
        self._clock = clock
        self._answer_bytes_max = answer_bytes_max
        self._embedder = embedder
        self._means = Means(profile, model)

    async def prepare(self) -> None:
        """Do what every task shares: prefill prompts, embed examples. ConfigError when the model
        cannot do what the card asks.
        """
        await self._means.prepare()
        if self._embedder is not None:
            await self._embedder.embed(["prepare"])

    async def handle(self, recorded: Recorded[Assignment]) -> tuple[Publish]:
        """The answer, addressed as the assignment says."""
        assignment = recorded.message
        event = PanelEvent(task_id=assignment.task.id, answer=await self.answer(recorded))
        key = assignment.task.root_id or assignment.task.id
        return (Publish(assignment.reply_topic, key, event, partition=assignment.reply_partition),)

    async def answer(self, recorded: Recorded[Assignment]) -> Answer:
        """Work on one assignment. Raises Retryable and Overloaded, and Poison (TOO_LARGE) for an
        answer that nobody would take; every other failure is an abstention.
        """
        assignment = recorded.message
        begun_ms = self._clock.monotonic_ms()
        queued_ms = max(0, self._clock.now_ms() - recorded.append_ms)
        try:
            answer = await self._work(assignment)
            await self._embed(answer, assignment.task)
        except Unsupported as error:
            answer = abstain(UNSUPPORTED, str(error))
        except TooDear as error:
            answer = abstain(TOO_LONG, str(error))
        except Poison as error:
            answer = abstain(_REASONS.get(error.reason, FAILED), str(error))
        except (ConfigError, ValueError) as error:
            answer = abstain(FAILED, str(error))
        if answer.ByteSize() > self._answer_bytes_max:
            said = f"the answer has {answer.ByteSize()} bytes of {self._answer_bytes_max}"
            raise Poison(said, "TOO_LARGE")
        answer.assignment_id = assignment.id
        answer.agent = self.profile.name
        answer.model.CopyFrom(ModelRef(name=self._model.name, digest=self._model.digest))
        answer.deadline_ms = assignment.deadline_ms
        worked_ms = round(self._clock.monotonic_ms() - begun_ms)
        answer.timings.CopyFrom(
            Timings(queued_ms=min(queued_ms, UINT32_MAX), worked_ms=min(worked_ms, UINT32_MAX))
        )
        return answer

    async def _work(self, assignment: Assignment) -> Answer:
        text = input_text(assignment.task.input)
        if text is None:
            raise Unsupported("this agent reads text and chat, not references")
        if assignment.role == JUDGE:
            return await judge(text, assignment, self._means)
        if deliberates(assignment):
            return await reconsider(text, assignment, self._means)
        return await self._means.answer(text, assignment)

    async def _embed(self, answer: Answer, task: Task) -> None:
        text = input_text(task.input)
        if self._embedder is not None and text is not None and answer.HasField("value"):
            await embed(answer, self._means.words(task)(answer.value), text, self._embedder)
