"""What must hold of rounds, of what is left to a person, and of stages, told apart from the
services' code. In comes what a simulation has left; out come sentences, one per violation.
"""

from collections import Counter
from collections.abc import Iterator

from comitia.ports import Record
from comitia.v1.decision_pb2 import (
    DECISION_STATUS_DECIDED,
    DECISION_STATUS_ESCALATED,
    DECISION_STATUS_EXPIRED,
    DECISION_STATUS_NO_QUORUM,
    Ballot,
    Decision,
)
from comitia.v1.panel_event_pb2 import PanelEvent, PanelOpened
from tests.sim.seen import EVENTS, Seen

BY_VOTE = (
    *(DECISION_STATUS_DECIDED, DECISION_STATUS_NO_QUORUM, DECISION_STATUS_EXPIRED),
    DECISION_STATUS_ESCALATED,
)
Pairs = list[tuple[Record, PanelEvent]]


def conflict_violations(seen: Seen) -> Iterator[str]:
    """Every rule that is broken, and by what."""
    for task_id, pairs in seen.events.items():
        opened = [event.panel_opened for _, event in pairs if event.HasField("panel_opened")]
        if opened and opened[0].task.policy.steps:
            yield from _rounds(seen, task_id, opened[0], pairs)
        yield from _verdicts(seen, task_id, pairs)
    for task_id, decided in seen.decisions.items():
        yield from _revisions(seen, task_id, decided)
    yield from _feedback(seen)
    yield from _stages(seen)


def _rounds(seen: Seen, task_id: str, panel: PanelOpened, pairs: Pairs) -> Iterator[str]:
    """Rounds are opened one after another, each once and no more than the policy allows; their
    assignments are in the inboxes; the ballots are what was answered to them in time.
    """
    rounds = [e.round_opened for _, e in pairs if e.round_opened.panel_id == panel.panel_id]
    numbers = [one.round for one in rounds]
    if seen.plan.exactly_once and numbers != list(range(2, 2 + len(numbers))):
        yield f"task {task_id} opened the rounds {numbers}"
    allowed = sum(
        (one.deliberation.rounds or 1) if one.HasField("deliberation") else one.HasField("judge")
        for one in panel.task.policy.steps
    )
    if len(set(numbers)) > allowed:
        yield f"task {task_id} held {len(set(numbers))} rounds, its policy allows {allowed}"
    until = {one.id: panel.round_deadline_ms or panel.deadline_ms for one in panel.assignments}
    for opened in rounds:
        until |= {one.id: min(opened.deadline_ms, panel.deadline_ms) for one in opened.assignments}
        for one in opened.assignments:
            if one.id not in seen.assignments:
                yield f"round of {task_id} lists {one.id}, which is in no inbox"
    for _, decision in seen.decisions.get(task_id, []):
        if decision.revision == 0:
            yield from _ballots(seen, decision, until)


def _ballots(seen: Seen, decision: Decision, until: dict[str, int]) -> Iterator[str]:
    """`until`: assignment -> until when an answer to it counts."""
    # While nobody can write, nothing is decided either.
    calm = not seen.plan.faults and not seen.plan.lost
    if calm and decision.status in BY_VOTE and decision.cost.elapsed_ms > 6_000:
        yield f"task {decision.task_id} outlived its time: {decision.cost.elapsed_ms} ms"
    names = Counter(ballot.assignment_id for ballot in decision.ballots)
    yield from (f"{name} is counted {n} times" for name, n in names.items() if n > 1)
    former: dict[tuple[int, int], Ballot] = {}
    for ballot in decision.ballots:
        place = (ballot.seat, ballot.sample)
        told = f"decision of {decision.task_id}: ballot {ballot.assignment_id}"
        if ballot.assignment_id not in until:
            yield f"{told} is not listed"
            continue
        first = [
            answer
            for record, answer in seen.answers.get(ballot.assignment_id, [])[:1]
            if record.timestamp_ms <= until[ballot.assignment_id]
        ]
        if ballot.kept:
            if place not in former or former[place].value != ballot.value:
                yield f"{told} keeps what was not there before"
        elif not first:
            yield f"{told} has no answer in time"
        elif ballot.HasField("value") and first[0].value != ballot.value:
            yield f"{told} is not as answered"
        former[place] = ballot


def _revisions(seen: Seen, task_id: str, decided: list[tuple[Record, Decision]]) -> Iterator[str]:
    """A task that was left to a person has at most one revision more: by the first verdict that
    names it, or, when its time is over, by the policy's rule.
    """
    revisions = {decision.revision: (record, decision) for record, decision in decided}
    if set(revisions) - {0, 1}:
        yield f"task {task_id} has the revisions {sorted(revisions)}"
    if 1 in revisions and (0 not in revisions or revisions[0][1].status != _ESCALATED):
        yield f"task {task_id} was revised, though it was not left to a person"
    if 0 not in revisions or revisions[0][1].status != _ESCALATED:
        return
    escalation = revisions[0][1].escalation
    opened = any(e.HasField("conflict_opened") for _, e in seen.events.get(task_id, []))
    if seen.plan.exactly_once and not opened:
        yield f"task {task_id} is left to a person, and its log does not say so"
    valid = [
        (record, event.verdict)
        for record, event in seen.events.get(task_id, [])
        if event.HasField("verdict")
        and event.verdict.revision == 0
        and event.verdict.decision_offset == revisions[0][0].offset
        and record.timestamp_ms < escalation.expires_ms
    ]
    if 1 not in revisions:
        if valid and seen.plan.exactly_once:
            yield f"task {task_id} has a verdict and no revision by it"
        elif seen.now_ms > escalation.expires_ms + 5_000:
            yield f"task {task_id} was not ended when its time for a verdict was over"
        return
    record, revision = revisions[1]
    if revision.settlement.expired:
        if record.timestamp_ms < escalation.expires_ms:
            yield f"task {task_id} expired before its time"
        kept = escalation.HasField("expiry_value")
        ends = (DECISION_STATUS_DECIDED, escalation.expiry_value)
        if (revision.status, revision.value) != ends if kept else revision.status != _EXPIRED:
            yield f"task {task_id} did not expire as its policy says"
    elif not valid:
        yield f"task {task_id} was settled without a verdict"
    elif valid[0][1].value != revision.value or valid[0][1].by != revision.settlement.by:
        yield f"task {task_id} was not settled by the first verdict"


_ESCALATED, _EXPIRED = DECISION_STATUS_ESCALATED, DECISION_STATUS_EXPIRED


def _verdicts(seen: Seen, task_id: str, pairs: Pairs) -> Iterator[str]:
    """A verdict is taken, is the same again, or is kept in the dead letters."""
    by = [d for _, d in seen.decisions.get(task_id, []) if d.HasField("settlement")]
    for record, event in pairs:
        if not event.HasField("verdict"):
            continue
        said = event.verdict
        taken = any(
            (one.value, one.settlement.by, one.settlement.because)
            == (said.value, said.by, said.because)
            and one.settlement.revision == said.revision
            for one in by
        )
        kept = (EVENTS, record.partition, record.offset) in seen.letters
        if not taken and not kept:
            yield f"the verdict of {task_id} at {record.offset} is nowhere"


def _feedback(seen: Seen) -> Iterator[str]:
    """Every verdict that settled a task has taught once, and nothing else has."""
    settled = {
        decision.task_id
        for pairs in seen.decisions.values()
        for _, decision in pairs
        if decision.HasField("settlement") and not decision.settlement.expired
    }
    counts = Counter(one.task_id for one in seen.feedback)
    for task_id in sorted(settled | set(counts)):
        wanted = 1 if task_id in settled else 0
        found = counts[task_id]
        if found != wanted if seen.plan.exactly_once else found < wanted:
            yield f"task {task_id} has {found} feedbacks, {wanted} expected"


def _stages(seen: Seen) -> Iterator[str]:
    """Each stage that began is a child task, once; each child is decided; entries are bounded, and
    after its parent's end nothing begins.
    """
    children: dict[str, list[str]] = {}
    for child in seen.children:
        children.setdefault(child.parent_id, []).append(child.id)
    for parent, ids in children.items():
        if seen.plan.exactly_once:
            yield from (f"{one} was begun {n} times" for one, n in Counter(ids).items() if n > 1)
        for one in set(ids):
            if one not in seen.decisions:
                yield f"stage {one} has no decision"
        events = [event for _, event in seen.events.get(parent, [])]
        begun = [e.stage_opened for e in events if e.HasField("stage_opened")]
        if seen.plan.exactly_once and sorted(one.child_id for one in begun) != sorted(set(ids)):
            yield f"{parent} says that it began {[o.child_id for o in begun]}, {ids} were asked"
        opened = [e.panel_opened for e in events if e.HasField("panel_opened")]
        bounds = {s.name: s.entries_max or 1 for s in opened[0].task.policy.stages}
        for name, count in Counter(one.stage for one in begun).items():
            if seen.plan.exactly_once and count > bounds[name]:
                yield f"{parent} entered {name} {count} times"
    for parent, pairs in seen.decisions.items():
        for _, decision in pairs:
            for stage in decision.stages:
                own = [d for _, d in seen.decisions.get(stage.task_id, [])]
                if not any(d.status == stage.status and d.value == stage.value for d in own):
                    yield f"{parent} tells {stage.task_id} otherwise than it was decided"
