"""The table of weights: which records count, and what votes read of them."""

import pytest

from comitia.consensus.weights import VoterWeight
from comitia.effects import Recorded
from comitia.methods import FORMATS, KINDS, calibrates, methods_of, takes
from comitia.v1.policy_pb2 import METHOD_LEARNED, METHOD_MEDIAN, METHOD_UNSPECIFIED, Method
from comitia.v1.weights_pb2 import WEIGHTS_BASIS_FEEDBACK, AgentWeight, Weights
from comitia.weights_table import WeightsTable
from comitia_aggregator.methods import ROWS, WEIGHING


def record(version: int, **changes: object) -> Recorded[Weights]:
    message = Weights(skill="s", version=version, temperature=2.0, basis=WEIGHTS_BASIS_FEEDBACK)
    message.agents.add(weight=0.5, accuracy=0.6)
    message.agents.add(agent="anna", model_digest="sha256:1", weight=1.5, accuracy=0.8)
    for name, value in changes.items():
        setattr(message, name, value)
    return Recorded(message, "weights", 0, version, 0)


def test_the_newest_record_under_the_skills_own_key_holds() -> None:
    table = WeightsTable()
    live = table.skills
    table.on_weights("s", record(1))
    table.on_weights("s", record(2))
    table.on_weights("s@1", record(1))
    table.on_weights("s@1", None)
    known = live["s"]
    assert (known.version, known.temperature, known.learned) == (2, 2.0, True)
    assert known.of("anna@sha256:1") == VoterWeight(1.5, 0.0, 0.8)
    assert known.of("anna@sha256:2") == known.prior == VoterWeight(0.5, 0.0, 0.6)
    table.on_weights("s", None)
    assert not live


def test_memory_alone_and_a_skill_without_agents_are_no_weights() -> None:
    table = WeightsTable()
    table.on_weights("s", record(0))
    assert not table.skills
    empty = Recorded(Weights(skill="s", version=3), "weights", 0, 0, 0)
    table.on_weights("s", empty)
    assert not table.skills


def test_without_a_prior_whoever_is_not_listed_counts_nothing() -> None:
    table = WeightsTable()
    message = Weights(skill="s", version=1, agents=[AgentWeight(agent="anna", weight=2.0)])
    table.on_weights("s", Recorded(message, "weights", 0, 0, 0))
    assert table.skills["s"].of("ben@").weight == 0.0


def test_every_method_is_in_the_table_of_formats_and_can_be_counted() -> None:
    assert set(FORMATS) == set(Method.values())
    assert set(ROWS) == set(FORMATS) - {METHOD_UNSPECIFIED}
    for method, instead in WEIGHING.items():
        assert set(FORMATS[method]) <= set(FORMATS[instead])
    for kind in KINDS:
        assert len(methods_of(kind)) >= 3


@pytest.mark.parametrize(
    ("method", "kind", "taken", "calibrated"),
    [
        (METHOD_LEARNED, "text", True, True),
        (METHOD_UNSPECIFIED, "choice", True, True),
        (METHOD_UNSPECIFIED, "text", True, False),
        (METHOD_MEDIAN, "choice", False, False),
        (METHOD_MEDIAN, "number", True, False),
    ],
)
def test_what_a_method_takes(method: Method, kind: str, taken: bool, calibrated: bool) -> None:
    assert (takes(method, kind), calibrates(method, kind)) == (taken, calibrated)
