"""What a terminal is given: text of tasks and models never reaches it as commands."""

import io

from rich.table import Table
from rich.text import Text

from comitia_cli.output import TextConsole

EVIL = "good\x1b]0;owned\x07 \x1b[2Jnews\x9b31m"


def test_control_characters_in_what_others_wrote_are_left_out() -> None:
    terminal = io.StringIO()
    console = TextConsole(file=terminal, force_terminal=True, color_system=None, width=80)
    table = Table("vote")
    table.add_row(EVIL)
    console.print(Text(EVIL))
    console.print(table)
    shown = terminal.getvalue()
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "\x9b" not in shown
    assert shown.count("good]0;owned [2Jnews31m") == 2


def test_styles_of_our_own_still_reach_the_terminal() -> None:
    terminal = io.StringIO()
    TextConsole(file=terminal, force_terminal=True, color_system="standard").print("[bold]yes[/]")
    assert "\x1b[1myes" in terminal.getvalue()
