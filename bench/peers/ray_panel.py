"""Ray Serve at the work of bench.transport: three deployments, and a vote over their answers.

`python ray_panel.py TASKS SINGLES` starts a Ray of its own on this machine, asks three deployments
that do no work through their handles, votes when all have answered, and prints milliseconds of
single tasks and decisions per second as JSON on its last line. Runs in Ray's environment and
imports nothing of Comitia.
"""

import asyncio
import json
import sys
from collections import Counter
from typing import Any

import ray  # type: ignore[import-not-found]
from measuring import measure  # type: ignore[import-not-found]
from ray import serve

NAMES = ("noop-a", "noop-b", "noop-c")
QUESTION = "A warm, clever film with a heart. Options: positive, negative."


class Agent:
    """A deployment that always says "positive"."""

    async def __call__(self, question: str) -> str:
        return "positive"


async def decide(agents: list[Any]) -> str:
    """All three answers of one task, and the option most of them named."""
    answers = await asyncio.gather(*(agent.remote(QUESTION) for agent in agents))
    votes: Counter[str] = Counter(answers)
    return votes.most_common(1)[0][0]


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
        found = asyncio.run(measure(lambda: decide(agents), int(sys.argv[1]), int(sys.argv[2])))
    finally:
        serve.shutdown()
        ray.shutdown()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
