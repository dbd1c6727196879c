"""Policies of skills as values: the router is given files that it can read, new pods when they
change, and nothing where there are none.
"""

from pathlib import Path

from comitia.policy.files import read_policies
from comitia_router.limits import Limits
from comitia_router.policies import policy_problems
from tests.charts.chart_support import needs_helm, objects, of_kind, rendered

WITH, WITHOUT = "keda-monitoring", "minimal"


def router(*options: str) -> dict[str, object]:
    """The pod template of the router."""
    found = objects(rendered(WITH, *options))
    sets = {item["metadata"]["name"]: item for item in of_kind(found, "StatefulSet")}
    (name,) = (name for name in sets if name.endswith("router"))
    template: dict[str, object] = sets[name]["spec"]["template"]
    return template


@needs_helm
def test_the_router_is_given_files_that_it_can_read(tmp_path: Path) -> None:
    (files,) = (
        item for item in of_kind(objects(rendered(WITH)), "ConfigMap")
        if item["metadata"]["name"].endswith("-policies")
    )  # fmt: skip
    for name, text in files["data"].items():
        (tmp_path / name).write_text(text)
    found = read_policies(tmp_path, lambda one, given: policy_problems(one, given, Limits()))
    kinds = [step.WhichOneof("kind") for step in found["sentiment"].steps]
    assert kinds == ["deliberation", "person"]
    text = str(router())
    assert "{'name': 'COMITIA_POLICIES', 'value': '/etc/comitia/policies'}" in text
    assert "'name': 'policies', 'mountPath': '/etc/comitia/policies', 'readOnly': True" in text


@needs_helm
def test_a_policy_that_changes_changes_the_routers_pods() -> None:
    other = router("--set", "policies.sentiment.quorum=2")
    assert router()["metadata"] != other["metadata"]


@needs_helm
def test_without_policies_nothing_is_mounted() -> None:
    assert "policies" not in rendered(WITHOUT).replace("networkpolicies", "")
