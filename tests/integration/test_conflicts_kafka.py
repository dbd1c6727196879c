"""A panel on Apache Kafka that deliberates, cannot agree and is left to a person; its aggregator is
killed before the verdict and once more while it settles the rest. Router and aggregator are real
processes; what they wrote is read committed.
"""

from pathlib import Path
from typing import TypeVar

from aiokafka import AIOKafkaConsumer
from google.protobuf import json_format
from google.protobuf.message import Message

from comitia.v1.command_pb2 import Command
from comitia.v1.dead_letter_pb2 import DeadLetter
from comitia.v1.decision_pb2 import DECISION_STATUS_DECIDED, DECISION_STATUS_ESCALATED, Decision
from comitia.v1.feedback_pb2 import Feedback
from comitia.v1.policy_pb2 import Policy
from comitia.v1.task_pb2 import Task
from comitia.v1.verdict_pb2 import Verdict
from tests.integration.test_services_router_aggregator import System, make_task, running

M = TypeVar("M", bound=Message)
POLICY = {
    "steps": [
        {"deliberation": {"rounds": 1}, "when": {"always": True}},
        {"name": "ask", "person": {}, "when": {"always": True}},
    ]
}
TASKS = 30


def disagreed(number: int) -> Task:
    task = make_task(f"t{number}", "ann=good bob=bad eve=good")
    task.policy.CopyFrom(json_format.ParseDict(POLICY, Policy()))
    return task


async def committed(system: System, entity: str, kind: type[M]) -> list[tuple[int, int, M]]:
    """(partition, offset, message) of every record that a transaction has not taken back."""
    reader = AIOKafkaConsumer(
        system.names.topic(entity),
        bootstrap_servers=system.bootstrap,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
    )
    await reader.start()
    try:
        ends = await reader.end_offsets(reader.assignment())
        found = []
        for tp, end in ends.items():
            while await reader.position(tp) < end:
                for records in (await reader.getmany(timeout_ms=100)).values():
                    found += [(r.partition, r.offset, kind.FromString(r.value)) for r in records]
        return found
    finally:
        await reader.stop()


async def settle(system: System, decision: Decision, offset: int, option: str = "bad") -> None:
    said = Verdict(task_id=decision.task_id, decision_offset=offset, by="ann", because="I looked")
    said.value.option_id = option
    await system.say("commands", decision.task_id, Command(verdict=said))


def newest(system: System, task_id: str) -> int:
    """The newest revision that anybody has seen, -1 before any."""
    return max((one.revision for one in system.decisions.get(task_id, ())), default=-1)


async def test_conflicts_are_settled_once_whenever_their_owner_dies(
    broker: str, tmp_path: Path
) -> None:
    async with running(broker, tmp_path) as system:
        ids = [f"t{number}" for number in range(TASKS)]
        for number in range(TASKS):
            await system.say("tasks", f"t{number}", disagreed(number))
        await system.until(lambda: len(system.decisions) == TASKS)
        stand = {
            one.task_id: (partition, offset, one)
            for partition, offset, one in await committed(system, "decisions", Decision)
        }
        for _, _, escalated in stand.values():
            assert escalated.status == DECISION_STATUS_ESCALATED
            assert {ballot.round for ballot in escalated.ballots} == {1, 2}
        system.kill("aggregator")
        for task_id in ids[: TASKS // 2]:
            await settle(system, stand[task_id][2], stand[task_id][1])
        system.start("aggregator")
        await system.until(lambda: newest(system, ids[0]) == 1)
        for task_id in ids:
            # For the first half once more, as a router does that was killed: nothing is wrong.
            await settle(system, stand[task_id][2], stand[task_id][1])
        system.kill("aggregator")
        system.start("aggregator")
        await system.until(lambda: all(newest(system, task_id) == 1 for task_id in ids))
        await settle(system, stand[ids[0]][2], stand[ids[0]][1], "good")
        refused = await system.first(
            "dead-letters", lambda r: DeadLetter.FromString(r.value).reason == "VERDICT_REFUSED"
        )
        assert "revision 1 says how, and stands" in DeadLetter.FromString(refused.value).error

        decisions = [one for _, _, one in await committed(system, "decisions", Decision)]
        made = {(one.task_id, one.revision): one for one in decisions}
        assert len(made) == len(decisions) == 2 * TASKS
        for task_id in ids:
            settled = made[task_id, 1]
            assert (settled.status, settled.value.option_id) == (DECISION_STATUS_DECIDED, "bad")
            assert settled.settlement.decision_offset == stand[task_id][1]
        feedback = [one for _, _, one in await committed(system, "feedback", Feedback)]
        told = {one.task_id: (one.decision_partition, one.decision_offset) for one in feedback}
        assert told == {task_id: stand[task_id][:2] for task_id in ids}
        assert len(feedback) == TASKS
        letters = [one for _, _, one in await committed(system, "dead-letters", DeadLetter)]
        assert len(letters) == 1
