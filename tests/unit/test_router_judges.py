"""Who sits for the steps that follow a vote: judges beside the panel, seats by role, and the time
and tokens that the first vote has of the whole.
"""

from comitia.effects import Publish, Recorded
from comitia.topics import Names
from comitia.v1.agent_card_pb2 import AgentCard
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.panel_event_pb2 import PanelEvent, PanelOpened
from comitia.v1.policy_pb2 import Policy
from comitia_router.handler import Router
from comitia_router.limits import Limits
from tests.sim.events import SKILL, make_task
from tests.unit.ladder_world import ladder

NAMES = Names()
APPEND_MS = 1_000_000


def routed(
    policy: Policy, cards: dict[str, str], **limits: int
) -> tuple[PanelOpened, list[Assignment]]:
    """`cards`: name -> role; a name that ends with "!" is a shadow, one with "^" has a lane of its
    own for tasks of high priority.
    """
    router = Router(NAMES, Limits(), lambda key: 0, "r")
    for name, role in cards.items():
        card = AgentCard(name=name.strip("!^"), version=1, skills=[SKILL], role=role)
        card.no_heartbeat, card.shadow = True, name.endswith("!")
        card.priority_lane = name.endswith("^")
        router.agents.learn(card)
        router.agents.open_inbox(card.name)
    task = make_task(policy=policy)
    for name, limit in limits.items():
        setattr(task.budget, name, limit)
    effects = router.on_task(Recorded(task, "t", 0, 0, APPEND_MS), APPEND_MS)
    messages = [effect.message for effect in effects if isinstance(effect, Publish)]
    (event,) = (one for one in messages if isinstance(one, PanelEvent))
    return event.panel_opened, [one for one in messages if isinstance(one, Assignment)]


PANEL = {"ann": "", "bob": "solver", "cid": "critic"}


def test_judges_sit_beside_the_panel_and_are_asked_nothing_yet() -> None:
    panel, asked = routed(ladder({"name": "final", "judge": {}}), {**PANEL, "eve": "judge"})
    assert [(seat.agent, seat.role, seat.step) for seat in panel.seats] == [
        ("ann", "solver", ""),
        ("bob", "solver", ""),
        ("cid", "critic", ""),
        ("eve", "judge", "final"),
    ]
    assert [one.agent for one in asked] == ["ann", "bob", "cid"]
    assert [one.seat for one in panel.assignments] == [0, 1, 2]


def test_an_agent_that_judges_does_not_answer() -> None:
    panel, _ = routed(Policy(), {**PANEL, "eve": "judge"})
    assert [seat.agent for seat in panel.seats] == ["ann", "bob", "cid"]


def test_a_policy_may_name_who_judges_members_too() -> None:
    policy = ladder({"judge": {"agents": ["cid", "gus", "eve"], "judges": 3}})
    panel, _ = routed(policy, {**PANEL, "gus": "judge", "fay": "judge", "eve!": "judge"})
    judges = [(seat.agent, seat.step) for seat in panel.seats if seat.step]
    assert judges == [("cid", "judge"), ("gus", "judge")], "a shadow judges nobody"
    assert [seat.agent for seat in panel.seats if not seat.step] == ["ann", "bob", "cid"]


def test_as_many_judge_as_are_asked_for_and_none_where_none_is_there() -> None:
    judges = {f"j{n}": "judge" for n in range(4)}
    panel, _ = routed(ladder({"judge": {"judges": 2}}), {**PANEL, **judges})
    assert sum(bool(seat.step) for seat in panel.seats) == 2
    panel, asked = routed(ladder({"judge": {}}), PANEL)
    assert len(panel.seats) == len(asked) == 3


def test_seats_say_whether_later_work_may_come_by_the_fast_lane() -> None:
    panel, _ = routed(ladder({"judge": {}}), {"ann": "", "bob^": "", "eve^": "judge"})
    assert [seat.priority_lane for seat in panel.seats] == [False, True, True]


def test_roles_have_their_seats_when_not_all_can_sit() -> None:
    cards = {f"s{n}": "solver" for n in range(9)} | {"c0": "critic", "c1": "critic"}
    policy = Policy(seats_max=4)
    policy.roles.add(role="critic", seats=1)
    policy.roles.add(role="expert", seats=1)
    panel, _ = routed(policy, cards)
    roles = sorted(seat.role for seat in panel.seats)
    assert len(roles) == 4 and "critic" in roles
    drawn = {seat.role: seat.probability for seat in panel.seats}
    assert drawn["solver"] == 3 / 10 and "by role" in panel.seats[0].reason


def test_the_first_vote_has_its_share_of_the_time() -> None:
    plain, asked = routed(Policy(), PANEL)
    assert not plain.round_deadline_ms and asked[0].deadline_ms == plain.deadline_ms
    policy = ladder({"deliberation": {"rounds": 2}}, {"judge": {}})
    panel, asked = routed(policy, PANEL)
    assert panel.round_deadline_ms == APPEND_MS + 1_000 // 4
    assert {one.deadline_ms for one in asked} == {panel.round_deadline_ms}
    policy.vote_timeout_ms = 600
    assert routed(policy, PANEL)[0].round_deadline_ms == APPEND_MS + 600


def test_a_budget_of_tokens_is_divided_among_the_assignments() -> None:
    _, asked = routed(Policy(samples=2), PANEL, tokens_max=601)
    assert {one.tokens_max for one in asked} == {100}
