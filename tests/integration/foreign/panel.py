"""A client that shares no code with Comitia: confluent-kafka (librdkafka) and classes generated
from the .proto files.

It announces an agent, publishes a task, plays the agent, and prints the decision as JSON. Run in a
process of its own, with the folder of the generated classes first on the path:
`python panel.py BOOTSTRAP PREFIX TASK_ID`.
"""

import json
import sys
import time
import uuid

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from google.protobuf.json_format import MessageToJson

from comitia.v1 import agent_card_pb2, assignment_pb2, decision_pb2, panel_event_pb2, task_pb2

AGENT = "stranger"


def topic(prefix: str, entity: str) -> str:
    return f"{prefix}comitia.{entity}.v1"


def announce(bootstrap: str, prefix: str, producer: Producer) -> None:
    """Make the inbox and publish a card that sends no heartbeat."""
    inbox = topic(prefix, f"inbox.{AGENT}")
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(inbox, 1, 1)])[inbox].result(30)
    card = agent_card_pb2.AgentCard(
        name=AGENT,
        version=1,
        description="Always votes for the first option.",
        skills=["interop"],
        inputs=["INPUT_KIND_TEXT"],
        formats=["FORMAT_KIND_CHOICE"],
        no_heartbeat=True,
    )
    producer.produce(topic(prefix, "agents"), card.SerializeToString(), key=f"{AGENT}@1@own")
    producer.flush(30)


def ask(prefix: str, task_id: str, producer: Producer) -> None:
    task = task_pb2.Task(id=task_id, skill="interop", timeout_ms=30_000)
    task.input.text = "Which one?"
    for option in ("first", "second"):
        task.format.choice.options.add(id=option)
    producer.produce(topic(prefix, "tasks"), task.SerializeToString(), key=task_id)
    producer.flush(30)


def answer(assignment: assignment_pb2.Assignment, producer: Producer) -> None:
    event = panel_event_pb2.PanelEvent(task_id=assignment.task.id)
    event.answer.assignment_id = assignment.id
    event.answer.agent = AGENT
    event.answer.value.option_id = assignment.task.format.choice.options[0].id
    event.answer.deadline_ms = assignment.deadline_ms
    producer.produce(
        assignment.reply_topic, event.SerializeToString(), partition=assignment.reply_partition
    )
    producer.flush(30)


def main() -> None:
    """Publish the task, under new ids until the router has met the card; show the decision."""
    bootstrap, prefix, task_id = sys.argv[1:]
    producer = Producer({"bootstrap.servers": bootstrap})
    announce(bootstrap, prefix, producer)
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"interop-{uuid.uuid4().hex}",
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
        }
    )
    consumer.subscribe([topic(prefix, f"inbox.{AGENT}"), topic(prefix, "decisions")])
    attempt = 0
    ask(prefix, f"{task_id}-{attempt}", producer)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        record = consumer.poll(1.0)
        if record is None or record.error():
            continue
        if record.topic() == topic(prefix, f"inbox.{AGENT}"):
            answer(assignment_pb2.Assignment.FromString(record.value() or b""), producer)
            continue
        decision = decision_pb2.Decision.FromString(record.value() or b"")
        if decision.task_id != f"{task_id}-{attempt}":
            continue
        if decision.status == decision_pb2.DECISION_STATUS_NO_AGENT:
            attempt += 1
            ask(prefix, f"{task_id}-{attempt}", producer)
            continue
        headers = {
            str(name): value.decode()
            for name, value in dict(record.headers() or ()).items()
            if isinstance(value, bytes)
        }
        shown = json.loads(MessageToJson(decision))
        print(json.dumps({"decision": shown, "headers": headers}))
        return
    sys.exit("no decision within 60 s")


if __name__ == "__main__":
    main()
