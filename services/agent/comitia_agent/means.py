"""All that an agent can be asked: its card's prompts and examples over one model, by skill and by
kind of answer. Asked with a text, an answer comes out; what it cannot do raises Unsupported.
"""

from comitia.ports import Model
from comitia.v1.answer_pb2 import Answer
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.task_pb2 import Task
from comitia.v1.value_pb2 import Value
from comitia_agent.answers import choice, ranking
from comitia_agent.budget import affordable
from comitia_agent.card import AgentProfile
from comitia_agent.choosing import Chooser, LikelihoodChooser, Unsupported, make_chooser
from comitia_agent.deliberation import Words
from comitia_agent.documents import Documents
from comitia_agent.prompts import value_text
from comitia_agent.writing import Writer


class Means:
    """Of one agent; several share the model."""

    def __init__(self, profile: AgentProfile, model: Model) -> None:
        self._profile = profile
        skills = profile.skills.items()
        self.choosers: dict[str, Chooser] = {
            name: chooser for name, skill in skills if (chooser := make_chooser(skill, model))
        }
        self.judges = {
            name: LikelihoodChooser(skill.judge, model) for name, skill in skills if skill.judge
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
        for chooser in (*self.choosers.values(), *self.judges.values()):
            await chooser.prepare()
        for writers in (self._text, self._number, self._json):
            for writer in writers.values():
                await writer.prepare()

    async def answer(self, text: str, assignment: Assignment, note: str = "") -> Answer:
        """What the card says to the input `text`. `note`: what the model reads before the item.
        Raises Unsupported, TooDear, and whatever the model raises.
        """
        task = assignment.task
        chooser = self.choosers.get(task.skill)
        kind = task.format.WhichOneof("kind")
        if kind in ("choice", "ranking") and chooser:
            affordable(assignment, chooser.least_tokens)
        if kind == "choice" and chooser:
            return choice(await chooser.weigh(text, task.format.choice.options, note))
        if kind == "ranking" and chooser:
            return ranking(await chooser.weigh(text, task.format.ranking.options, note))
        if kind == "text" and task.skill in self._text:
            return await self._text[task.skill].text(text, assignment, note)
        if kind == "number" and task.skill in self._number:
            return await self._number[task.skill].number(text, assignment, note)
        if kind == "json" and task.skill in self._json:
            return await self._json[task.skill].document(text, assignment, note)
        raise Unsupported(f"this agent does not answer tasks of skill {task.skill!r} with a {kind}")

    def writer(self, task: Task, skill: str = "") -> Writer | None:
        """What writes answers of the task's kind; None where none does. `skill`: in place of the
        task's.
        """
        kind, skill = task.format.WhichOneof("kind"), skill or task.skill
        if kind == "json" and skill in self._json:
            return self._json[skill].writer
        writers = {"text": self._text, "number": self._number}.get(kind or "", {})
        return writers.get(skill)

    def reads(self, task: Task) -> bool:
        """Whether a note moves what answers the task."""
        chooser = self.choosers.get(task.skill)
        options = task.format.WhichOneof("kind") in ("choice", "ranking")
        return not options or chooser is None or chooser.reads

    def words(self, task: Task) -> Words:
        """How values are read out: an option by the card's word for it, else by its text."""
        skill = self._profile.skills.get(task.skill)
        known = skill.choice.words if skill is not None and skill.choice else {}
        options = (*task.format.choice.options, *task.format.ranking.options)
        texts = {option.id: known.get(option.id, option.text or option.id) for option in options}

        def words(value: Value) -> str:
            return value_text(value, texts)

        return words
