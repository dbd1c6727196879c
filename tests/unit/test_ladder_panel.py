"""A ladder on LocalLog, by the real router, aggregator and workers: rounds that the aggregator
opens reach the agents, and what comes back counts once.
"""

from collections.abc import Sequence

from google.protobuf import json_format

from comitia.effects import Effect, Publish, Recorded
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.decision_pb2 import DECISION_STATUS_DECIDED
from tests.unit.panel_world import Answer, Panel, a_task, answer_to
from tests.unit.runtime_world import until


def saying(first: str, later: str) -> Answer:
    async def answer(recorded: Recorded[Assignment]) -> Sequence[Effect]:
        assignment = recorded.message
        event = answer_to(assignment)
        event.answer.value.option_id = first if assignment.round == 1 else later
        event.answer.rationale = f"{len(assignment.peers)} others were shown"
        topic, partition = assignment.reply_topic, assignment.reply_partition
        return (Publish(topic, assignment.task.id, event, partition),)

    return answer


def test_a_panel_talks_a_narrow_vote_over_and_decides() -> None:
    panel = Panel()
    panel.answers = {
        "anna": saying("yes", "no"),
        "ben": saying("yes", "no"),
        "cleo": saying("no", "no"),
    }
    task = a_task("t1")
    steps = [{"deliberation": {"rounds": 2}, "when": {"marginBelow": 0.5}}]
    json_format.ParseDict({"steps": steps}, task.policy)

    async def story() -> None:
        await panel.publish(task, "t1")
        await panel.decided("t1")
        await until(lambda: not panel.letters())

    panel.run(story)
    decision = panel.decisions()["t1"]
    assert decision.status == DECISION_STATUS_DECIDED, decision
    assert (decision.value.option_id, decision.decided_by) == ("no", "deliberation")
    # Both rounds of it were needed: 2:1, then 2:4, then 2:7.
    assert [record.rounds for record in decision.steps] == [2]
    assert len(decision.ballots) == 9 and not any(one.kept for one in decision.ballots)
    opened = [
        event.round_opened.round for event in panel.events() if event.HasField("round_opened")
    ]
    assert opened == [2, 3]
    said = {one.round: one.rationale for one in decision.ballots if one.agent == "anna"}
    assert (said[1], said[2]) == ("0 others were shown", "2 others were shown")
