"""One look for all tables: no frame, a dim heading, and a last column that gives way on a narrow
terminal.
"""

from rich.table import Table
from rich.text import Text


def plain_table(*columns: str) -> Table:
    """A table whose columns keep their width, but for the last. ">name" is aligned to the right."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        name = column.removeprefix(">")
        keeps_width = column != columns[-1]
        table.add_column(name, justify="right" if name != column else "left", no_wrap=keeps_width)
    return table


def clipped(text: str, style: str = "") -> Text:
    """One line, cut off where the column ends."""
    return Text(" ".join(text.split()), style=style, no_wrap=True, overflow="ellipsis")
