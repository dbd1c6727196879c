"""Values that cannot work, each with what the operator is told of it: the tables of
docs/refused-values.md, tried row by row.
"""

import re
from typing import Any

import pytest
import yaml

from tests.charts import tools
from tests.charts.chart_support import HELMS, needs_helm

pytestmark = needs_helm
TABLES = (tools.ROOT / "docs/refused-values.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `(.+)` \| (.+) \|$", TABLES, re.M)
LEAST = 20


@pytest.mark.parametrize(("values", "said"), ROWS, ids=[values for values, _ in ROWS])
def test_a_value_that_cannot_work_is_refused_as_written(values: str, said: str) -> None:
    over: dict[str, Any] = yaml.safe_load(values)
    told = tools.refusal(tools.merged(tools.LEAST, over))
    # Until 3.17 Helm says what the schema refuses in other words.
    by_schema = "specifications of the schema(s)" in told and said.startswith("at '")
    assert said in told or (by_schema and "- at '" not in told)


def test_the_tables_are_read() -> None:
    assert len(ROWS) == TABLES.count("\n| `") > LEAST


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
    wrong = {
        "kafka": {"bootstrap": ""},
        "router": {"replicas": 9},
        "agents": {"critic": {"scaling": {"min": 9}}},
    }
    said = tools.refusal(tools.merged(tools.LEAST, wrong))
    for each in ("kafka.bootstrap", "router.replicas", "agents.critic.scaling.min"):
        assert f"- {each}" in said


@pytest.mark.parametrize("helm", HELMS)
def test_every_helm_reads_the_schema(helm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELM", HELMS[helm])
    values = tools.merged(tools.LEAST, {"router": {"replica": 3}})
    told = tools.refusal(values)
    assert re.search("[Aa]dditional propert.* '?replica'? (is )?not allowed", told), told
