"""How far the agents of each skill agree beyond chance, over many decisions. Pure.

In: decisions with the ballots of their panels. Out: Krippendorff's alpha by skill and kind of
value: of options as names, of numbers by their distance. Texts, rankings and documents have no
distance here, and are passed over; so are shadows, abstentions, and what is said in later rounds,
for there agents have seen each other's answers. An agent's samples count as voters of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from comitia.consensus.krippendorff import Level, alpha
from comitia.v1.decision_pb2 import Decision

_LEVELS: dict[str, Level] = {"option_id": "nominal", "number": "interval"}


@dataclass(frozen=True)
class Agreement:
    """`tasks`: those with two ballots or more. `alpha`: see `krippendorff.alpha`."""

    skill: str
    level: Level
    tasks: int
    alpha: float | None


class Agreements:
    """Keeps what each panel said."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, Level], list[tuple[str | float, ...]]] = {}

    def add(self, decision: Decision) -> None:
        for kind, level in _LEVELS.items():
            said: tuple[str | float, ...] = tuple(
                getattr(ballot.value, kind)
                for ballot in decision.ballots
                if not ballot.shadow
                and ballot.round <= 1
                and ballot.value.WhichOneof("kind") == kind
            )
            if len(said) > 1:
                self._said.setdefault((decision.skill, level), []).append(said)

    def found(self) -> Sequence[Agreement]:
        """By skill."""
        return [
            Agreement(skill, level, len(units), alpha(units, level))
            for (skill, level), units in sorted(self._said.items())
        ]
