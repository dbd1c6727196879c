"""What feedback changes, on Apache Kafka from the router to the learner and back: decisions name
the weights they used, shadows are judged and not counted, a new model starts from the prior, a
panel stops early and tells the rest, and old versions go.
"""

import asyncio
import csv
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from comitia.v1.agent_card_pb2 import AgentCard
from comitia.v1.decision_pb2 import DECISION_STATUS_DECIDED, Ballot, Decision
from comitia.v1.policy_pb2 import METHOD_LEARNED, METHOD_PLURALITY
from comitia.v1.weights_pb2 import WEIGHTS_BASIS_FEEDBACK, AgentWeight, Weights
from tests.integration.test_cli_system import comitia
from tests.integration.test_services_router_aggregator import (
    PATIENCE_S,
    System,
    make_task,
    published,
    running,
)

TASKS = 40
SENT_AT_ONCE = 10
VERSIONS_MAX = 2
SKILL = "sentiment"


class Judged(System):
    """Three agents and a shadow, each with a model."""

    def cards(self) -> list[AgentCard]:
        cards = []
        for name in ("ann", "bob", "eve", "sue"):
            card = AgentCard(name=name, version=1, skills=[SKILL], no_heartbeat=True)
            card.model.digest = self.models[name] = "m1"
            card.shadow = name == "sue"
            cards.append(card)
        return cards

    async def weights(self, feedback: int) -> Weights:
        """The first record that rests on so much feedback."""
        record = await self.first(
            "weights",
            lambda one: (
                one.key == SKILL.encode()
                and Weights.FromString(one.value).feedback_count >= feedback
            ),
        )
        return Weights.FromString(record.value)

    async def decided_by(self, version: int) -> Decision:
        """The decision of a task that came when the aggregator knew a version: ann and bob against
        eve, with everybody heard.
        """
        async with asyncio.timeout(PATIENCE_S):
            for number in range(10_000):
                task = make_task(f"by-{version}-{number}", "ann=bad bob=bad eve=good sue=bad")
                decision = await published(self, task)
                if decision.weights_version >= version:
                    return decision
        raise AssertionError(f"no decision by version {version}")


@asynccontextmanager
async def taught(
    broker: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Judged, Weights]]:
    """A system whose learner knows that ann and bob are always wrong, eve and the shadow right."""
    async with running(broker, folder, Judged) as system:
        assert isinstance(system, Judged)
        monkeypatch.setenv("COMITIA_PREFIX", system.names.prefix)
        monkeypatch.setenv("COMITIA_BOOTSTRAP", broker)
        limits = {"COMITIA_WEIGHTS_VERSIONS_MAX": str(VERSIONS_MAX)}
        system.start("learner", **limits, COMITIA_PUBLISH_INTERVAL_MS="50")
        right = {f"t-{n}": ("good", "bad")[n % 2] for n in range(TASKS)}
        for task_id, option in right.items():
            wrong = "bad" if option == "good" else "good"
            said = f"ann={wrong} bob={wrong} eve={option} sue={option}"
            await system.say("tasks", task_id, make_task(task_id, said))
        await system.until(lambda: len(system.decisions) == TASKS)
        for first in range(0, TASKS, SENT_AT_ONCE):
            part = dict(list(right.items())[first : first + SENT_AT_ONCE])
            await feed(folder, part)
            newest = await system.weights(first + SENT_AT_ONCE)
        yield system, newest


async def feed(folder: Path, right: Mapping[str, str]) -> None:
    path = folder / "right.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("task_id", "correct"), *right.items()])
    code, _, err = await comitia("feedback", "--file", str(path))
    assert code == 0, err


def ballots(decision: Decision) -> dict[str, Ballot]:
    return {ballot.agent: ballot for ballot in decision.ballots}


def agents(weights: Weights) -> dict[tuple[str, str], AgentWeight]:
    return {(one.agent, one.model_digest): one for one in weights.agents}


async def test_decisions_name_their_weights_shadows_are_judged_and_a_new_model_starts_anew(
    broker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with taught(broker, tmp_path, monkeypatch) as (system, newest):
        known = agents(newest)
        assert newest.basis == WEIGHTS_BASIS_FEEDBACK
        assert known["sue", "m1"].judged == known["eve", "m1"].judged == TASKS
        assert known["sue", "m1"].weight > 0 > known["ann", "m1"].weight

        decision = await system.decided_by(newest.version)
        assert (decision.status, decision.method) == (DECISION_STATUS_DECIDED, METHOD_LEARNED)
        assert (decision.value.option_id, decision.weights_version) == ("good", newest.version)
        assert decision.calibrated_probability > 0.5
        cast = ballots(decision)
        assert cast["eve"].weight == known["eve", "m1"].weight
        # The shadow says "bad" and is heard, without a weight.
        assert (cast["sue"].shadow, cast["sue"].weight) == (True, 0.0)
        assert cast["sue"].value.option_id == "bad"

        system.models["eve"] = "m2"
        task = make_task("new-model", "ann=bad bob=bad eve=good sue=good")
        cast = ballots(await published(system, task))
        assert cast["eve"].model.digest == "m2"
        assert cast["eve"].weight == known["", ""].weight != known["eve", "m1"].weight
        await feed(tmp_path, {"new-model": "good"})
        later = agents(await system.weights(TASKS + 1))
        assert (later["eve", "m2"].judged, later["eve", "m1"].judged) == (1, TASKS)

        removed = await system.first("weights", lambda one: one.value is None)
        assert removed.key == f"{SKILL}@1".encode()


async def test_a_panel_stops_when_the_rest_changes_nothing_or_it_is_sure_enough(
    broker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with taught(broker, tmp_path, monkeypatch) as (system, newest):
        await system.decided_by(newest.version)
        # Each would wait for its silent agents until the test is given up.
        certain = make_task("certain", "ann=good bob=good")
        certain.policy.wait_for_all = False
        certain.policy.method = METHOD_PLURALITY
        decision = await published(system, certain)
        assert decision.value.option_id == "good"
        assert [seat.agent for seat in decision.missing] == ["eve"]
        assert "could not change the outcome" in decision.explanation

        likely = make_task("likely", "eve=bad")
        likely.policy.wait_for_all = False
        likely.policy.method = METHOD_LEARNED
        likely.policy.quorum = 1
        likely.policy.probability_target = 0.6
        decision = await published(system, likely)
        assert decision.value.option_id == "bad"
        assert decision.calibrated_probability >= 0.6
        assert [seat.agent for seat in decision.missing] == ["ann", "bob"]
        for key in (b"certain", b"likely"):
            await told_to_stop(system, key)


async def told_to_stop(system: System, key: bytes) -> None:
    await system.first("control", lambda one: one.key == key)
