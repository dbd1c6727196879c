"""What the chart renders, run for real: doctor, topics, the services and the test's task, as
containers with the pods' own settings beside an embedded Apache Kafka.

A stand-in for a cluster's nodes: no probe, no NetworkPolicy and no init container is at work here.
"""

import json
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
import yaml

from tests.charts import tools
from tests.charts.pods import Pod, config_map, docker, need_images
from tests.conftest import free_ports

AGENT = "librarian"
CARD = yaml.safe_load((tools.ROOT / f"agents/{AGENT}.yaml").read_text(encoding="utf-8"))
WITHIN_S = 120


@pytest.fixture
def manifests(broker: str, cache_dir: Path) -> list[tools.Manifest]:
    if not (cache_dir / "models" / CARD["model"] / "built").is_dir():
        pytest.skip(f"no {CARD['model']} in {cache_dir}: `comitia model export` builds it")
    values: dict[str, Any] = {
        "kafka": {"bootstrap": broker, "prefix": f"{uuid.uuid4().hex}.", "replication": 1},
        "router": {"replicas": 1},
        "aggregator": {"replicas": 1},
        "learner": {"replicas": 1},
        "agents": {AGENT: {"card": CARD}},
        "models": {"source": "pvc", "pvc": {"claimName": "models"}},
    }
    found = tools.render(values)
    images = {
        container["image"]
        for each in found
        if (spec := tools.pod_of(each)) is not None
        for container in spec["containers"]
    }
    need_images(sorted(images))
    return found


@pytest.fixture
def pod(
    manifests: list[tools.Manifest], cache_dir: Path, tmp_path: Path
) -> Iterator[Callable[[str], Pod]]:
    """The pod of an object, by the end of the object's name. All containers are removed."""
    mine = uuid.uuid4().hex[:8]
    made: list[str] = []

    def make(end: str) -> Pod:
        def named(each: tools.Manifest) -> bool:
            return bool(each["metadata"]["name"].endswith(end))

        (owner,) = [each for each in manifests if named(each) and tools.pod_of(each)]
        volumes = {"models": cache_dir}
        for each in manifests:
            if each["kind"] == "ConfigMap" and named(each):
                volumes["card"] = config_map(each, tmp_path / end)
        made.append(f"{owner['metadata']['name']}-{mine}")
        return Pod(made[-1], tools.pod_of(owner) or {}, volumes, free_ports(1))

    yield make
    for name in made:
        docker("rm", "--force", name)


def ends_well(pod: Pod) -> str:
    """Run a pod that ends by itself; what it printed."""
    done = subprocess.run(pod.command("--rm"), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def start(pod: Pod) -> None:
    done = subprocess.run(pod.command("--detach"), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def ready(pod: Pod) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{pod.port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, ConnectionError):
        return False


def seated(router: Pod) -> bool:
    return f"{AGENT} can be seated" in docker("logs", router.name).stderr


def until(holds: Callable[[], bool], pod: Pod) -> None:
    """Look again and again; after WITHIN_S the pod's last words say what is in the way."""
    end_s = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < end_s, docker("logs", "--tail", "5", pod.name).stderr
        time.sleep(0.2)


def test_the_pods_of_the_chart_decide_the_task_of_its_test(pod: Callable[[str], Pod]) -> None:
    found = [json.loads(line) for line in ends_well(pod("-doctor")).splitlines()]
    assert {"existence"} <= {each["name"] for each in found if each["verdict"] == "note"}
    made = [json.loads(line)["topic"] for line in ends_well(pod("-topics")).splitlines()]
    assert any(topic.endswith(f"comitia.inbox.{AGENT}.v1") for topic in made)

    services = [pod("-router"), pod("-aggregator"), pod("-learner"), pod(f"-agent-{AGENT}")]
    for each in services:
        start(each)
    for each in services:
        until(lambda each=each: ready(each), each)  # type: ignore[misc]
    until(lambda: seated(services[0]), services[0])

    decision = json.loads(ends_well(pod("-comitia-test")))
    assert decision["status"] == "DECISION_STATUS_DECIDED"
    assert [ballot["agent"] for ballot in decision["ballots"]] == [AGENT]

    for each in services:
        docker("stop", "--time", str(each.grace_s), each.name)
        code = docker("inspect", "--format", "{{.State.ExitCode}}", each.name).stdout.strip()
        assert code == "0", f"{each.name} was not done within the grace of its pod"
