"""values.schema.json against values.yaml and the settings: it knows every value and no other,
says what each is for, and names the choices that the settings take."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args

import jsonschema
import pytest
import yaml

from comitia.config import (
    AgentSettings,
    AggregatorSettings,
    KafkaSettings,
    LearnerSettings,
    LogSettings,
    RouterSettings,
    Settings,
    WireSettings,
)
from comitia_agent.card import AgentProfile, Skill
from tests.charts import tools

SCHEMA: dict[str, Any] = json.loads((tools.CHART / "values.schema.json").read_text("utf-8"))
DEFINITIONS: dict[str, Any] = SCHEMA["definitions"]
DEFAULTS: dict[str, Any] = yaml.safe_load((tools.CHART / "values.yaml").read_text("utf-8"))
# Objects that somebody else checks: other charts, Kubernetes, the agent, the builder of models.
FOREIGN = {
    "values.global",
    "kubernetes",
    *(f"card.skills[].{kind}" for kind in ("choice", "nearest", "text", "number", "json")),
    *("card.skills[].judge", "card.skills[].utilities"),
    "values.policies[]",
    "modelCard.source",
    "modelCard.recipe",
}


def resolved(node: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = node.get("$ref", "").removeprefix("#/definitions/")
    return DEFINITIONS[reference] if reference else node


def nodes(node: Mapping[str, Any], path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every schema in the schema, and where it is."""
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            yield from nodes(node[key], f"{path}[]")


EVERYWHERE = [
    *nodes(SCHEMA, "values"),
    *(found for name, each in DEFINITIONS.items() for found in nodes(each, name)),
]


def test_it_is_a_schema_of_draft_7() -> None:
    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"
    jsonschema.Draft7Validator.check_schema(SCHEMA)


def test_no_object_takes_a_key_that_nobody_reads() -> None:
    open_ = {
        path
        for path, node in EVERYWHERE
        if node.get("type") == "object" and "additionalProperties" not in node
    }
    assert open_ == FOREIGN


def test_every_value_says_what_it_is_for() -> None:
    silent = [
        path
        for path, node in EVERYWHERE
        if not path.endswith("[]") and not resolved(node).get("description")
    ]
    assert not silent


def keys(
    value: Any, node: Mapping[str, Any], path: str
) -> Iterator[tuple[str, set[str], set[str]]]:
    """Of each object with fixed keys: where it is, its keys in values.yaml, and in the schema."""
    node = resolved(node)
    if isinstance(value, dict) and "properties" in node:
        yield path, set(value), set(node["properties"])
        for name, child in value.items():
            if name in node["properties"]:
                yield from keys(child, node["properties"][name], f"{path}.{name}")


def test_it_knows_the_values_that_there_are_and_no_other() -> None:
    for path, there, known in keys(DEFAULTS, SCHEMA, "values"):
        # Kubernetes' own, which an empty default stands for.
        if there or not path.endswith(("affinity", "resources")):
            assert there == known - {"global"}, path
    own = set(DEFINITIONS["agent"]["properties"])
    assert own == set(DEFAULTS["agentDefaults"]) | {"model", "card"}


def choices(settings: type[Settings], field: str) -> set[str]:
    """The words that a setting takes."""
    found = str(settings.model_fields[field].annotation)
    return set(re.findall(r"'([^']+)'", found)) or set(
        get_args(settings.model_fields[field].annotation)
    )


@pytest.mark.parametrize(
    ("path", "settings", "field"),
    [
        ("kafka.security.protocol", WireSettings, "security_protocol"),
        ("kafka.security.mechanism", WireSettings, "sasl_mechanism"),
        ("aggregator.delivery", AggregatorSettings, "delivery"),
        ("telemetry.logFormat", LogSettings, "log_format"),
        ("telemetry.logLevel", LogSettings, "log_level"),
    ],
)
def test_its_choices_are_those_of_the_settings(
    path: str, settings: type[Settings], field: str
) -> None:
    node: Mapping[str, Any] = SCHEMA
    for name in path.split("."):
        node = resolved(node["properties"][name])
    assert set(node["enum"]) - {""} == choices(settings, field)


def test_variables_are_those_that_services_read() -> None:
    (pattern,) = DEFINITIONS["env"]["patternProperties"]
    services = (RouterSettings, AggregatorSettings, LearnerSettings, AgentSettings)
    read = {f"COMITIA_{name.upper()}" for settings in services for name in settings.model_fields}
    known = set(re.findall(r"[A-Z0-9_]+", pattern))
    assert {name for name in known if name.startswith("COMITIA_")} == read
    assert "COMITIA_BOOTSTRAP" in known and "bootstrap" in KafkaSettings.model_fields


def test_cards_have_the_fields_that_the_agent_reads() -> None:
    card = DEFINITIONS["card"]
    assert set(card["properties"]) == set(AgentProfile.model_fields)
    needed = {name for name, field in AgentProfile.model_fields.items() if field.is_required()}
    assert set(card["required"]) == needed
    skill = card["properties"]["skills"]["additionalProperties"]
    fields = {field.alias or name for name, field in Skill.model_fields.items()}
    assert set(skill["properties"]) == fields
