"""What every values file of CI renders to, held against tests/charts/golden, by every helm."""

import difflib

import pytest

from tests.charts.chart_support import HELMS, VALUES, needs_helm, rendered
from tests.charts.goldens import GOLDEN, golden, settled


@needs_helm
@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize("name", VALUES)
def test_the_chart_renders_as_recorded(
    name: str, helm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELM", HELMS[helm])
    now = settled(rendered(name))
    recorded = golden(name).read_text(encoding="utf-8") if golden(name).exists() else ""
    change = "\n".join(
        difflib.unified_diff(
            recorded.splitlines(), now.splitlines(), "recorded", "now", lineterm=""
        )
    )
    assert not change, f"if this is meant, record it with `make charts-golden`:\n{change}"


def test_nothing_is_recorded_that_is_not_rendered() -> None:
    assert {path.stem for path in GOLDEN.glob("*.yaml")} == set(VALUES)
