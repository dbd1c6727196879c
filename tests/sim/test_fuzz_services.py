"""Mutated messages through the router's handler and the aggregator's fold: nothing but Poison may
come out unhandled.

Valid messages are serialised, their bytes changed at random (flipped, cut, doubled, spliced with
another message) and parsed again, which gives unknown enum numbers, odd numbers, missing and
doubled fields. What is not protobuf any more never reaches a handler. FUZZ_EXAMPLES sets how many
messages each test makes (1,000).
"""

import os
import random

from google.protobuf.message import DecodeError, Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from comitia.effects import Effect, Publish, Recorded, Timer
from comitia.errors import Poison
from comitia.topics import Names
from comitia.v1.agent_card_pb2 import AgentCard
from comitia.v1.command_pb2 import Command
from comitia.v1.decision_pb2 import DECISION_STATUS_UNSPECIFIED, Decision
from comitia.v1.heartbeat_pb2 import Heartbeat
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.task_pb2 import Task
from comitia_aggregator.state import Rules, TaskState
from comitia_aggregator.step import step
from comitia_router.handler import Router
from comitia_router.limits import Limits
from tests.sim.corpus import cards, commands, events, heartbeats, tasks
from tests.sim.events import (
    APPENDED_MS,
    DEADLINE_MS,
    recorded,
)

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "1000"))
RULES = Rules("comitia.decisions.v1")
EVENTS_OF_A_FOLD = 8
fuzz = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))


def mutate(seeds: list[bytes], chance: random.Random) -> bytes:
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.choice([0, 1, 1, 2, 4])):
        at = chance.randrange(len(data) + 1)
        kind = chance.randrange(4)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del data[at : at + chance.randrange(1, 9)]
        elif kind == 2:
            data[at:at] = chance.randbytes(chance.randrange(1, 9))
        else:
            other = chance.choice(seeds)
            data[at:at] = other[chance.randrange(len(other)) :]
    return bytes(data)


def parsed(message: Message, data: bytes) -> bool:
    try:
        message.ParseFromString(data)
    except DecodeError:
        return False
    return True


def published(effects: tuple[Effect, ...]) -> list[Message]:
    """What would be sent: it must fit on the wire and name its key."""
    sent = [effect for effect in effects if isinstance(effect, Publish)]
    for publish in sent:
        assert publish.message.SerializeToString()
        assert publish.key
        publish.key.encode()
    return [publish.message for publish in sent]


TASK_BYTES = [task.SerializeToString() for task in tasks()]
EVENT_BYTES = [event.SerializeToString() for event in events()]
COMMAND_BYTES = [command.SerializeToString() for command in commands()]
TABLE_BYTES = [message.SerializeToString() for message in (*cards(), *heartbeats())]


@fuzz
@given(st.randoms(use_true_random=False))
def test_mutated_tasks_are_seated_refused_or_poison(chance: random.Random) -> None:
    router = Router(Names(), Limits(), lambda key: 0, "n")
    router.agents.learn(AgentCard(name="a0", version=1, skills=["sentiment"], no_heartbeat=True))
    router.agents.open_inbox("a0")
    card, beat, task, command = AgentCard(), Heartbeat(), Task(), Command()
    try:
        if parsed(card, mutate(TABLE_BYTES, chance)):
            router.on_card(Recorded(card, "agents", 0, 0, APPENDED_MS), APPENDED_MS)
    except Poison as poison:
        assert poison.reason in {"INVALID_CARD", "CARD_CONFLICT"}
    if parsed(beat, mutate(TABLE_BYTES, chance)):
        router.agents.on_heartbeat("a1", Recorded(beat, "heartbeats", 0, 0, APPENDED_MS))
    try:
        if parsed(task, mutate(TASK_BYTES, chance)):
            assert published(
                router.on_task(Recorded(task, "tasks", 0, 0, APPENDED_MS), APPENDED_MS)
            )
        if parsed(command, mutate(COMMAND_BYTES, chance)):
            assert published(router.on_command(Recorded(command, "commands", 0, 0, 0), 0))
    except Poison as poison:
        assert poison.reason in {"INVALID_ID", "UNREADABLE"}


@fuzz
@given(st.randoms(use_true_random=False))
def test_mutated_events_fold_into_one_decision_at_most(chance: random.Random) -> None:
    state: TaskState | None = None
    decisions: list[Message] = []
    for _ in range(EVENTS_OF_A_FOLD):
        event = PanelEvent()
        at_ms = chance.randint(APPENDED_MS, DEADLINE_MS + 9)
        if not parsed(event, mutate(EVENT_BYTES, chance)):
            continue
        try:
            state, effects = step(
                state, recorded(event, at_ms), at_ms, RULES, chance.random() < 0.05
            )
        except Poison as poison:
            assert poison.reason == "UNREADABLE"
            continue
        decisions += published(effects)
    if state is not None and state.timer_ms is not None:
        state, effects = step(state, Timer("t1", state.timer_ms), state.timer_ms + 1, RULES)
        decisions += published(effects)
        assert state is None or state.timer_ms is None
    assert len(decisions) <= 1
    for decision in decisions:
        assert isinstance(decision, Decision)
        assert decision.explanation
        assert decision.status != DECISION_STATUS_UNSPECIFIED
        assert 0.0 <= decision.margin <= 1.0
