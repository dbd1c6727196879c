"""One whole agent process on LocalLog: all rows of its engine filled to 512 tokens, twice, then the
same rows full of choices and of JSON, by its agents in turn. Out: one line of JSON, with the
resident memory in MiB and the sequences that the engine had in a step of each kind, in the mean.

In: COMITIA_* as every agent, cards named as their files; the number of rows as argument.
"""

import json
import os
import sys
from pathlib import Path

from comitia.config import AgentSettings, KafkaSettings
from comitia.effects import Publish
from comitia.ports import Log, ReaderSpec
from comitia.runtime.service import Service, run_service
from comitia.testing import LocalLog
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.format_pb2 import AnswerFormat, ChoiceFormat, JsonFormat, Option, TextFormat
from comitia.v1.input_pb2 import Input
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.task_pb2 import Task
from comitia_agent import main
from tests.unit.measured import scrape

ROWS = int(sys.argv[1])
NAMES = [Path(card).stem for card in os.environ["COMITIA_AGENT_CARDS"].split(os.pathsep)]
EVENTS = "comitia.panel-events.v1"
# Of some 370 tokens; the card lets the model write 96 more.
LONG = " ".join(f"The {number}th day was long and nothing came of it." for number in range(1, 27))
TEXT = AnswerFormat(text=TextFormat())
CHOICE = AnswerFormat(
    choice=ChoiceFormat(options=[Option(id="a fine day"), Option(id="a bad one")])
)
SCHEMA = '{"type": "object", "properties": {"day": {"type": "integer"}}, "required": ["day"]}'
JSON = AnswerFormat(json=JsonFormat(schema=SCHEMA))


def memory_mib() -> dict[str, int]:
    """Resident now, and at most so far."""
    lines = Path("/proc/self/status").read_text().splitlines()
    sizes = dict(line.split(":", 1) for line in lines)
    return {name: int(sizes[name].split()[0]) // 1024 for name in ("VmRSS", "VmHWM")}


def steps(service: Service[AgentSettings]) -> tuple[float, float]:
    """Steps of the engine so far, and sequences in all of them."""
    found = scrape(service.runtime.telemetry)
    size = "comitia_model_batch_size"
    return sum(found[f"{size}_count"].values()), sum(found[f"{size}_sum"].values())


async def ask(service: Service[AgentSettings], kind: AnswerFormat, turn: int) -> list[PanelEvent]:
    """As many assignments as there are rows; their answers."""
    runtime = service.runtime
    writer = await runtime.log.writer()
    spec = ReaderSpec(topics=(EVENTS,), start="latest")
    reader = await runtime.log.reader(spec)
    await reader.end_offsets(reader.assignment())
    for number in range(ROWS):
        text = Input(text=f"{turn}.{number}: {LONG}")
        task = Task(id=f"t{turn}.{number}", skill="s", input=text, format=kind)
        agent = NAMES[number % len(NAMES)]
        assignment = Assignment(
            id=f"{turn}.{number}", agent=agent, task=task, deadline_ms=2**50,
            reply_topic=EVENTS, reply_partition=0,
        )  # fmt: skip
        publish = Publish(service.names.inbox(agent), task.id, assignment)
        await (await writer.send(runtime.codec.encode(publish)))
    events: list[PanelEvent] = []
    while len(events) < ROWS:
        for record in await reader.fetch(ROWS, 100):
            events.append(runtime.codec.decode(PanelEvent, record).message)
    await reader.close()
    await writer.close()
    return events


async def compose(service: Service[AgentSettings]) -> None:
    """The agent, and who fills it."""
    await main.compose(service)
    service.start(fill(service), "fill")


async def fill(service: Service[AgentSettings]) -> None:
    told: dict[str, object] = {"idle": memory_mib()}
    for turn, (name, kind) in enumerate(
        [("texts", TEXT), ("texts again", TEXT), ("choices", CHOICE), ("json", JSON)]
    ):
        count, total = steps(service)
        events = await ask(service, kind, turn)
        after = steps(service)
        sequences = (after[1] - total) / (after[0] - count)
        kinds = {event.answer.value.WhichOneof("kind") for event in events}
        usage = events[0].answer.usage
        tokens = usage.prompt_tokens + usage.completion_tokens
        answers = sorted(map(str, kinds))
        told[name] = {
            **memory_mib(),
            "tokens": tokens,
            "answers": answers,
            "sequences": sequences,
        }
    told["imported"] = sorted({"torch", "transformers", "optimum", "onnx"} & set(sys.modules))
    print(json.dumps(told), flush=True)
    service.runtime.stop.set()


async def open_log(settings: KafkaSettings, instance: str) -> Log:
    return LocalLog()


if __name__ == "__main__":
    sys.exit(run_service("agent", AgentSettings, compose, open_log))
