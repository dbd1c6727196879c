"""The ladder that follows a vote: deliberation, negotiation, judge, rules, a person, as the task's
policy lists them.

A count of all ballots so far in; out comes either the opening of another round, or the result with
what each step has done. Steps are looked at in their order; one whose condition does not hold is
passed over. At the task's deadline no round is opened any more; steps that need no time are still
taken. No step is taken twice but a deliberation, whose rounds its policy bounds: no task can loop.
Pure.
"""

from collections.abc import Sequence

from comitia.effects import Effect
from comitia.v1.decision_pb2 import Ballot, StepRecord
from comitia.v1.panel_event_pb2 import PanelOpened
from comitia.v1.step_pb2 import Condition, Step
from comitia.values import value
from comitia_aggregator import bargain
from comitia_aggregator import rules as table
from comitia_aggregator.opening import (
    Ask,
    CannotOpen,
    name_of,
    open_round,
    positions_of,
    used_tokens,
)
from comitia_aggregator.result import VOTE, Result, result_of
from comitia_aggregator.state import Rules, TaskState
from comitia_aggregator.tally import Tally


@value
class Walked:
    """Where the ladder has led. `effects`: of the round that is to be opened; () where the task
    ends with `result`. `records`: the steps as they were met. `person`: position of the step that
    leaves the task to a person, -1 where none does.
    """

    result: Result
    records: tuple[StepRecord, ...]
    effects: tuple[Effect, ...] = ()
    person: int = -1


def advance(
    state: TaskState, panel: PanelOpened, counted: Tally, now_ms: int, rules: Rules
) -> Walked:
    """Go on from the round that was closed last. `now_ms`: broker's clock, epoch milliseconds."""
    walk = _Walk(state, panel, counted, now_ms, rules)
    effects = walk.again() if state.rounds else ()
    while not effects and walk.person < 0 and walk.at + 1 < len(panel.task.policy.steps):
        walk.at += 1
        effects = walk.meet()
    return Walked(walk.result, tuple(walk.records), effects, walk.person)


def holds(when: Condition, result: Result) -> str:
    """Why a step is taken, "" where it is not."""
    if when.always:
        return "always"
    margin, probability = when.HasField("margin_below"), when.HasField("probability_below")
    if when.undecided or not (margin or probability):
        if not result.quorate:
            return "too few voted"
        if result.winner is None:
            return "no value won"
    if margin and (not result.decided or result.margin < when.margin_below):
        return f"margin {result.margin:.2f}, below {when.margin_below:.2f}"
    if probability:
        if result.probability is None:
            return "the probability of the result is not known"
        if not result.decided or result.probability < when.probability_below:
            return f"probability {result.probability:.2f}, below {when.probability_below:.2f}"
    return ""


class _Walk:
    """One advance: changes `result`, `records` and `at`, the position of the step that was met
    last.
    """

    def __init__(
        self, state: TaskState, panel: PanelOpened, counted: Tally, now_ms: int, rules: Rules
    ) -> None:
        self._state, self._panel, self._counted = state, panel, counted
        self._now_ms, self._rules = now_ms, rules
        self._steps = panel.task.policy.steps
        self.at = state.rounds[-1].step if state.rounds else -1
        self.result = result_of(counted, name_of(self._steps[self.at]) if self.at >= 0 else VOTE)
        self.records = [StepRecord.FromString(one) for one in state.walk]
        self.person = -1

    def again(self) -> tuple[Effect, ...]:
        """After a round: note what it has left; effects where its step holds another."""
        step, record = self._steps[self.at], self.records[-1]
        held = record.rounds
        positions = positions_of(self._state, self._panel, self.at)
        record.tokens = used_tokens(self._state, positions)
        record.assignments = len(positions)
        self._left(record)
        if step.WhichOneof("kind") != "deliberation" or held >= (step.deliberation.rounds or 1):
            return ()
        if not holds(step.when, self.result):
            return ()
        try:
            return self._open(record, held)
        except CannotOpen as error:
            record.reason += f"; no round {held + 1}: {error}"
            return ()

    def meet(self) -> tuple[Effect, ...]:
        """Look at the step at `at`: effects where it opens a round."""
        step = self._steps[self.at]
        why = holds(step.when, self.result)
        record = StepRecord(name=name_of(step), kind=step.WhichOneof("kind") or "")
        record.taken, record.reason = bool(why), why or "not needed"
        self.records.append(record)
        if not why:
            self._left(record)
            return ()
        kind = step.WhichOneof("kind")
        effects: tuple[Effect, ...] = ()
        if kind in ("deliberation", "judge"):
            try:
                effects = self._open(record, 0)
            except CannotOpen as error:
                record.taken, record.reason = False, f"{why}, but {error}"
        elif kind == "rules":
            self._by_rules(step, record)
        elif kind == "negotiation":
            self.result = bargain.negotiated(
                (self._state, self._panel), step, self.result, record, name_of(step)
            )
        elif kind == "person":
            self.person = self.at
        self._left(record)
        return effects

    def _open(self, record: StepRecord, held: int) -> tuple[Effect, ...]:
        record.rounds = held + 1
        try:
            ask = Ask(self.at, held, tuple(self.records), self._now_ms)
            return open_round(self._state, self._panel, self._counted, ask, self._rules)
        except CannotOpen:
            record.rounds = held
            raise

    def _by_rules(self, step: Step, record: StepRecord) -> None:
        given: Sequence[Ballot] = self._counted.ballots
        answer_format = self._panel.task.format
        self.result, said = table.apply(
            step.rules, given, self.result, answer_format, name_of(step)
        )
        record.reason += ": " + " ".join(said) if said else ": no rule applies"
        if self.result.to_person:
            # Past all other steps, to the one that leaves it to a person.
            kinds = [one.WhichOneof("kind") for one in self._steps]
            self.person = kinds.index("person") if "person" in kinds else -1
            if self.person < 0:
                # The router refuses such a policy. Nobody can be asked, and a rule objects.
                self.result = self.result.undecided(name_of(step))

    def _left(self, record: StepRecord) -> None:
        record.margin = self.result.margin
        record.ClearField("leader")
        if self.result.winner is not None:
            record.leader.CopyFrom(self.result.values[self.result.winner])
