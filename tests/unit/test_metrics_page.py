"""docs/metrics.md against the catalogue of metrics."""

from comitia.telemetry.metrics import METRICS
from scripts.metrics_page import PAGE, page, sampled


def test_the_page_is_what_the_catalogue_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run make docs-metrics"


def test_every_metric_is_exposed_under_a_name_of_its_own() -> None:
    families = sampled()
    assert set(families) == {metric.name for metric in METRICS}
    assert len({family.name for family, _ in families.values()}) == len(METRICS)
