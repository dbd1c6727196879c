"""How the next round of a panel is opened: the assignments that ask for it, and the event that
lists them. A task's state, its panel and a step of its policy in; effects out, or why it cannot be.
Pure.

Who is asked, and what each is shown of the others' answers, follows from the policy and the ballots
so far. The event carries the ladder up to here, so that whoever folds it later knows as much.
"""

from collections.abc import Iterable, Mapping

from comitia.effects import Effect, Publish
from comitia.policy.times import round_deadline_ms
from comitia.v1.answer_pb2 import Answer
from comitia.v1.assignment_pb2 import Assignment, PeerAnswer
from comitia.v1.decision_pb2 import Ballot, StepRecord
from comitia.v1.panel_event_pb2 import ListedAssignment, PanelEvent, PanelOpened, Seat
from comitia.v1.policy_pb2 import Policy
from comitia.v1.step_pb2 import (
    PEERS_ANONYMOUS,
    PEERS_NONE,
    PEERS_OPPONENTS,
    Deliberation,
    Judge,
    Step,
)
from comitia.v1.task_pb2 import PRIORITY_HIGH
from comitia.values import value
from comitia_aggregator.ballots import Place, judges
from comitia_aggregator.state import Rules, TaskState, cut, spans
from comitia_aggregator.tally import Tally

PEERS_DEFAULT = 8
# Of all peers' answers in one assignment: what fits an inbox beside the task.
PEERS_BYTES_MAX = 1024 * 1024


# What each of the panel's members said last, and its key; None where it counts for no value.
Last = Mapping[Place, tuple[Ballot, str | None]]


class CannotOpen(Exception):
    """Says why a step opens no round."""


@value
class Ask:
    """What is to be opened: the `index` of a step of the policy, and its `held` rounds before."""

    index: int
    held: int
    walk: tuple[StepRecord, ...]
    now_ms: int


@value
class _Place:
    """One assignment: who answers which sample, and what is shown to them."""

    seat: Seat
    sample: int
    peers: tuple[PeerAnswer, ...]
    previous: Answer | None


def open_round(
    state: TaskState, panel: PanelOpened, counted: Tally, ask: Ask, rules: Rules
) -> tuple[Effect, ...]:
    """The assignments, and RoundOpened behind them. Raises CannotOpen."""
    policy = panel.task.policy
    step = policy.steps[ask.index]
    deadline_ms = round_deadline_ms(policy, ask.index, ask.held, ask.now_ms, panel.deadline_ms)
    if deadline_ms <= ask.now_ms:
        raise CannotOpen("no time was left")
    places = _places(panel, step, counted, rules)
    left = _affordable(state, panel, ask, len(places))
    number = (state.rounds[-1].number if state.rounds else 1) + 1
    event = PanelEvent(task_id=state.task_id)
    opened = event.round_opened
    opened.panel_id, opened.round, opened.step = panel.panel_id, number, ask.index
    opened.deadline_ms = deadline_ms
    opened.walk.extend(ask.walk)
    topic, key = rules.names.topic("panel-events"), panel.task.root_id or state.task_id
    effects: list[Effect] = []
    for place in places:
        seat = place.seat
        listed = ListedAssignment(seat=seat.seat, sample=place.sample, round=number)
        listed.id = f"{panel.panel_id}.{seat.seat}.{place.sample}.{number}"
        opened.assignments.append(listed)
        if place.peers and place.sample == 0:
            opened.shown.add(seat=seat.seat, peers=[peer.seat for peer in place.peers])
        assignment = Assignment(
            id=listed.id,
            panel_id=panel.panel_id,
            seat=seat.seat,
            sample=place.sample,
            round=number,
            role=seat.role,
            task=panel.task,
            peers=place.peers,
            deadline_ms=deadline_ms,
            reply_topic=topic,
            reply_partition=state.partition,
            agent=seat.agent,
            step=name_of(step),
            previous=place.previous,
            may_write=step.judge.may_write,
            tokens_max=left // len(places),
        )
        high = panel.task.priority == PRIORITY_HIGH and seat.priority_lane
        inbox = rules.names.inbox(seat.agent, high=high)
        effects.append(Publish(inbox, state.task_id, assignment, traceparent=state.traceparent))
    said = Publish(topic, key, event, order=1, traceparent=state.traceparent)
    return (*effects, said)


def name_of(step: Step) -> str:
    """What people call a step."""
    return step.name or step.WhichOneof("kind") or ""


def used_tokens(state: TaskState, positions: range) -> int:
    """Prompt and completion tokens that the answers at these positions of the listing report."""
    kept = (state.answers[position] for position in positions if position in state.answers)
    usages = [Answer.FromString(data).usage for data in kept]
    return sum(usage.prompt_tokens + usage.completion_tokens for usage in usages)


def positions_of(state: TaskState, panel: PanelOpened, step: int) -> range:
    """Where the assignments of a step's rounds stand in the listing."""
    later = zip(state.rounds, spans(state, panel)[1:], strict=True)
    found = [span for opened, span in later if opened.step == step]
    return range(found[0].start, found[-1].stop) if found else range(0)


def _places(panel: PanelOpened, step: Step, counted: Tally, rules: Rules) -> list[_Place]:
    if step.WhichOneof("kind") == "judge":
        return _judges(panel, step, counted, rules)
    members = [seat for seat in panel.seats if not seat.step and not seat.shadow]
    last = _last(counted)
    places = []
    for seat in members:
        peers = _peers(seat.seat, step.deliberation, last, counted.outcome.shares, rules)
        for sample in range(panel.task.policy.samples or 1):
            own = last.get((seat.seat, sample))
            previous = _shown(own[0], rules) if own is not None else None
            places.append(_Place(seat, sample, peers, previous))
    if not places:
        raise CannotOpen("the panel has nobody who could answer again")
    return places


def _judges(panel: PanelOpened, step: Step, counted: Tally, rules: Rules) -> list[_Place]:
    seats = [seat for seat in panel.seats if seat.step == name_of(step)]
    if not seats:
        raise CannotOpen("no judge was alive when the panel was seated")
    candidates = _candidates(counted, rules)
    judge: Judge = step.judge
    if len(candidates) < 2 and not (judge.may_write and candidates):
        raise CannotOpen("there are no two answers to choose between")
    places = []
    for seat in seats:
        orders = [candidates, candidates[::-1]] if judge.swap else [candidates]
        places += [_Place(seat, n, tuple(order), None) for n, order in enumerate(orders)]
    return places


def _candidates(counted: Tally, rules: Rules) -> list[PeerAnswer]:
    """Each value once, by the first seat that gave it, without its name: who said it is not what a
    judge is to judge by.
    """
    found: dict[str, PeerAnswer] = {}
    for ballot, vote in zip(counted.ballots, counted.counted.ballots, strict=True):
        if vote.choice is not None and vote.choice not in found and not judges(ballot):
            answer = _shown(ballot, rules)
            answer.agent = ""
            found[vote.choice] = PeerAnswer(seat=ballot.seat, round=ballot.round, answer=answer)
    return _bounded(found.values())


def _peers(
    seat: int, talk: Deliberation, last: Last, shares: Mapping[str, float], rules: Rules
) -> tuple[PeerAnswer, ...]:
    """What the others of the panel said last, as the step wants it shown to this seat."""
    kind = talk.peers
    if kind == PEERS_NONE:
        return ()
    own = {key for (number, _), (_, key) in last.items() if number == seat}
    others: dict[int, tuple[Ballot, str]] = {}
    for (number, _), (ballot, key) in sorted(last.items()):
        if number != seat and key is not None:
            others.setdefault(number, (ballot, key))
    shown = list(others.values())
    if kind == PEERS_OPPONENTS:
        shown = [one for one in shown if one[1] not in own]
        shown.sort(key=lambda one: -shares.get(one[1], 0.0))
    peers = []
    for ballot, _ in shown[: talk.peers_max or PEERS_DEFAULT]:
        answer = _shown(ballot, rules)
        if kind == PEERS_ANONYMOUS:
            answer.agent = ""
        peers.append(PeerAnswer(seat=ballot.seat, round=ballot.round, answer=answer))
    return tuple(_bounded(peers))


def _last(counted: Tally) -> Last:
    found: dict[Place, tuple[Ballot, str | None]] = {}
    for ballot, vote in zip(counted.ballots, counted.counted.ballots, strict=True):
        place = (ballot.seat, ballot.sample)
        if judges(ballot):
            continue
        if place not in found or found[place][0].round < ballot.round:
            found[place] = (ballot, vote.choice)
    return found


def _shown(ballot: Ballot, rules: Rules) -> Answer:
    """An answer as another agent gets to see it."""
    answer = Answer(agent=ballot.agent, rationale=cut(ballot.rationale, rules.detail_bytes_max))
    if ballot.HasField("value"):
        answer.value.CopyFrom(ballot.value)
    elif ballot.HasField("abstention"):
        answer.abstention.CopyFrom(ballot.abstention)
    answer.probabilities.extend(ballot.probabilities)
    if ballot.HasField("confidence"):
        answer.confidence = ballot.confidence
    return answer


def _bounded(peers: Iterable[PeerAnswer]) -> list[PeerAnswer]:
    """As many of the first as fit."""
    kept, size = [], 0
    for peer in peers:
        size += peer.ByteSize()
        if size > PEERS_BYTES_MAX:
            break
        kept.append(peer)
    return kept


def _affordable(state: TaskState, panel: PanelOpened, ask: Ask, count: int) -> int:
    """Tokens that the round may cost, 0 for no limit. Raises CannotOpen where as many assignments
    of the first vote cost more than is left.
    """
    policy: Policy = panel.task.policy
    step = policy.steps[ask.index]
    limits = []
    if step.HasField("tokens_max"):
        used = used_tokens(state, positions_of(state, panel, ask.index))
        limits.append(step.tokens_max - used)
    if panel.task.budget.tokens_max:
        used = used_tokens(state, range(len(panel.assignments)))
        limits.append(panel.task.budget.tokens_max - used)
    assignments_max = panel.task.budget.assignments_max
    if assignments_max and len(panel.assignments) + count > assignments_max:
        raise CannotOpen(
            f"it needs {count} assignments more, budget.assignments_max is {assignments_max}"
        )
    if not limits:
        return 0
    first = spans(state, panel)[0]
    answered = sum(position in state.answers for position in first)
    needed = used_tokens(state, first) * count // max(1, answered)
    left = min(limits)
    if left <= 0 or needed > left:
        raise CannotOpen(f"it needs about {needed} tokens, {max(0, left)} are left")
    return left
