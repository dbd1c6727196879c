"""Commands that the pages show, against the command line: whoever copies one gets no `no such
option`.

In come README.md, docs/*.md and the READMEs of examples and agents; whatever calls `comitia` there,
in a block or within a sentence, must name a command that exists, with options that it has.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from comitia_cli.main import app

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "examples" / "README.md",
    ROOT / "agents" / "README.md",
]
# In an indented block, where variables may stand before it, or in backticks; without what a shell
# does with its output.
BLOCK = re.compile(r"^(?:    |\t)+\s*(?:[A-Z_]+=\S+ )*comitia ([^|#>\n]+)", re.MULTILINE)
INLINE = re.compile(r"`comitia\s([a-z][^`|>]*)")


def shown(page: Path) -> Iterator[str]:
    text = page.read_text(encoding="utf-8")
    for found in (*BLOCK.findall(text), *INLINE.findall(text)):
        yield " ".join(found.split())


CALLS = sorted({(page.name, call) for page in PAGES for call in shown(page)})


def test_pages_show_commands() -> None:
    assert len(CALLS) > 50


@pytest.mark.parametrize(("page", "call"), CALLS)
def test_a_command_that_a_page_shows_can_be_given(page: str, call: str) -> None:
    command = get_command(app)
    words = shlex.split(call)
    while words and isinstance(command, TyperGroup) and not words[0].startswith("-"):
        assert words[0] in command.commands, f"{page}: comitia has no {words[0]}"
        command = command.commands[words.pop(0)]
    known = {name for one in command.params for name in one.opts}
    for word in words:
        if word.startswith("--"):
            assert word.split("=")[0] in known, f"{page}: no such option {word}"
