"""The checker against real services: it passes honest ones and finds out each sabotage, in the
situation built for it. Those that wait for sessions and transactions to time out run with `make
chaos-sabotage`, which plays them all.
"""

from pathlib import Path

import pytest

from tests.chaos.aimed import AIMS, SLOW, judge
from tests.chaos.sabotage import HONEST, SABOTAGES

QUICK = {name: aim for name, aim in AIMS.items() if aim.play not in SLOW}


@pytest.mark.parametrize("play", dict.fromkeys(aim.play for aim in QUICK.values()))
async def test_honest_services_pass(play: object, broker: str, tmp_path: Path) -> None:
    [aim, *_] = [aim for aim in QUICK.values() if aim.play is play]
    report = await judge(aim.play, HONEST, broker, tmp_path)
    assert report.ok, report.examples
    assert report.facts["ballots"] and report.facts["commits of aggregators"]


@pytest.mark.parametrize("name", QUICK)
async def test_sabotage_is_found_out(name: str, broker: str, tmp_path: Path) -> None:
    report = await judge(QUICK[name].play, name, broker, tmp_path)
    assert set(report.violations) >= QUICK[name].caught_by, report.examples


def test_every_sabotage_has_its_aim() -> None:
    assert list(AIMS) == list(SABOTAGES)
