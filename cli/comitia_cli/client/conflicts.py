"""Decisions that are left to a person, as the topic `decisions` tells of them.

In: an open session. Out: each task whose panel left it to a person, with the decision that waits
and, where somebody or its policy has settled it, the revision that did. Only `decisions` is read,
which whoever asks tasks may read anyway.
"""

from dataclasses import dataclass

from comitia.v1.decision_pb2 import Decision, DecisionStatus
from comitia_cli.client.decisions import Found
from comitia_cli.client.records import decode, offsets_since, partitions_of, scan
from comitia_cli.shell import Session


@dataclass(frozen=True)
class Conflict:
    """`escalated`: the decision that waits, or waited. `ended`: the revision that settled it; None
    where there is none.
    """

    escalated: Found
    ended: Decision | None = None

    def waits(self, now_ms: int) -> bool:
        """Whether a verdict can still settle it. `now_ms`: epoch milliseconds."""
        return self.ended is None and self.expires_ms > now_ms

    @property
    def expires_ms(self) -> int:
        """Broker's clock, epoch milliseconds."""
        return self.escalated.decision.escalation.expires_ms


async def conflicts(session: Session, since_ms: int) -> list[Conflict]:
    """All that were left to a person since then (append time, epoch milliseconds), those that
    expire first at the head.
    """
    found: dict[str, Conflict] = {}
    partitions = partitions_of([await session.topic("decisions")])
    start = await offsets_since(session.log, partitions, since_ms)
    async for record in scan(session.log, partitions, start):
        decision = decode(Decision, record)
        task_id = decision.task_id
        # Ballots are the greater part of it, and nobody asks for them here.
        decision.ClearField("ballots")
        if decision.status == DecisionStatus.DECISION_STATUS_ESCALATED:
            found[task_id] = Conflict(Found(decision, record))
        elif decision.revision and task_id in found:
            found[task_id] = Conflict(found[task_id].escalated, decision)
    return sorted(found.values(), key=lambda one: (one.expires_ms, one.escalated.decision.task_id))
