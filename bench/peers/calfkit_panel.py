"""calfkit at the work of bench.transport: three agents on Kafka, one process each, and a caller
that gathers and votes.

`python calfkit_panel.py agent BOOTSTRAP NAME` serves an agent whose `before_node` seam answers at
once, which is the shortest way through calfkit's own node: no model, no tools. `python
calfkit_panel.py panel BOOTSTRAP TASKS SINGLES` asks all three for every task, votes when all have
answered, and prints milliseconds of single tasks and decisions per second as JSON. Runs in
calfkit's environment and imports nothing of Comitia.
"""

import asyncio
import json
import sys
from collections import Counter
from typing import Any

import uvloop
from calfkit import (  # type: ignore[import-not-found]
    Agent,
    Client,
    ClientTimeoutError,
    ProvisioningConfig,
    Worker,
)
from calfkit._vendor.pydantic_ai.models.function import (  # type: ignore[import-not-found]
    FunctionModel,
)
from measuring import measure  # type: ignore[import-not-found]

NAMES = ("noop-a", "noop-b", "noop-c")
QUESTION = "A warm, clever film with a heart. Options: positive, negative."


def connect(bootstrap: str) -> Any:
    # Without a logger: FastStream would write two lines for every message.
    return Client.connect(bootstrap, provisioning=ProvisioningConfig(True, 4), logger=None)


async def serve(bootstrap: str, name: str) -> None:
    """One agent that always says "positive"."""

    def answer(_: Any) -> str:
        return "positive"

    def never(*_: Any) -> Any:
        raise RuntimeError("no model is asked")

    agent = Agent(name, model_client=FunctionModel(never), before_node=answer)
    await Worker(connect(bootstrap), [agent], max_workers=64).run()


async def decide(agents: list[Any]) -> str:
    """All three answers of one task, and the option most of them named."""
    answers = await asyncio.gather(*(agent.execute(QUESTION, timeout=60) for agent in agents))
    votes: Counter[str] = Counter(answer.output for answer in answers)
    return votes.most_common(1)[0][0]


async def until_there(agents: list[Any]) -> None:
    """Until all answer: what is published before an agent has joined is lost to it."""
    for _ in range(30):
        try:
            await asyncio.gather(*(agent.execute(QUESTION, timeout=2) for agent in agents))
        except ClientTimeoutError:
            continue
        return
    raise RuntimeError("the agents do not answer")


async def panel(bootstrap: str, tasks: int, singles: int) -> dict[str, Any]:
    async with connect(bootstrap) as client:
        agents = [client.agent(name) for name in NAMES]
        await until_there(agents)
        found: dict[str, Any] = await measure(lambda: decide(agents), tasks, singles)
        return found


def main() -> None:
    role, bootstrap, *rest = sys.argv[1:]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if role == "agent":
            runner.run(serve(bootstrap, rest[0]))
        else:
            found = runner.run(panel(bootstrap, int(rest[0]), int(rest[1])))
            print(json.dumps(found))


if __name__ == "__main__":
    main()
