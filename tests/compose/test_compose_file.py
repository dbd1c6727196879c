"""docker-compose.yml and what it mounts, as data: nothing is started.

What is named twice (a service and its scrape target, a setting and comitia.config, an image and the
release) is compared here, so that neither changes alone.
"""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from comitia import config

ROOT = Path(__file__).parents[2]
SERVICES = {"router", "aggregator", "learner"}
CORE = {"kafka", "topics", "models"} | SERVICES
OBSERVABILITY = {"otel-collector", "jaeger", "prometheus", "grafana"}
OURS = "comitia/"
Services = dict[str, dict[str, Any]]


def _services(*names: str) -> Services:
    found: Services = {}
    for name in names or ("docker-compose.yml",):
        for service, body in yaml.safe_load((ROOT / name).read_text())["services"].items():
            found.setdefault(service, {}).update(body)
    return found


def _agents(services: Services) -> set[str]:
    return {name for name, one in services.items() if one["image"].startswith(f"{OURS}agent:")}


def _settings() -> set[str]:
    classes = [one for one in vars(config).values() if isinstance(one, type)]
    return {
        f"COMITIA_{field.upper()}"
        for one in classes
        if issubclass(one, config.Settings)
        for field in one.model_fields
    }


def test_every_agent_card_has_its_service_and_the_core_needs_no_profile() -> None:
    services = _services()
    agents = _agents(services)
    cards = {one["environment"]["COMITIA_AGENT_CARDS"] for _, one in _of(services, agents)}
    assert cards == {f"/opt/comitia/agents/{path.name}" for path in ROOT.glob("agents/*.yaml")}
    assert set(services) == CORE | agents | OBSERVABILITY
    assert {name for name, one in services.items() if "profiles" in one} == OBSERVABILITY


def _of(services: Services, names: set[str]) -> list[tuple[str, dict[str, Any]]]:
    return [(name, services[name]) for name in sorted(names)]


@pytest.mark.parametrize("file", ["docker-compose.yml", "docker-compose.gpu.yml"])
def test_every_setting_is_one_that_is_read(file: str) -> None:
    known = _settings()
    asked = {
        name
        for one in _services(file).values()
        for name in one.get("environment", {})
        if name.startswith("COMITIA_")
    }
    assert asked
    assert asked <= known, f"nobody reads {sorted(asked - known)}"


def test_what_a_service_cannot_start_without_is_set() -> None:
    services = _services()
    for name, one in services.items():
        if one["image"].startswith(OURS) and name != "models":
            assert one["environment"]["COMITIA_BOOTSTRAP"] == "kafka:19092", name


def test_every_image_names_a_release() -> None:
    version = re.search(r'^version = "(.+)"', (ROOT / "shared/pyproject.toml").read_text(), re.M)
    assert version is not None
    for name, one in _services("docker-compose.yml", "docker-compose.gpu.yml").items():
        image, _, tag = one["image"].partition(":")
        assert re.match(r"v?\d+\.\d+\.\d+", tag), f"{name}: {one['image']} moves"
        if image.startswith(OURS):
            assert tag.removesuffix("-cuda") == version[1], name


def test_each_image_of_ours_is_built_once() -> None:
    services = _services("docker-compose.yml", "docker-compose.gpu.yml")
    built = [one["image"] for one in services.values() if "build" in one]
    # The CUDA variant takes the place of a service that only ran the image.
    assert sorted(built) == sorted(set(built))
    assert set(built) == {o["image"] for o in services.values() if o["image"].startswith(OURS)}


@pytest.mark.parametrize("name", sorted(_services()))
def test_every_service_is_hardened(name: str) -> None:
    one = _services()[name]
    assert one["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in one["security_opt"]
    assert not {"privileged", "cap_add", "network_mode", "pid"} & set(one)
    assert all(port.startswith("127.0.0.1:") for port in one.get("ports", ()))
    assert one["mem_limit"]
    # Kafka's image writes its configuration at start.
    assert one.get("read_only", False) is (name != "kafka")
    assert one.get("tmpfs", []) == ([] if name == "kafka" else ["/tmp"])
    assert one["logging"]["options"].keys() == {"max-size", "max-file"}


def test_stopping_waits_longer_than_a_service_takes_to_finish() -> None:
    grace_s = config.ServiceSettings.model_fields["grace_ms"].default / 1000
    services = _services()
    for name in SERVICES | _agents(services):
        assert "COMITIA_GRACE_MS" not in services[name]["environment"], name
        assert int(services[name]["stop_grace_period"].removesuffix("s")) > 2 * grace_s, name


def test_services_start_after_what_they_need() -> None:
    services = _services()
    after = {name: one.get("depends_on", {}) for name, one in services.items()}
    assert after["topics"]["kafka"]["condition"] == "service_healthy"
    for name in SERVICES | _agents(services):
        assert after[name]["topics"]["condition"] == "service_completed_successfully", name
        assert "/readyz" in str(services[name]["healthcheck"]["test"]), name
    for name in _agents(services):
        assert after[name]["models"]["condition"] == "service_completed_successfully", name


def test_every_model_of_an_agent_is_built() -> None:
    (command,) = _services()["models"]["command"]
    for path in ROOT.glob("agents/*.yaml"):
        assert yaml.safe_load(path.read_text())["model"] in command, path.name


def test_every_mounted_file_is_there() -> None:
    for name, one in _services().items():
        for volume in one.get("volumes", ()):
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert (ROOT / source).exists(), f"{name}: {source}"
                assert volume.endswith(":ro"), f"{name} may write {source}"


def test_every_service_is_scraped() -> None:
    services = _services()
    made = yaml.safe_load((ROOT / "deploy/prometheus.yml").read_text())
    found: dict[str, set[str]] = {}
    for job in made["scrape_configs"]:
        for one in job.get("dns_sd_configs", ()):
            found.setdefault(job["job_name"], set()).update(one["names"])
            assert one["port"] == 8080
        for one in job.get("static_configs", ()):
            found.setdefault(job["job_name"], set()).update(t.split(":")[0] for t in one["targets"])
    assert found["comitia-router"] == {"router"}
    assert found["comitia-aggregator"] == {"aggregator"}
    assert found["comitia-learner"] == {"learner"}
    assert found["comitia-agent"] == _agents(services)
    assert set().union(*found.values()) <= set(services) | {"127.0.0.1"}


@pytest.mark.skipif(shutil.which("docker") is None, reason="there is no docker command here")
@pytest.mark.parametrize("more", [[], ["-f", "docker-compose.gpu.yml"]])
@pytest.mark.parametrize(("profile", "endpoint"), [("", ""), ("observability", "4318")])
def test_compose_takes_it(more: list[str], profile: str, endpoint: str) -> None:
    if subprocess.run(["docker", "compose", "version"], capture_output=True).returncode:
        pytest.skip("docker has no compose here")
    command = ["docker", "compose", "-f", "docker-compose.yml", *more, "config"]
    ran = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/", "COMPOSE_PROFILES": profile},
    )
    assert ran.returncode == 0, ran.stderr
    made = yaml.safe_load(ran.stdout)["services"]
    assert endpoint in made["router"]["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"]
    assert bool(endpoint) is ("grafana" in made)
