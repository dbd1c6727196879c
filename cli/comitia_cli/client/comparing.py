"""Two decisions of the same tasks, side by side: how often they agree, which are right more often,
and which needed fewer answers. Pure.

In: pairs of decisions, and the right value where feedback names one. Out: a `Comparison`, and how
far the agents agree by the ballots of the decisions anew. Feedback that the weights were fitted to
flatters them, so it is counted apart (`fitted`).
"""

from dataclasses import asdict, dataclass, field
from statistics import fmean

from comitia.consensus.calibration import expected_calibration_error
from comitia.v1.decision_pb2 import Decision
from comitia.v1.value_pb2 import Value
from comitia_cli.client.agreeing import Agreements
from comitia_cli.client.values import same
from comitia_cli.intervals import paired, wilson


@dataclass
class Judged:
    """Of `asked` tasks, `recorded` and `redecided` count those that are right; `gained` and `lost`
    those that are right in one alone. What is not decided is not right.
    """

    asked: int = 0
    recorded: int = 0
    redecided: int = 0
    gained: int = 0
    lost: int = 0

    def add(self, recorded: bool, redecided: bool) -> None:
        self.asked += 1
        self.recorded += recorded
        self.redecided += redecided
        self.gained += redecided and not recorded
        self.lost += recorded and not redecided

    def shares(self) -> dict[str, object]:
        """Accuracies and their difference, with 95 % intervals; {} where nothing was asked."""
        if not self.asked:
            return {}
        return {
            **asdict(self),
            "recorded_accuracy": self.recorded / self.asked,
            "recorded_interval": wilson(self.recorded, self.asked),
            "redecided_accuracy": self.redecided / self.asked,
            "redecided_interval": wilson(self.redecided, self.asked),
            "difference": (self.gained - self.lost) / self.asked,
            "difference_interval": self.interval(),
        }

    def interval(self) -> tuple[float, float]:
        """Of the difference of accuracies, 95 %."""
        return paired(self.gained, self.lost, self.asked)


@dataclass
class Calibration:
    """What the decisions anew name as the probability that they are right, [0, 1], and whether each
    of them is.
    """

    named: list[float] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)

    def shares(self) -> dict[str, float]:
        """{} where nothing was named."""
        if not self.named:
            return {}
        return {
            "tasks": len(self.named),
            "mean_probability": fmean(self.named),
            "right": fmean(self.right),
            "expected_calibration_error": expected_calibration_error(self.named, self.right),
        }


@dataclass(frozen=True)
class Limits:
    """What one task's comparison suffers from: see Comparison."""

    cut_short: bool = False
    unheld: bool = False
    unweighed: bool = False
    unversioned: bool = False


@dataclass
class Comparison:
    """`calls`: answers that were waited for, those of shadows not among them. `cut_short`: tasks in
    which the other policy would have waited for answers that were never given; `unheld`: in which
    it would have held a round that was never held. `unweighed`: those whose skill has no weights
    for the method, so that a simpler one counted; `unversioned`: none of the version that was asked
    for. Left out are `unsuited`: the method cannot count their answers; `staged`: tasks of stages,
    each stage of which is compared as a task of its own. `without_decision`, `without_panel`: tasks
    that stand in one of the two topics alone, since the time that was asked for.
    """

    tasks: int = 0
    agree: int = 0
    recorded_decided: int = 0
    redecided_decided: int = 0
    recorded_calls: int = 0
    redecided_calls: int = 0
    cut_short: int = 0
    unheld: int = 0
    unweighed: int = 0
    unversioned: int = 0
    unsuited: int = 0
    staged: int = 0
    without_decision: int = 0
    without_panel: int = 0
    unread: int = 0
    judged: Judged = field(default_factory=Judged)
    fitted: Judged = field(default_factory=Judged)
    calibration: Calibration = field(default_factory=Calibration)
    agreements: Agreements = field(default_factory=Agreements)

    def add(self, recorded: Decision, redecided: Decision, limits: Limits) -> bool:
        """Whether the two agree: the same value, or none."""
        alike = agree(recorded, redecided)
        self.tasks += 1
        self.agree += alike
        self.recorded_decided += recorded.HasField("value")
        self.redecided_decided += redecided.HasField("value")
        self.recorded_calls += sum(not ballot.shadow for ballot in recorded.ballots)
        self.redecided_calls += sum(not ballot.shadow for ballot in redecided.ballots)
        self.cut_short += limits.cut_short
        self.unheld += limits.unheld
        self.unweighed += limits.unweighed
        self.unversioned += limits.unversioned
        self.agreements.add(redecided)
        return alike

    def judge(
        self, recorded: Decision, redecided: Decision, correct: Value, fitted: bool
    ) -> tuple[bool, bool]:
        """Which of the two are right. `fitted`: the weights have seen this feedback."""
        right = (
            recorded.HasField("value") and same(recorded.value, correct),
            redecided.HasField("value") and same(redecided.value, correct),
        )
        (self.fitted if fitted else self.judged).add(*right)
        if redecided.HasField("calibrated_probability") and not fitted:
            self.calibration.named.append(redecided.calibrated_probability)
            self.calibration.right.append(right[1])
        return right

    def figures(self) -> dict[str, object]:
        """All of it as plain values."""
        counts = {k: v for k, v in vars(self).items() if isinstance(v, int)}
        return {
            **counts,
            "calls_saved": self.recorded_calls - self.redecided_calls,
            "judged": self.judged.shares(),
            "judged_by_feedback_the_weights_were_fitted_to": self.fitted.shares(),
            "calibration": self.calibration.shares(),
            "agreement": [asdict(one) for one in self.agreements.found()],
        }


def agree(one: Decision, other: Decision) -> bool:
    """The same value, or none in both."""
    if one.HasField("value") != other.HasField("value"):
        return False
    return not one.HasField("value") or same(one.value, other.value)
