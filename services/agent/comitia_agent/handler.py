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
from comitia.v1.value_pb2 import Value
from comitia_agent.answers import abstain, choice, ranking
from comitia_agent.blocks import Choice
from comitia_agent.card import AgentProfile, Skill
from comitia_agent.choosing import LikelihoodChooser, Unsupported, make_chooser
from comitia_agent.deliberation import Words, deliberates, note, reason
from comitia_agent.documents import Documents
from comitia_agent.embedding import embed
from comitia_agent.judging import by_letter, by_options
from comitia_agent.prompts import input_text, value_text
from comitia_agent.writing import Writer

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
        skills = profile.skills.items()
        self._choosers = {
            name: chooser for name, skill in skills if (chooser := make_chooser(skill, model))
        }
        self._judges = {
            name: LikelihoodChooser(judge, model)
            for name, skill in skills
            if (judge := _judge_of(skill))
        }
        self._text = {name: Writer(skill.text, model) for name, skill in skills if skill.text}
        self._number = {name: Writer(skill.number, model) for name, skill in skills if skill.number}
        self._json = {
            name: Documents(skill, model)
            for name, skill in skills
            if skill.json_ or skill.utilities
        }

    async def prepare(self) -> None:
        """Do what every task shares: prefill prompts, embed examples. ConfigError when the model
        cannot do what the card asks.
        """
        for chooser in self._choosers.values():
            await chooser.prepare()
        for writers in (self._text, self._number, self._json):
            for writer in writers.values():
                await writer.prepare()
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
            return await self._judge(text, assignment)
        if not deliberates(assignment):
            return await self._answer(text, assignment)
        words = self._words(assignment.task)
        try:
            answer = await self._answer(text, assignment, note(assignment, words))
        except Poison as error:
            if error.reason != "TOO_LONG":
                raise
            shorter = note(assignment, words, reasons=False)
            answer = await self._answer(text, assignment, shorter)
        if answer.HasField("value"):
            answer.rationale = reason(assignment, answer, words)
        return answer

    async def _embed(self, answer: Answer, task: Task) -> None:
        text = input_text(task.input)
        if self._embedder is not None and text is not None and answer.HasField("value"):
            await embed(answer, self._words(task)(answer.value), text, self._embedder)

    async def _judge(self, text: str, assignment: Assignment) -> Answer:
        """Pick among the answers of others, or write one where that may be done and a card can."""
        task = assignment.task
        words = self._words(task)
        kind, skill = task.format.WhichOneof("kind"), task.skill
        if assignment.may_write and kind in ("text", "number", "json"):
            return await self._answer(text, assignment, note(assignment, words))
        chooser = self._choosers.get(skill)
        if skill not in self._judges and kind == "choice" and chooser:
            return await by_options(text, assignment, chooser)
        if skill in self._judges:
            return await by_letter(text, assignment, self._judges[skill], words)
        raise Unsupported(f"this agent does not judge answers to tasks of skill {skill!r}")

    def _words(self, task: Task) -> Words:
        """How values are read out: an option by the card's word for it, else by its text."""
        skill = self.profile.skills.get(task.skill)
        known = skill.choice.words if skill is not None and skill.choice else {}
        options = (*task.format.choice.options, *task.format.ranking.options)
        texts = {option.id: known.get(option.id, option.text or option.id) for option in options}

        def words(value: Value) -> str:
            return value_text(value, texts)

        return words

    async def _answer(self, text: str, assignment: Assignment, read: str = "") -> Answer:
        """`read`: what the model reads before the item."""
        task = assignment.task
        chooser = self._choosers.get(task.skill)
        kind = task.format.WhichOneof("kind")
        if kind == "choice" and chooser:
            return choice(await chooser.weigh(text, task.format.choice.options, read))
        if kind == "ranking" and chooser:
            return ranking(await chooser.weigh(text, task.format.ranking.options, read))
        if kind == "text" and task.skill in self._text:
            return await self._text[task.skill].text(text, assignment, read)
        if kind == "number" and task.skill in self._number:
            return await self._number[task.skill].number(text, assignment, read)
        if kind == "json" and task.skill in self._json:
            return await self._json[task.skill].document(text, assignment, read)
        raise Unsupported(f"this agent does not answer tasks of skill {task.skill!r} with a {kind}")


def _judge_of(skill: Skill) -> Choice | None:
    """How a skill judges: as its card says, else in the manner of what it writes."""
    if skill.judge:
        return skill.judge
    written = skill.text or skill.number or skill.json_
    if written is None:
        return None
    system = "You compare answers to a question and name the best one by its letter."
    return Choice(style=written.style, system=system, item="{input}\n\nThe best answer is")
