"""Dashboards: generated from observability/, complete, and of metrics that exist."""

import json
from collections import Counter

import pytest

from observability.__main__ import BOARDS, FOLDER
from observability.board import Board, render
from tests.observability.expressions import (
    OF_PROMETHEUS,
    OF_THE_SCRAPE,
    Expression,
    catalogue,
    labels,
    names,
    of_dashboards,
    of_rules,
    panels,
    recorded,
)


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_what_is_committed_is_what_the_code_generates(board: Board) -> None:
    committed = (FOLDER / f"{board.name}.json").read_text(encoding="utf-8")
    assert committed == render(board), "run `make dashboards` and commit what it writes"


def test_no_dashboard_is_left_that_nothing_generates() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == {board.name for board in BOARDS}


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_every_panel_says_what_it_shows_in_which_unit_and_from_where(board: Board) -> None:
    drawn = json.loads(render(board))
    variables = {variable["name"] for variable in drawn["templating"]["list"]}
    assert {"datasource", "namespace", "job"} <= variables
    for panel in panels(drawn):
        assert panel["description"].endswith("."), panel["title"]
        for target in panel.get("targets", ()):
            uid = target["datasource"]["uid"]
            assert uid.startswith("${") and uid[2:-1] in variables, panel["title"]
        if any("expr" in target for target in panel.get("targets", ())):
            defaults = panel["fieldConfig"]["defaults"]
            assert defaults["unit"] and defaults["thresholds"]["steps"], panel["title"]


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_panels_fill_the_page_without_overlap(board: Board) -> None:
    taken: Counter[tuple[int, int]] = Counter()
    for panel in json.loads(render(board))["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        for x in range(place["x"], place["x"] + place["w"]):
            taken.update((x, y) for y in range(place["y"], place["y"] + place["h"]))
    assert max(taken.values()) == 1


def test_identifiers_of_dashboards_are_their_own() -> None:
    uids = [json.loads(render(board))["uid"] for board in BOARDS]
    assert len(set(uids)) == len(uids)


@pytest.mark.parametrize(
    "expression", [*of_dashboards(), *of_rules()], ids=lambda expression: expression.place
)
def test_expressions_use_metrics_and_labels_that_services_have(expression: Expression) -> None:
    used = names(expression.promql)
    known = {**catalogue(), **OF_PROMETHEUS}
    assert used, "no metric was recognised"
    assert used - set(known) - recorded() == set()
    if not used & recorded():
        possible = OF_THE_SCRAPE.union(*(known[name] for name in used))
        assert labels(expression.promql) - possible == set()


def test_a_renamed_metric_and_a_label_that_is_not_there_are_noticed() -> None:
    promql = 'sum by (agent, le) (rate(comitia_old_total{job=~"$job", status="x"}[5m])) > 1'
    assert names(promql) == {"comitia_old_total"}
    assert labels(promql) == {"agent", "le", "job", "status"}
    assert names("0 < a:b:sum unless max_over_time(up[1h] offset 5m)") == {"a:b:sum", "up"}
