"""KafkaTopics and KafkaUsers of the chart are the catalogue of topics and the list of rights of the
application itself, no more and no less.
"""

from collections.abc import Iterable
from typing import Any

import pytest

from comitia import acls
from comitia.ports import TopicSpec
from comitia.topics import Names
from tests.charts import tools
from tests.charts.chart_support import VALUES, needs_helm, objects, of_kind, rendered

pytestmark = needs_helm
# Those whose partitions are split among processes, as topics.partitions says.
SHARED = ("tasks", "panel-events", "decisions")
STRIMZI = {"transactional-id": "transactionalId"}
NAME = f"{tools.RELEASE}-comitia"
PREFIXES = ("", "staging.", "Team_A-1.")
Right = tuple[str, str | None, str | None, frozenset[str]]


def topics(prefix: str) -> dict[str, tuple[int, int, dict[str, str]]]:
    found = objects(rendered("strimzi", "--set-string", f"kafka.prefix={prefix}"))
    return {
        item["spec"]["topicName"]: (
            item["spec"]["partitions"],
            item["spec"]["replicas"],
            item["spec"]["config"],
        )
        for item in of_kind(found, "KafkaTopic")
    }


def expected(specs: Iterable[TopicSpec]) -> dict[str, tuple[int, int, dict[str, str]]]:
    return {spec.name: (spec.partitions, spec.replication, dict(spec.config)) for spec in specs}


@pytest.mark.parametrize("prefix", PREFIXES)
def test_topics_are_those_of_the_catalogue(prefix: str) -> None:
    names = Names(prefix)
    wanted = expected(
        [
            *names.specs(3),
            *names.inbox_specs("critic", 3),
            *names.inbox_specs("proofreader", 3, priority_lane=True),
        ]
    )
    for entity in SHARED:
        _, replication, config = wanted[names.topic(entity)]
        wanted[names.topic(entity)] = (12, replication, config)
    assert topics(prefix) == wanted


def test_inboxes_have_the_partitions_that_values_say() -> None:
    found = objects(rendered("strimzi", "--set", "topics.inboxPartitions=9"))
    partitions = {
        item["spec"]["topicName"]: item["spec"]["partitions"]
        for item in of_kind(found, "KafkaTopic")
        if "inbox" in item["spec"]["topicName"]
    }
    assert set(partitions.values()) == {9}


def test_topics_are_made_where_their_operator_looks_and_users_where_pods_do() -> None:
    found = objects(rendered("strimzi", "--set", "strimzi.namespace=kafka"))
    assert {item["metadata"]["namespace"] for item in of_kind(found, "KafkaTopic")} == {"kafka"}
    assert not any("namespace" in item["metadata"] for item in of_kind(found, "KafkaUser"))


def test_topics_outlive_the_release() -> None:
    for topic in of_kind(objects(rendered("strimzi")), "KafkaTopic"):
        assert topic["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def rights(user: dict[str, Any]) -> set[Right]:
    return {
        (
            acl["resource"]["type"],
            acl["resource"].get("name"),
            acl["resource"].get("patternType"),
            frozenset(acl["operations"]),
        )
        for acl in user["spec"]["authorization"]["acls"]
    }


def as_strimzi(listed: Iterable[acls.Acl]) -> set[Right]:
    """The cluster has no name there, and a pattern is called `prefix`."""
    return {
        ("cluster", None, None, frozenset(acl.operations))
        if acl.resource == "cluster"
        else (
            STRIMZI.get(acl.resource, acl.resource),
            acl.name,
            {"literal": "literal", "prefixed": "prefix"}[acl.pattern],
            frozenset(acl.operations),
        )
        for acl in listed
    }


@pytest.mark.parametrize("prefix", PREFIXES)
def test_users_may_do_what_they_need_and_nothing_else(prefix: str) -> None:
    found = objects(rendered("strimzi", "--set-string", f"kafka.prefix={prefix}"))
    users = {item["metadata"]["name"]: rights(item) for item in of_kind(found, "KafkaUser")}
    names = Names(prefix)
    assert users == {
        f"{NAME}-router": as_strimzi(acls.router(names)),
        f"{NAME}-aggregator": as_strimzi(acls.aggregator(names)),
        f"{NAME}-learner": as_strimzi(acls.learner(names)),
        f"{NAME}-agent-critic": as_strimzi(acls.agent(names, "critic")),
        f"{NAME}-agent-proofreader": as_strimzi(
            acls.agent(names, "proofreader", priority_lane=True)
        ),
        f"{NAME}-setup": as_strimzi(acls.operator(names)),
        f"{NAME}-test": as_strimzi(acls.publisher(names)),
    }


def test_pods_log_in_with_the_secrets_of_these_users() -> None:
    found = objects(rendered("strimzi"))
    users = {item["metadata"]["name"] for item in of_kind(found, "KafkaUser")}
    used = {
        source["secret"]["name"]
        for item in found
        for volume in (tools.pod_of(item) or {}).get("volumes", [])
        for source in volume.get("projected", {}).get("sources", [])
    }
    assert used - {"panel-cluster-ca-cert"} == users


def test_a_cluster_that_serves_only_the_old_version_gets_that() -> None:
    old = ("--api-versions", "kafka.strimzi.io/v1beta2")
    done = tools.helm(
        "template", "panel", str(tools.CHART), "--values", str(VALUES["strimzi"]), *old
    )
    found = objects(done.stdout)
    kinds = {item["apiVersion"] for item in found if item["kind"].startswith("Kafka")}
    assert kinds == {"kafka.strimzi.io/v1beta2"}
