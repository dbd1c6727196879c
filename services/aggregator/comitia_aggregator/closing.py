"""Whether the vote on a task is closed. The state of a task and its panel in; the count and why it
is final out, or that it is not.

A vote is closed when all assignments that are waited for are answered, when the open ones cannot
change the outcome, or when its winner is as likely to be right as the policy wants it. Shadows are
waited for only where the policy waits for all; then nothing else closes a vote but its deadline.
"""

from comitia.v1.panel_event_pb2 import ListedAssignment, PanelOpened
from comitia_aggregator import decision
from comitia_aggregator.decision import Close
from comitia_aggregator.methods import WEIGHING, method_of
from comitia_aggregator.state import Rules, TaskState, spans
from comitia_aggregator.tally import Tally, settled, sure_enough

# While more assignments than this are open, the vote is looked at once for so many answers: each
# look counts all ballots.
LOOK_EVERY = 16


def closed(state: TaskState, panel: PanelOpened, rules: Rules) -> tuple[Tally, Close] | None:
    """The count and why no further answer is waited for; None while some are."""
    awaited = _awaited(state, panel)
    open_seats = [one.seat for position, one in awaited if position not in state.answers]
    if not open_seats:
        return decision.count(state, panel, rules), Close.COMPLETE
    if not _worth_a_look(state, panel, (len(open_seats), len(awaited)), rules):
        return None
    counted = decision.count(state, panel, rules)
    if settled(counted, panel, open_seats):
        return counted, Close.SETTLED
    return (counted, Close.SURE) if sure_enough(counted, panel) else None


def _awaited(state: TaskState, panel: PanelOpened) -> list[tuple[int, ListedAssignment]]:
    """The assignments that are waited for, with their positions in the listing: those of the last
    round that was opened.
    """
    listed = [(position, panel.assignments[position]) for position in spans(state, panel)[-1]]
    if panel.task.policy.wait_for_all:
        return listed
    shadows = {seat.seat for seat in panel.seats if seat.shadow}
    return [one for one in listed if one[1].seat not in shadows] if shadows else listed


def _worth_a_look(
    state: TaskState, panel: PanelOpened, counts: tuple[int, int], rules: Rules
) -> bool:
    """Whether the vote may be settled. `counts`: of the assignments waited for, those open and
    all.

    Where all ballots weigh the same, nothing leads by more than the number of ballots, and a quorum
    of half is out of reach only once half have abstained; so fewer answers than half settle nothing
    but a higher quorum. Where they do not, few may outweigh all others.
    """
    policy = panel.task.policy
    if policy.wait_for_all or policy.steps or state.late:
        # With a late answer the deadline has passed: the timer decides. Steps look at the margin,
        # which every answer moves.
        return False
    open_count, whole = counts
    if open_count > LOOK_EVERY and open_count % LOOK_EVERY:
        return False
    if 2 * (whole - open_count) >= whole or 2 * policy.quorum > whole:
        return True
    if policy.quorum == 0 and policy.samples <= 1:
        return False
    return method_of(panel.task, rules.weights.get(panel.task.skill)) in WEIGHING
