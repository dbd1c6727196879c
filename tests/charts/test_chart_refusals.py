"""Values that cannot work, each with what the operator is told: by the schema what is no value of
the chart at all, by a sentence of its own what contradicts itself.
"""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.charts import tools
from tests.charts.chart_support import HELMS, needs_helm

pytestmark = needs_helm
Values = Mapping[str, Any]


def wire(**security: Any) -> Values:
    return {"kafka": {"security": security}}


def critic(**settings: Any) -> Values:
    return {"agents": {"critic": settings}}


SASL = {"protocol": "SASL_SSL", "mechanism": "PLAIN"}
OTHER_CARD = {
    "name": "other",
    "version": 1,
    "description": "Not the critic.",
    "model": "smollm2-135m-instruct",
    "skills": {"answer": {}},
}
REFUSED: tuple[tuple[Values, str], ...] = (
    # What the schema says.
    ({"router": {"replica": 3}}, "at '/router': additional properties 'replica' not allowed"),
    ({"router": {"replicas": "two"}}, "at '/router/replicas': got string, want integer"),
    ({"router": {"replicas": 0}}, "at '/router/replicas': minimum: got 0, want 1"),
    ({"router": None}, "missing property 'router'"),
    ({"kafka": {"password": "x"}}, "at '/kafka': additional properties 'password' not allowed"),
    (wire(protocol="SASL"), "must be one of 'PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'"),
    ({"kafka": {"replication": 0}}, "at '/kafka/replication': value must be one of -1, 1, 2"),
    (
        {"router": {"env": {"COMITIA_SEATS_MAXIMUM": 3}}},
        "at '/router/env': additional properties 'COMITIA_SEATS_MAXIMUM' not allowed",
    ),
    (critic(modle="m"), "at '/agents/critic': additional properties 'modle' not allowed"),
    (critic(scaling={"min": 0}), "at '/agents/critic/scaling/min': minimum: got 0, want 1"),
    (critic(scaling={"type": "auto"}), "value must be one of 'fixed', 'hpa', 'keda'"),
    (critic(card={"name": "critic"}), "missing properties 'version', 'description', 'model'"),
    (critic(resources={"limits": {"memory": "lots"}}), "'lots' does not match pattern"),
    ({"models": {"source": "s3"}}, "value must be one of 'init', 'pvc', 'image'"),
    ({"aggregator": {"delivery": "once"}}, "must be one of 'exactly-once', 'at-least-once'"),
    ({"aggregator": {"sessionTimeoutSeconds": 3}}, "TimeoutSeconds': minimum: got 3, want 6"),
    ({"networkPolicy": {"kafkaPorts": [99999]}}, "maximum: got 99,999, want 65,535"),
    ({"networkPolicy": {"kafkaTo": [{"cidr": "10.0.0.0/8"}]}}, "properties 'cidr' not allowed"),
    # What has a form.
    ({"kafka": {"prefix": "my prefix"}}, 'kafka.prefix is "my prefix": use up to 64 characters'),
    ({"telemetry": {"otlpEndpoint": "collector:4318"}}, 'is "collector:4318": write a URL'),
    ({"telemetry": {"samplerArg": 5}}, 'telemetry.samplerArg is "5": write a share from 0 to 1'),
    ({"images": {"registry": "https://r.example/"}}, "with no https:// before it and no / behind"),
    ({"monitoring": {"serviceMonitor": {"interval": "15"}}}, "duration with its unit, such as 15s"),
    ({"fullnameOverride": "My_Panel"}, 'fullnameOverride is "My_Panel": use a-z 0-9 -'),
    # What contradicts itself.
    ({"kafka": {"bootstrap": ""}}, "kafka.bootstrap is empty: set it to host:port of your brokers"),
    ({"kafka": {"bootstrap": "kafka"}}, "kafka has no port: write host:port, such as kafka:9092"),
    (wire(protocol="SASL_SSL"), "kafka.security.mechanism is empty, and protocol SASL_SSL needs"),
    (wire(mechanism="PLAIN"), "mechanism PLAIN has no effect with protocol PLAINTEXT: set"),
    (wire(tls={"caSecret": {"name": "ca"}}), "tls has no effect with protocol PLAINTEXT: set"),
    (wire(username="me", **SASL), "PLAIN needs a password for router: name an existing Secret"),
    (wire(passwordSecret={"name": "s"}, **SASL), "PLAIN needs a user for router: set kafka.secu"),
    (wire(protocol="SASL_SSL", mechanism="OAUTHBEARER"), "needs kafka.security.oauth.token"),
    (wire(protocol="SASL_SSL", mechanism="AWS_MSK_IAM"), "kafka.security.awsRegion is empty"),
    ({"router": {"replicas": 5}}, "router.replicas is 5, and its topics have 4 partitions"),
    ({"aggregator": {"replicas": 5}}, "aggregator.replicas is 5, and its topics have 4 partitions"),
    (critic(scaling={"min": 5}), "agents.critic.scaling.min is 5, and an inbox has 4 partitions"),
    (critic(scaling={"type": "keda", "max": 9}), "max is 9, and an inbox has 4 partitions"),
    ({"agents": {"Critic": {"model": "m"}}}, "agents.Critic: an agent's name has 1 to 64"),
    ({"agents": {"a" * 60: {"model": "m"}}}, "a shorter fullnameOverride, or shorten the agent"),
    (critic(card=OTHER_CARD), "agents.critic.card.name is other: a card has the name of its entry"),
    (critic(model=""), "agents.critic.model is empty, and models.source init builds the model"),
    ({"router": {"env": {"COMITIA_BOOTSTRAP": "k:1"}}}, "the chart sets this variable itself"),
    ({"models": {"source": "pvc"}}, "models.source pvc needs models.pvc.claimName"),
    ({"models": {"source": "image"}}, "models.source image needs models.image.reference"),
    ({"topics": {"manage": "strimzi"}}, "topics.manage is strimzi, and strimzi.enabled is false"),
    ({"strimzi": {"enabled": True}}, "strimzi.clusterName is empty: set it to the name of your"),
    ({"strimzi": {"users": True}}, "strimzi.users is true, and strimzi.enabled is false"),
    (
        {"strimzi": {"enabled": True, "clusterName": "panel", "users": True}},
        "strimzi.users with authentication scram-sha-512 needs kafka.security.mechanism SCRAM",
    ),
)  # fmt: skip


@pytest.mark.parametrize(("values", "said"), REFUSED, ids=[said for _, said in REFUSED])
def test_a_value_that_cannot_work_is_refused_with_what_to_change(values: Values, said: str) -> None:
    assert said in tools.refusal(tools.merged(tools.LEAST, values))


def test_no_agents_are_refused() -> None:
    least = {"kafka": tools.LEAST["kafka"]}
    assert "agents is empty, and a panel without agents decides nothing" in tools.refusal(least)


def test_volumes_of_images_are_refused_where_kubernetes_has_none() -> None:
    values = tools.merged(
        tools.LEAST, {"models": {"source": "image", "image": {"reference": "models:1"}}}
    )
    done = tools.template(values, options=["--kube-version", "1.32.0"])
    assert done.returncode != 0
    assert "models.source image needs Kubernetes 1.33 with image volumes" in done.stderr


def test_everything_that_is_wrong_is_told_at_once() -> None:
    wrong = {"kafka": {"bootstrap": ""}, "router": {"replicas": 9}, **critic(scaling={"min": 9})}
    said = tools.refusal(tools.merged(tools.LEAST, wrong))
    for each in ("kafka.bootstrap", "router.replicas", "agents.critic.scaling.min"):
        assert f"- {each}" in said


@pytest.mark.parametrize("helm", HELMS)
def test_every_helm_reads_the_schema(helm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELM", HELMS[helm])
    values = tools.merged(tools.LEAST, {"router": {"replica": 3}})
    assert "additional properties 'replica' not allowed" in tools.refusal(values)
