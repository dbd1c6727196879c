"""An agent of your own, outside Comitia's repository: it counts words, and votes positive or
negative.

It needs FastStream and the contracts' classes, nothing else of Comitia. Assignments come in from
its inbox; a PanelEvent with the answer goes where the assignment says. How to run it: README.md
beside this file.
"""

import os

from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker

from comitia.v1.answer_pb2 import Abstention, Answer
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.value_pb2 import Value

NAME, PREFIX = "word-counter", os.environ.get("COMITIA_PREFIX", "")
GOOD = {"good", "great", "fine", "funny", "warm", "moving", "best", "joy", "charming", "clever"}
BAD = {"bad", "dull", "worst", "boring", "mess", "stale", "weak", "waste", "tedious", "lazy"}
broker = KafkaBroker(os.environ.get("COMITIA_BOOTSTRAP", "127.0.0.1:19092"))
app = FastStream(broker)


@broker.subscriber(
    f"{PREFIX}comitia.inbox.{NAME}.v1", group_id=f"{PREFIX}comitia.agent.{NAME}",
    auto_offset_reset="earliest", ack_policy=AckPolicy.ACK,
)  # fmt: skip
async def work(body: bytes) -> None:
    """Answer one assignment."""
    asked = Assignment.FromString(body)
    words = {word.strip(".,;:!?'\"()") for word in asked.task.input.text.lower().split()}
    balance = len(words & GOOD) - len(words & BAD)
    answer = Answer(assignment_id=asked.id, agent=NAME, deadline_ms=asked.deadline_ms)
    if balance:
        answer.value.CopyFrom(Value(option_id="positive" if balance > 0 else "negative"))
    else:
        answer.abstention.CopyFrom(Abstention(detail="none of my words is in the text"))
    event = PanelEvent(task_id=asked.task.id, answer=answer).SerializeToString()
    await broker.publish(event, asked.reply_topic, partition=asked.reply_partition)
