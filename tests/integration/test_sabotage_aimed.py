"""The checker against real services: it passes honest ones and finds out each sabotage, in the
situation built for it. Those that wait for sessions and transactions to time out run with `make
chaos-sabotage`, which plays them all.
"""

import asyncio
import json
from pathlib import Path

import pytest

from tests.chaos import check
from tests.chaos.aimed import AIMS, SLOW, judge
from tests.chaos.aimed_stage import Stage
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


async def test_the_command_says_what_it_found(broker: str, tmp_path: Path) -> None:
    async with Stage(broker, tmp_path, HONEST) as stage:
        await stage.until_live(stage.start("aggregator"))
        await stage.until_decided(await stage.whole("task"))
    manifest, told = tmp_path / "manifest.jsonl", tmp_path / "check.json"
    manifest.write_text("".join(json.dumps(entry) + "\n" for entry in stage.manifest))
    given = ["--bootstrap", broker, "--prefix", stage.names.prefix, "--json", str(told)]

    async def run(*more: str) -> int:
        return await asyncio.to_thread(check.main, [*given, "--manifest", str(manifest), *more])

    assert await run() == 0
    facts = json.loads(told.read_text())["facts"]
    assert (facts["tasks"], facts["decisions: DECIDED"], facts["ballots"]) == (1, 1, 2)
    manifest.write_text('{"id": "never-published", "kind": "plain"}\n')
    assert await run() == 1
    assert json.loads(told.read_text())["violations"] == {"task.lost": 1, "decision.missing": 1}
    assert await run("--log-dirs", str(tmp_path / "none")) == 2
    assert await run("--prefix", "nobody.") == 2


def test_every_sabotage_has_its_aim() -> None:
    assert list(AIMS) == list(SABOTAGES)
