"""`python -m observability`: writes every dashboard into charts/comitia/dashboards.

In: the modules of this folder. Out: <name>.json each, in the order and bytes that a test expects.
"""

from pathlib import Path

from observability import agents, decisions, delivery, learning, overview, task
from observability.board import render

FOLDER = Path(__file__).parents[1] / "charts" / "comitia" / "dashboards"
BOARDS = tuple(module.BOARD for module in (overview, agents, decisions, learning, delivery, task))


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for board in BOARDS:
        (FOLDER / f"{board.name}.json").write_text(render(board), encoding="utf-8")


if __name__ == "__main__":
    main()
