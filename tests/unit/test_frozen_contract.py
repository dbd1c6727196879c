"""A previous version of the contract beside today's, message by message: the handlers run in
another process on frozen classes, and what they read and write is today's.
"""

import json
import subprocess
import sys
from pathlib import Path

from google.protobuf.message import Message

from comitia.topics import Names
from comitia.v1 import agent_card_pb2, command_pb2, panel_event_pb2, policy_pb2
from comitia.v1.agent_card_pb2 import AgentCard
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.cancel_pb2 import Cancel
from comitia.v1.command_pb2 import Command
from comitia.v1.decision_pb2 import DECISION_STATUS_DECIDED, Decision
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.task_pb2 import Task
from tests.frozen import previous
from tests.sim.events import answered, cancelled, make_answer, make_panel, make_task, opened

ROOT = Path(__file__).parents[2]
LACKING: set[tuple[type[Message], str]] = {
    (policy_pb2.Policy, "wait_for_all"),
    (agent_card_pb2.AgentCard, "priority_lane"),
    (panel_event_pb2.PanelEvent, "task_cancelled"),
    (command_pb2.Command, "cancel"),
}
# Messages come and go as lines of JSON: [what it is, its bytes as hexadecimal digits].
SCRIPT = """
import json, sys
from tests.frozen import previous
previous.install()
from comitia.effects import Publish, Recorded
from comitia.errors import Poison
from comitia.topics import Names
from comitia.v1.agent_card_pb2 import AgentCard
from comitia.v1.command_pb2 import Command
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.task_pb2 import Task
from comitia_aggregator.state import Rules
from comitia_aggregator.step import step
from comitia_router.handler import Router
from comitia_router.limits import Limits

names = Names()
router, state = Router(names, Limits(), lambda key: 0, "old"), None
rules = Rules(names.topic("decisions"))

def recorded(kind, data):
    return Recorded(kind.FromString(bytes.fromhex(data)), "", 0, 0, 1)

for line in sys.stdin:
    what, data = json.loads(line)
    effects = ()
    try:
        if what == "card":
            router.agents.learn(recorded(AgentCard, data).message)
            router.agents.open_inbox("anna")
        elif what == "task":
            effects = router.on_task(recorded(Task, data), 1)
        elif what == "command":
            effects = router.on_command(recorded(Command, data), 1)
        else:
            state, effects = step(state, recorded(PanelEvent, data), 1, rules)
    except Poison as poison:
        print(json.dumps(["poison", poison.reason]))
    for effect in effects:
        if isinstance(effect, Publish):
            print(json.dumps([effect.topic, effect.message.SerializeToString().hex()]))
"""


def on_frozen(*messages: tuple[str, Message]) -> list[tuple[str, str]]:
    """What the handlers of the previous version publish: topics and bytes, or a poison's reason."""
    lines = "".join(json.dumps([w, m.SerializeToString().hex()]) + "\n" for w, m in messages)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], input=lines, capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return [(what, data) for what, data in map(json.loads, done.stdout.splitlines())]


def test_the_frozen_contract_lacks_what_it_is_said_to_lack() -> None:
    frozen = {
        message.name: {field.name for field in message.field}
        for file in previous.contract().file
        for message in file.message_type
    }
    for message, name in LACKING:
        assert name in message.DESCRIPTOR.fields_by_name
        assert name not in frozen[message.DESCRIPTOR.name]


def test_an_old_router_hands_on_what_it_does_not_know() -> None:
    card = AgentCard(name="anna", version=1, skills=["sentiment"], no_heartbeat=True)
    card.priority_lane = True
    task = make_task()
    task.policy.wait_for_all = True
    sent = on_frozen(("card", card), ("task", task))
    (work,) = (data for topic, data in sent if topic == Names().inbox("anna"))
    assert Assignment.FromString(bytes.fromhex(work)).task == task
    (event,) = (data for topic, data in sent if topic == Names().topic("panel-events"))
    panel = PanelEvent.FromString(bytes.fromhex(event)).panel_opened
    assert panel.task == task
    assert panel.task.policy.wait_for_all


def test_an_old_router_keeps_a_command_of_a_newer_kind_for_a_newer_one() -> None:
    command = Command(cancel=Cancel(task_id="t"))
    assert on_frozen(("command", command)) == [("poison", "UNREADABLE")]


def test_an_old_aggregator_passes_over_a_newer_kind_of_event() -> None:
    task: Task = make_task()
    task.policy.wait_for_all = True
    panel = make_panel(task, seats=3)
    answers = [answered(make_answer(one.id, "a")) for one in panel.assignments]
    events = [opened(panel), cancelled(), answers[0], cancelled(), *answers[1:]]
    sent = on_frozen(*(("event", event) for event in events))
    (data,) = (data for topic, data in sent if topic == Names().topic("decisions"))
    decision = Decision.FromString(bytes.fromhex(data))
    assert (decision.status, decision.task_id) == (DECISION_STATUS_DECIDED, task.id)
