"""What resolving conflict is worth: the ladder's live table, recorded votes through a ladder with a
judge, negotiation beside NegMAS, and attention beside the other votes.

`python -m bench.conflict --data DIR [--json FILE] [--only PARTS] [--seeds N] [--seed S]` measures
each part on the folders of DIR that it reads, and leaves out what is not there. N seeds, fresh
unless S names the first, draw what is fed back, asked and bargained over. Each part prints its
tables; the report holds all figures, and what this project has set itself.
"""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from bench.parts import Part, chosen_of, measured
from bench.reports import Figures, Goal, show

PACKAGES = ("comitia", "numpy")
# Part -> what it reads of DIR.
FOLDERS = {"live": "", "replay": "llm_votes", "negotiation": "", "attention": ""}


def _part(name: str, folder: str) -> Part:
    """The module bench.conflict_NAME, imported when it is measured: parts need what the others do
    without.
    """

    def measure(data: Path, seeds: Sequence[int]) -> Figures:
        found: Figures = import_module(f"bench.conflict_{name}").measure(data, seeds)
        return found

    def goals(figures: Figures) -> list[Goal]:
        found: list[Goal] = import_module(f"bench.conflict_{name}").goals(figures)
        return found

    return Part(folder, measure, goals)


PARTS = {name: _part(name, folder) for name, folder in FOLDERS.items()}


def main() -> None:
    chosen = chosen_of(__doc__ or "", list(PARTS))
    # The parts have printed their tables; what is left to say are the goals.
    show(measured(PARTS, chosen, PACKAGES), chosen.json, hidden="")


if __name__ == "__main__":
    main()
