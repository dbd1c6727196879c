"""Recorded votes of language models through a ladder of one judge: how often each condition asks
it, and what that is worth.

In: DIR/llm_votes/votes.csv (see `consensus_questions`) and seeds. Out: for each panel a curve of
accuracy against calls (answers asked a task: the panel's, and the judge's where it is asked), with
95 % intervals by bootstrap over questions, paired, all seeds of a question together.

Each seed draws gold, whose answers are fed back with the panel's votes and the judge's: as in the
services, one fit of the learner's own code weighs them all, the judge as one voter more, and one
without the judge weighs the first vote. `conflict_judge` says who judges and who sits. Beside it:
no judge; the judge asked always; its word taken for the decision wherever it is asked; a judge that
only picks among the panel's answers; one fit for both votes; as many questions asked at random.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench import conflict_ladder
from bench.conflict_judge import (
    Case,
    Court,
    Floats,
    Worth,
    case,
    courts,
    dealt,
    seated,
    taught,
    worth,
)
from bench.consensus_questions import Question
from bench.reports import Figures, Goal, goal, under
from comitia.consensus.weights import SkillWeights
from comitia.v1.step_pb2 import Condition

PROBABILITIES = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
MARGINS = (0.1, 0.3, 0.5, 0.7, 0.9)
CONDITIONS: Mapping[str, Condition] = {
    **{f"probability below {p}": Condition(probability_below=p) for p in PROBABILITIES},
    **{f"margin below {m}": Condition(margin_below=m) for m in MARGINS},
    "always": Condition(always=True),
}
# What the goals are about, on any data.
HEADLINE = "probability below 0.7"

Bools = NDArray[np.bool_]

RESAMPLES = 2000
_CHUNK = 250
_STEPPED = 100


class Means:
    """Means over questions: name -> float64[questions], summed over the seeds that have not drawn
    the question as gold, and how many those are. `of_seeds`: name -> a figure of each seed.
    """

    def __init__(self, questions: int) -> None:
        self.sums: dict[str, Floats] = {}
        self.counts: dict[str, Floats] = {}
        self.of_seeds: dict[str, list[float]] = {}
        self._questions = questions

    def note(self, name: str, places: Sequence[int], values: Floats | Bools) -> None:
        for table, given in ((self.sums, values), (self.counts, np.ones(len(places)))):
            table.setdefault(name, np.zeros(self._questions))[list(places)] += given

    def drawn(self) -> dict[str, Floats]:
        """name -> float64[1 + RESAMPLES]: its mean, and those of samples of the questions; sample
        n is the same for all names.
        """
        chance = np.random.default_rng(0)
        sums = np.stack(list(self.sums.values()), axis=1)
        counts = np.stack(list(self.counts.values()), axis=1)
        seen = counts.any(axis=1)
        sums, counts = sums[seen], counts[seen]
        found = [(sums.sum(axis=0) / counts.sum(axis=0))[None, :]]
        even = np.full(len(sums), 1 / len(sums))
        for _ in range(0, RESAMPLES, _CHUNK):
            draws = chance.multinomial(len(sums), even, _CHUNK).astype(np.float64)
            found.append((draws @ sums) / (draws @ counts))
        return dict(zip(self.sums, np.concatenate(found).T, strict=True))


def measure(data: Path, seeds: Sequence[int]) -> Figures:
    """The curves of both panels, and how often the real ladder agrees with the replay."""
    questions, models = seated(data / "llm_votes" / "votes.csv")
    means: dict[str, Means] = {}
    agreed: dict[str, list[bool]] = {}
    for seed in seeds:
        gold, rest = dealt(questions, seed)
        for name, court in courts(questions, models, gold).items():
            print(f"{name}: {court.judge} judges, seed {seed}", flush=True)
            here = means.setdefault(name, Means(len(questions)))
            weights = _replay(here, questions, rest, gold, court)
            if seed == seeds[0]:
                sample = [questions[place] for place in rest[:_STEPPED]]
                agreed[name] = list(_stepped(sample, court, weights))
    figures: Figures = {}
    for name, here in means.items():
        found = _figures(here.drawn())
        found |= {figure: float(np.mean(of)) for figure, of in here.of_seeds.items()}
        found["the ladder agrees with the replay"] = float(np.mean(agreed[name]))
        figures |= {f"llm_votes, {name}: {figure}": value for figure, value in found.items()}
        print("\n".join(["", name, *table(found)]), flush=True)
    return figures


def goals(figures: Figures) -> list[Goal]:
    """What this project has set itself for both panels."""
    made = []
    for panel in ("strong", "all"):
        found = under(figures, f"llm_votes, {panel} ")
        said = f"llm_votes, {panel}: judge where {HEADLINE}"
        for other in ("no judge", "as many at random", "its word taken"):
            value = found.get(f"{HEADLINE} above {other}, at least")
            made.append(goal(f"{said}, above {other}, interval's lower end", value, ">=", 0.0))
        value = found.get(f"{HEADLINE} above always, at least")
        made.append(goal(f"{said}, above judge always, interval's lower end", value, ">=", -0.01))
        value = found.get("the ladder agrees with the replay")
        made.append(goal(f"llm_votes, {panel}: the ladder agrees with the replay", value, ">=", 1))
    return made


def table(found: Figures) -> list[str]:
    """The curve in Markdown, from the figures of one panel."""
    lines = [
        "| judge asked | share asked | answers a task | accuracy | its word taken | only picks "
        "| one fit for both votes (share asked) |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in ("no judge", *CONDITIONS, "judge alone"):
        cells = [
            f"{found[f'{name}, asked']:.1%}" if f"{name}, asked" in found else "",
            f"{found[f'{name}, calls']:.2f}",
            _between(found, name),
            _between(found, f"{name}, its word taken"),
            _between(found, f"{name}, picks"),
            _between(found, f"{name}, one fit"),
        ]
        if f"{name}, one fit, asked" in found:
            cells[-1] += f" ({found[f'{name}, one fit, asked']:.1%})"
        lines.append(f"| {' | '.join((name, *cells))} |")
    return lines


def _between(found: Figures, name: str) -> str:
    if name not in found:
        return ""
    low, high = found[f"{name}, at least"], found[f"{name}, at most"]
    return f"{found[name]:.2%} ({100 * low:.1f} to {100 * high:.1f})"


def _replay(
    means: Means,
    questions: Sequence[Question],
    rest: Sequence[int],
    gold: Sequence[Question],
    court: Court,
) -> SkillWeights:
    """Note what everybody is worth on the rest. The weights that the ladder uses."""

    def cases(may_write: bool, some: Iterable[Question]) -> list[Case]:
        return [case(one, court, may_write=may_write) for one in some]

    asked = [questions[place] for place in rest]
    writing, known = cases(True, asked), cases(True, gold)
    both = taught(known, with_judge=True)
    alone = taught(known, with_judge=False)
    weights = replace(both, without_judges=alone)
    ladder, joint = worth(writing, weights, court), worth(writing, both, court)
    picking = replace(taught(cases(False, gold), with_judge=True), without_judges=alone)
    picks = worth(cases(False, asked), picking, court)

    for name, some in (("first vote", ladder), ("first vote, one fit", joint)):
        errors = means.of_seeds.setdefault(f"{name}, calibration error", [])
        errors.append(some.calibration_error())

    seats = np.array([len(one.alone.votes) for one in writing], dtype=np.float64)
    means.note("no judge", rest, ladder.first)
    means.note("no judge, calls", rest, seats)
    means.note("judge alone", rest, np.array([float(q.is_right(court.judge)) for q in asked]))
    means.note("judge alone, calls", rest, np.ones(len(rest)))
    for name, when in CONDITIONS.items():
        chosen = ladder.asked(when)
        means.note(name, rest, np.where(chosen, ladder.after, ladder.first))
        means.note(f"{name}, asked", rest, chosen)
        means.note(f"{name}, calls", rest, seats + chosen)
        taken = np.where(chosen, ladder.truth, ladder.first)
        means.note(f"{name}, its word taken", rest, taken)
        _also(means, f"{name}, picks", rest, (picks, when))
        _also(means, f"{name}, one fit", rest, (joint, when))
    return weights


def _also(means: Means, name: str, rest: Sequence[int], given: tuple[Worth, Condition]) -> None:
    found, when = given
    chosen = found.asked(when)
    means.note(name, rest, np.where(chosen, found.after, found.first))
    means.note(f"{name}, asked", rest, chosen)


def _figures(drawn: Mapping[str, Floats]) -> Figures:
    figures: Figures = {}
    for name, values in drawn.items():
        figures[name] = float(values[0])
        if not name.endswith((", asked", ", calls")):
            figures |= _ends(name, values)
    for name in CONDITIONS:
        share = drawn[f"{name}, asked"]
        others = {
            "no judge": drawn["no judge"],
            "always": drawn["always"],
            "its word taken": drawn[f"{name}, its word taken"],
            "as many at random": (1 - share) * drawn["no judge"] + share * drawn["always"],
        }
        for other, values in others.items():
            apart = drawn[name] - values
            figures[f"{name} above {other}"] = float(apart[0])
            figures |= _ends(f"{name} above {other}", apart)
    return figures


def _ends(name: str, values: Floats) -> Figures:
    low, high = np.quantile(values[1:], (0.025, 0.975))
    return {f"{name}, at least": float(low), f"{name}, at most": float(high)}


def _stepped(sample: Sequence[Question], court: Court, weights: SkillWeights) -> Iterable[bool]:
    """For questions and conditions, whether the aggregator's own step says the same."""
    for may_write in (True, False):
        cases = [case(one, court, may_write=may_write) for one in sample]
        found = worth(cases, weights, court)
        for when in CONDITIONS.values():
            judge = conflict_ladder.condition(when, may_write=may_write)
            chosen = found.asked(when).tolist()
            for place, question in enumerate(sample):
                decision = conflict_ladder.decide(question, court, judge, weights)
                first, after = found.votes[place], found.outcomes[place]
                outcome = after if chosen[place] else first
                yield conflict_ladder.same(decision, outcome, asked=chosen[place])
