"""The environment of every container that the chart renders, against the settings of the program in
it, both ways: each variable is a setting that it reads, and each setting that it needs is there.

In come the chart's least values, each way to log in, and every file of values that is shipped.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk import environment_variables
from typer.testing import CliRunner

from comitia.config import (
    AgentSettings,
    AggregatorSettings,
    DirectorySettings,
    KafkaSettings,
    LearnerSettings,
    RouterSettings,
    Settings,
    load,
)
from comitia.telemetry.setup import CONTENT
from comitia_cli.main import app
from tests.charts import tools

# By container. The command line reads several: of where things lie, and of the cluster.
SETTINGS: Mapping[str, tuple[type[Settings], ...]] = {
    "router": (RouterSettings,),
    "aggregator": (AggregatorSettings,),
    "learner": (LearnerSettings,),
    "agent": (AgentSettings,),
    "doctor": (AggregatorSettings, DirectorySettings),
    "topics": (KafkaSettings, DirectorySettings),
    "ask": (KafkaSettings, DirectorySettings),
    "model": (DirectorySettings,),
}
# Read by pip, by the signer of AWS, and by Python's own TLS.
OTHERS = {"PIP_INDEX_URL", "PIP_NO_CACHE_DIR", "AWS_REGION", "SSL_CERT_FILE"}
OTEL = {
    CONTENT,
    "OTEL_METRICS_EXPORTER",
    *(name for name in vars(environment_variables) if name.startswith("OTEL_")),
}
PASSWORD = {"username": "panel", "passwordSecret": {"name": "panel"}}
AUTHORITY = {"caSecret": {"name": "authority"}}
CERTIFICATE = {"clientSecret": {"name": "own", "keyPasswordKey": "password"}}
CLIENT = {
    "tokenEndpoint": "https://login.example/token",
    "clientId": "panel",
    "clientSecret": {"name": "own"},
    "caSecret": {"name": "authority"},
    "scope": "kafka",
}
WIRES: Mapping[str, Mapping[str, Any]] = {
    "plain": {"protocol": "SASL_PLAINTEXT", "mechanism": "PLAIN", **PASSWORD},
    "scram": {"protocol": "SASL_SSL", "mechanism": "SCRAM-SHA-512", "tls": AUTHORITY, **PASSWORD},
    "tls": {"protocol": "SSL", "tls": AUTHORITY},
    "mtls": {"protocol": "SSL", "tls": {**AUTHORITY, **CERTIFICATE}},
    "oauth": {"protocol": "SASL_SSL", "mechanism": "OAUTHBEARER", "oauth": CLIENT},
    "token": {
        "protocol": "SASL_SSL",
        "mechanism": "OAUTHBEARER",
        "oauth": {"serviceAccountToken": {"audience": "kafka"}},
    },
    "msk": {"protocol": "SASL_SSL", "mechanism": "AWS_MSK_IAM", "awsRegion": "eu-central-1"},
}
CARD = {
    "name": "mine",
    "version": 1,
    "description": "Mine.",
    "role": "critic",
    "model": "m",
    "skills": {"answer": {"text": {"item": "{input}"}}},
}
EVERYTHING: Mapping[str, Any] = {
    "kafka": {"prefix": "staging."},
    "telemetry": {"otlpEndpoint": "http://collector:4318", "captureContent": True},
    "models": {"init": {"indexUrl": "https://index.example/simple"}},
    "agents": {"mine": {"gpu": {"enabled": True}, "card": CARD}},
}
CASES: Mapping[str, Mapping[str, Any] | Path] = {
    "least": tools.LEAST,
    "everything": tools.merged(tools.LEAST, EVERYTHING),
    **{
        name: tools.merged(tools.LEAST, {"kafka": {"security": wire}})
        for name, wire in WIRES.items()
    },
    **{path.stem: path for path in (*tools.CI_VALUES, *tools.PRESETS)},
}


def rendered(values: Mapping[str, Any] | Path) -> Iterator[dict[str, Any]]:
    """Every container, as it stands in its pod."""
    for manifest in tools.render(values):
        pod = tools.pod_of(manifest) or {"containers": ()}
        yield from (*pod.get("initContainers", ()), *pod["containers"])


def containers(values: Mapping[str, Any] | Path) -> Iterator[tuple[str, dict[str, str]]]:
    """(name, environment) of every container; a value from the pod's fields is put as "given"."""
    for one in rendered(values):
        found = [(each["name"], each.get("value", "given")) for each in one.get("env", ())]
        assert len(dict(found)) == len(found), f"{one['name']}: a variable is set twice"
        yield one["name"], dict(found)


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Mapping[str, Any] | Path:
    return CASES[request.param]


def test_every_variable_is_read_by_the_program_it_is_set_for(
    case: Mapping[str, Any] | Path,
) -> None:
    seen = set()
    for name, environment in containers(case):
        seen.add(name)
        fields = {field for settings in SETTINGS[name] for field in settings.model_fields}
        known = {f"COMITIA_{field.upper()}" for field in fields} | OTEL | OTHERS
        assert set(environment) <= known, name
    assert {"router", "aggregator", "learner", "agent"} <= seen


def test_every_program_starts_on_what_is_set_for_it(
    case: Mapping[str, Any] | Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _, environment in (found := list(containers(case))):
        for variable in environment:
            monkeypatch.delenv(variable, raising=False)
    for name, environment in found:
        with monkeypatch.context() as patch:
            for variable, value in environment.items():
                patch.setenv(variable, value)
            for settings in SETTINGS[name]:
                load(settings)


def test_the_command_line_knows_the_commands_that_jobs_give_it(
    case: Mapping[str, Any] | Path,
) -> None:
    given = [one["args"] for one in rendered(case) if "args" in one]
    assert {"doctor", "ask"} <= {args[0] for args in given}
    for args in given:
        # Options are read before the help is shown: one that does not exist ends with 2.
        done = CliRunner().invoke(app, [*args, "--help"])
        assert done.exit_code == 0, (args, done.output)


@pytest.mark.parametrize("wire", WIRES)
def test_every_file_that_a_variable_names_is_mounted_and_no_other(wire: str) -> None:
    for manifest in tools.render(CASES[wire]):
        pod = tools.pod_of(manifest)
        if pod is None:
            continue
        (container,) = pod["containers"]
        values = {each.get("value", "") for each in container["env"]}
        named = {value for value in values if value.startswith("/etc/comitia/kafka/")}
        mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
        mounted = set()
        for volume in pod["volumes"]:
            for source in volume.get("projected", {"sources": ()})["sources"]:
                items = source["secret"]["items"] if "secret" in source else source.values()
                mounted |= {f"{mounts[volume['name']]}/{item['path']}" for item in items}
        assert named == mounted


def test_what_the_chart_sets_itself_cannot_be_set_beside_it() -> None:
    values = tools.merged(CASES["everything"], {"kafka": {"security": WIRES["scram"]}})  # type: ignore[arg-type]
    services = ("router", "aggregator", "learner", "agent")
    own = {
        variable
        for name, environment in containers(values)
        for variable in environment
        if name in services and variable.startswith("COMITIA_")
    }
    # The schema would stop at the names that no router has.
    over = tools.merged(values, {"router": {"env": dict.fromkeys(own, "1")}})
    done = tools.template(over, options=["--skip-schema-validation"])
    assert [name for name in sorted(own) if f"router.env.{name}:" not in done.stderr] == []


def test_a_limit_is_set_by_its_variable_however_large() -> None:
    limits = {"COMITIA_OPEN_BYTES_MAX": 1_073_741_824, "COMITIA_DEAD_LETTERS_FRACTION_MAX": 0.25}
    values = tools.merged(tools.LEAST, {"aggregator": {"env": limits}})
    environments = dict(containers(values))
    for name in ("aggregator", "doctor"):
        assert environments[name]["COMITIA_OPEN_BYTES_MAX"] == "1073741824"
        assert environments[name]["COMITIA_DEAD_LETTERS_FRACTION_MAX"] == "0.25"
    assert "COMITIA_OPEN_BYTES_MAX" not in environments["router"]
