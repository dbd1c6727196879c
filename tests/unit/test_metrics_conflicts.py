"""What a scrape tells of ladders and of what waits for a person: each decision once, and a conflict
for as long as it is open.
"""

import pytest

from comitia.v1.decision_pb2 import DECISION_STATUS_ESCALATED
from tests.unit.measured import of, until_told
from tests.unit.panel_world import COMMANDS, Panel, a_task


@pytest.mark.parametrize("settles", [True, False])
def test_a_conflict_is_open_until_it_is_settled_or_expires(settles: bool) -> None:
    p = Panel()

    async def story() -> None:
        task = a_task("t")
        talk = task.policy.steps.add()
        talk.deliberation.rounds = 1
        person = task.policy.steps.add()
        person.when.always = True
        person.person.expires_ms = 4_000
        await p.publish(task, "t")
        assert (await p.decided("t")).status == DECISION_STATUS_ESCALATED
        await until_told(lambda: of(p.runtimes, "comitia_conflicts_open") == 1)
        assert of(p.runtimes, "comitia_tasks_open") == 0
        assert of(p.runtimes, "comitia_steps_total", "passed", "deliberation") == 1
        assert of(p.runtimes, "comitia_steps_total", "taken", "person") == 1
        if settles:
            command = p.verdict("t", "no")
            await p.world.write(COMMANDS, "t", command)
        how = "settled" if settles else "expired"
        await until_told(lambda: of(p.runtimes, "comitia_revisions_total", how) == 1)
        assert of(p.runtimes, "comitia_conflicts_open") == 0
        # A revision tells no step and no seat again.
        assert of(p.runtimes, "comitia_steps_total", "taken", "person") == 1
        assert of(p.runtimes, "comitia_seats_total", "anna", "voted") == 1

    p.run(story)
