"""Where output goes: Rich on a terminal, proto3 JSON with one object a line in a pipe or when asked
for.

In: protobuf messages or plain values. Out: standard output; progress and remarks go to standard
error, so that a pipe holds nothing but objects.
"""

import json
import sys
from collections.abc import Iterable, Mapping

from google.protobuf.json_format import MessageToDict, MessageToJson
from google.protobuf.message import Message
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

Json = Mapping[str, object]
# Where a pipe gets text for people, there is no terminal to tell its width.
PIPE_COLUMNS = 120
# C0 but line feed, DEL, C1: a terminal would obey them.
CONTROLS = dict.fromkeys([*range(10), *range(11, 32), *range(127, 160)])


class TextConsole(Console):
    """Shows text that others wrote (tasks, answers of models) as text: control characters are left
    out.
    """

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(segment.text.translate(CONTROLS), segment.style)


def as_json(message: Message) -> str:
    """proto3 JSON on one line."""
    return MessageToJson(message, indent=None, ensure_ascii=False)


def as_dict(message: Message) -> dict[str, object]:
    """proto3 JSON as a dictionary, to stand within another object."""
    fields: dict[str, object] = MessageToDict(message)
    return fields


class Printer:
    """`json_asked`: JSON lines, on a terminal too. `for_people`: no JSON unless asked, not even in
    a pipe.
    """

    def __init__(self, json_asked: bool = False, *, for_people: bool = False) -> None:
        terminal = sys.stdout.isatty()
        self.plain = json_asked or not (terminal or for_people)
        self.console = TextConsole(highlight=False, width=None if terminal else PIPE_COLUMNS)
        self.remarks = TextConsole(stderr=True, highlight=False)

    def show(self, thing: RenderableType) -> None:
        """On a terminal only."""
        if self.plain:
            return
        if isinstance(thing, Text):
            # Printing makes a new text of it, which would wrap what is to be cut off.
            self.console.print(thing, no_wrap=thing.no_wrap, overflow=thing.overflow)
        else:
            self.console.print(thing)

    def emit(self, thing: Message | Json) -> None:
        """In a pipe only: one object, one line."""
        if self.plain:
            line = (
                as_json(thing)
                if isinstance(thing, Message)
                else json.dumps(thing, ensure_ascii=False)
            )
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

    def remark(self, text: str) -> None:
        """For a person who watches, wherever standard output goes."""
        if sys.stderr.isatty() or not self.plain:
            self.remarks.print(text)
