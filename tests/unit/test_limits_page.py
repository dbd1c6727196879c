"""docs/limits.md against the settings: each limit is there, under its name and with its default."""

import re
from pathlib import Path

import pytest

from comitia.config import (
    AgentSettings,
    AggregatorSettings,
    LearnerSettings,
    RouterSettings,
    Settings,
)
from comitia_aggregator.main import RULED
from comitia_aggregator.state import Rules
from comitia_learner import main as learner_main
from comitia_learner.handler import Rules as LearnerRules
from comitia_learner.skill import Bounds
from comitia_router.limits import Limits

PAGE = (Path(__file__).parents[2] / "docs" / "limits.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| [^|]+ \| `([a-z_]+)` \| ([0-9.]+) \|", PAGE, re.MULTILINE))
SETTINGS = (RouterSettings, AggregatorSettings, LearnerSettings, AgentSettings)


def limits(settings: type[Settings]) -> dict[str, object]:
    return {
        name: field.default
        for name, field in settings.model_fields.items()
        if name.endswith("_max") or name in ROWS
    }


@pytest.mark.parametrize("settings", SETTINGS)
def test_every_limit_stands_on_the_page_with_its_default(settings: type[Settings]) -> None:
    for name, default in limits(settings).items():
        assert ROWS.get(name) == f"{default}", name


def test_the_page_names_no_setting_that_is_none() -> None:
    known = {name for settings in SETTINGS for name in settings.model_fields}
    assert set(ROWS) <= known


def test_limits_that_are_not_set_are_the_defaults_of_the_settings() -> None:
    for made, settings, names in (
        (Limits(), RouterSettings, Limits.__dataclass_fields__),
        (Rules("t"), AggregatorSettings, RULED),
        (LearnerRules("t", Bounds()), LearnerSettings, learner_main.RULED),
        (Bounds(), LearnerSettings, Bounds.__dataclass_fields__),
    ):
        for name in names:
            assert getattr(made, name) == settings.model_fields[name].default, name
