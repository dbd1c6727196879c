"""JSON answers of one skill: the best option of each issue where the agent can tell what options
are worth to it, and what the model writes for everything else. An assignment in, an answer out.
"""

from comitia.ports import Model, Usage
from comitia.v1.answer_pb2 import Answer
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.value_pb2 import Value
from comitia_agent.answers import plus, usage_in, usage_of
from comitia_agent.card import Skill
from comitia_agent.choosing import Unsupported
from comitia_agent.utilities import best, by_card, by_scores, issues_of, negotiates, tell
from comitia_agent.writing import Writer


class Documents:
    """`skill` has `json`, `utilities` or both."""

    def __init__(self, skill: Skill, model: Model) -> None:
        self._skill = skill
        self._model = model
        self.writer = Writer(skill.json_, model) if skill.json_ else None

    async def prepare(self) -> None:
        """As a writer does."""
        if self.writer:
            await self.writer.prepare()

    async def document(self, text: str, assignment: Assignment, note: str = "") -> Answer:
        """With utilities where there are any. Raises Unsupported for a schema that asks for more
        than utilities from an agent that writes nothing, and whatever the model raises.
        """
        issues = issues_of(assignment.task.format.json.schema)
        worth = by_card(self._skill.utilities or {}, issues)
        how, spent = "by the utilities of its card", Usage(0, 0, 0)
        open_ = {name: options for name, options in issues.options.items() if name not in worth}
        if open_ and self._skill.json_ and negotiates(assignment.task):
            scored, spent = await by_scores(self._skill.json_, self._model, (text, note), open_)
            how = f"{how}, of the rest by likelihood" if worth else "by likelihood"
            worth |= scored
        if issues.whole and worth.keys() == issues.options.keys():
            answer = Answer(value=Value(json=best(worth)))
            answer.rationale = f"the best option of each issue, {how}"
            answer.usage.CopyFrom(usage_of(spent))
        elif self.writer:
            answer = await self.writer.document(text, assignment, note)
            _prefer(answer, worth, how)
            answer.usage.CopyFrom(usage_of(plus(usage_in(answer), spent)))
        else:
            raise Unsupported(
                "its card says what some options are worth, and has no prompt to write the rest"
            )
        tell(answer, worth)
        return answer


def _prefer(answer: Answer, worth: dict[str, dict[str, float]], how: str) -> None:
    if worth and answer.HasField("value"):
        answer.value.json = best(worth, answer.value.json)
        answer.rationale += f"; of {', '.join(worth)} the best option {how}"
