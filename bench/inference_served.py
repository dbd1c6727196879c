"""What Kafka, router, agent and aggregator cost a task on which a model works.

One agent that writes, on a broker of its own, gets the same tasks as the bare engine in a process
beside it, in turns: from publishing the first task to reading the last decision, against from the
first call to the last answer.
"""

import asyncio
import json
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import psutil

from bench.common import BIN, ROOT, Client, broker, create_topics, processes
from bench.inference_comitia import CARD, SPIN_US
from bench.inference_models import Models
from bench.inference_parts import Rounds
from bench.inference_prompts import ROWS, Prompts
from bench.inference_systems import COMITIA_INT8, Worker
from bench.peers.inference_worker import Prompt
from comitia.topics import Names
from comitia.v1.decision_pb2 import DECISION_STATUS_DECIDED, Decision
from comitia.v1.task_pb2 import Task

TASKS, SHARED, OWN, NEW = 64, 60, 40, 32
SKILL, AGENT = "write", "writer"
_READY_S = 60.0


async def served(models: Models, rounds: int, log: Path) -> Rounds:
    """Tasks per second served and bare, and what the agent's process holds."""
    prompts = Prompts(models.text)
    system = prompts.take(SHARED)["text"]
    asked = [
        # The agent puts its instructions and an empty line before the input.
        {"tokens": [], "prefix": f"{system}\n\n", "text": one["text"]}
        for one in prompts.several(TASKS, OWN)
    ]
    found: Rounds = defaultdict(list)
    bare = Worker(COMITIA_INT8, models, log)
    try:
        with tempfile.TemporaryDirectory() as folder, broker(Path(folder), 1) as bootstrap:
            names = Names("")
            await create_topics(bootstrap, [*names.specs(), names.inbox_spec(AGENT)])
            card = Path(folder) / "writer.yaml"
            card.write_text(json.dumps(agent_card(system)))
            env = {
                "COMITIA_BOOTSTRAP": bootstrap,
                "COMITIA_AGENT_CARDS": str(card),
                "COMITIA_MODELS_DIR": str(ROOT / "models"),
                "COMITIA_CACHE_DIR": str(models.comitia["int8"]),
                "COMITIA_ENGINE_SPIN_US": str(SPIN_US),
            }
            services = ("comitia-router", "comitia-agent", "comitia-aggregator")
            commands = [(str(BIN / service),) for service in services]
            with processes(commands, env, log) as started:
                await _rounds(bootstrap, asked, bare, (rounds, found))
                agent = psutil.Process(started[1].pid).memory_info().rss
                found["agent of served: resident MiB"] = [agent / 2**20]
    finally:
        bare.close()
    return found


async def _rounds(
    bootstrap: str, asked: Sequence[Prompt], bare: Worker, into: tuple[int, Rounds]
) -> None:
    rounds, found = into
    async with Client(bootstrap, read_committed=True) as client:
        await asyncio.wait_for(_until_decided(client, asked[0]), _READY_S)
        # One round is not counted: the broker is compiled in it, and the prefix is read.
        for number in range(rounds + 1):
            alone = await asyncio.to_thread(
                bare.ask, "tasks", prompts=list(asked), new=NEW, rows=ROWS
            )
            began = time.perf_counter()
            decided = await client.ask([task_of(prompt) for prompt in asked])
            took = time.perf_counter() - began
            _check(list(decided.values()))
            if number:
                found["bare engine: tasks/s"].append(TASKS / alone["seconds"])
                found["served: tasks/s"].append(TASKS / took)


def agent_card(system: str) -> dict[str, object]:
    """An agent that goes on with a text."""
    text = {"system": system, "item": "{input}", "tokens_max": NEW}
    return {
        "name": AGENT,
        "version": 1,
        "description": "Goes on with a text.",
        "role": AGENT,
        "model": CARD,
        "skills": {SKILL: {"text": text}},
    }


def task_of(prompt: Prompt) -> Task:
    """The task whose prompt this is."""
    task = Task(id=f"bench-{uuid.uuid4().hex}", skill=SKILL, timeout_ms=120_000)
    task.input.text = prompt["text"]
    task.format.text.tokens_max = NEW
    return task


async def _until_decided(client: Client, prompt: Prompt) -> None:
    while True:
        (decision,) = (await client.ask([task_of(prompt)])).values()
        if decision.status == DECISION_STATUS_DECIDED:
            return
        await asyncio.sleep(0.5)


def _check(decided: Sequence[Decision]) -> None:
    """Every task must have been answered. The texts need not be those of the bare engine: in int8
    a product for one row rounds otherwise than one for several.
    """
    if any(decision.status != DECISION_STATUS_DECIDED for decision in decided):
        raise RuntimeError("a task has no decision")
