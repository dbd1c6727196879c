"""Ray Serve at the work of bench.transport: three deployments, and a vote over their answers.

`python ray_panel.py TASKS SINGLES` starts a Ray of its own on this machine, asks three deployments
that do no work through their handles, votes when all have answered, and prints milliseconds of
single tasks and decisions per second as JSON on its last line. Runs in Ray's environment and
imports nothing of Comitia.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from typing import Any

import ray  # type: ignore[import-not-found]
from ray import serve

NAMES = ("noop-a", "noop-b", "noop-c")
QUESTION = "A warm, clever film with a heart. Options: positive, negative."
IN_FLIGHT_MAX = 256
WARM = 100


class Agent:
    """A deployment that always says "positive"."""

    async def __call__(self, question: str) -> str:
        return "positive"


async def decide(agents: list[Any]) -> str:
    """All three answers of one task, and the option most of them named."""
    answers = await asyncio.gather(*(agent.remote(QUESTION) for agent in agents))
    votes: Counter[str] = Counter(answers)
    return votes.most_common(1)[0][0]


async def measure(agents: list[Any], tasks: int, singles: int) -> dict[str, Any]:
    for _ in range(WARM):
        await decide(agents)
    taken = []
    for _ in range(singles):
        began = time.perf_counter()
        await decide(agents)
        taken.append(1000 * (time.perf_counter() - began))
    room = asyncio.Semaphore(IN_FLIGHT_MAX)

    async def one() -> str:
        async with room:
            return await decide(agents)

    began = time.perf_counter()
    decided = await asyncio.gather(*(one() for _ in range(tasks)))
    seconds = time.perf_counter() - began
    if set(decided) != {"positive"}:
        raise RuntimeError("a task was decided wrongly")
    return {"milliseconds": taken, "decisions_per_s": tasks / seconds}


def main() -> None:
    ray.init(include_dashboard=False, log_to_driver=False, configure_logging=False)
    try:
        deployment = serve.deployment(
            num_replicas=1, max_ongoing_requests=1_000, ray_actor_options={"num_cpus": 0}
        )(Agent)
        agents = [
            serve.run(deployment.options(name=name).bind(), name=name, route_prefix=None)
            for name in NAMES
        ]
        found = asyncio.run(measure(agents, int(sys.argv[1]), int(sys.argv[2])))
    finally:
        serve.shutdown()
        ray.shutdown()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
