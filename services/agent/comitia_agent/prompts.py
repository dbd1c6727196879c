"""Prompts: a card's `Prompt` and a task's input and options in, the model's input and the options
as the model reads them out.

Pure but for the chat template, which is the model's (`render`). A prompt is split where the input
begins, so that all that stands before it (instructions, examples) is prefilled once and shared by
every task.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from comitia import ports
from comitia.v1.format_pb2 import Option
from comitia.v1.input_pb2 import Input
from comitia.v1.value_pb2 import Value
from comitia_agent.blocks import Example, Prompt


class Render(Protocol):
    """Makes a model's input of (role, content) pairs, as `ports.Model.render`."""

    def __call__(self, messages: Sequence[tuple[str, str]], *, open_turn: bool = True) -> str: ...


# Stand for the input, and for where its item begins, while a prompt is put together; both hold a
# control character that no text should hold. U+0002 is no white space: templates trim turns.
_MARK = "\x1finput\x1f"
_ITEM = "\x02item\x02"


@dataclass(frozen=True, slots=True)
class Frame:
    """A prompt without its input: `shared + lead + input + after`; with `lead` the item of this
    input begins. `words`: what the model is scored on, one per option. `adapter`: which of the
    model's reads it, "" for none.
    """

    shared: str
    lead: str
    after: str
    words: tuple[str, ...]
    adapter: str = ""

    def fill(self, text: str, note: str = "") -> ports.Prompt:
        """The model's input. The blank before the input goes with it: byte-level tokens begin
        with their blank. A `note` stands before the item, so that what the model is to go on with
        stays as its examples show it.
        """
        if note:
            own = f"{harmless(note)}\n\n{self.lead}{harmless(text)}{self.after}"
            return ports.Prompt(self.shared, own, self.adapter)
        prefix = (self.shared + self.lead).removesuffix(" ")
        blank = (self.shared + self.lead)[len(prefix) :]
        return ports.Prompt(prefix, blank + harmless(text) + self.after, self.adapter)


def make_frame(prompt: Prompt, options: Sequence[Option], render: Render) -> Frame:
    """Put instructions, examples and item together; `options` is empty where the answer is free."""
    words = [_word(prompt, option) for option in options]
    listing = ", ".join(harmless(word) for word in words)
    if prompt.style == "chat":
        turns = [("system", prompt.system)] if prompt.system else []
        for example in prompt.examples:
            turns.append(("user", _item(prompt, example.input, listing)))
            turns.append(("assistant", _said(prompt, example)))
        whole = render([*turns, ("user", _ITEM + _item(prompt, _MARK, listing))])
        lead = ""
    else:
        shown = [f"{_item(prompt, e.input, listing)} {_said(prompt, e)}" for e in prompt.examples]
        head = [prompt.system] if prompt.system else []
        whole = "\n\n".join([*head, *shown, _ITEM + _item(prompt, _MARK, listing)])
        lead = " "
    before, after = whole.split(_MARK)
    shared, begun = before.split(_ITEM)
    return Frame(shared, begun, after, tuple(lead + word for word in words), prompt.adapter)


def ending(prompt: Prompt, render: Render) -> str:
    """What follows an answer: the blank line before the next item, or the end of a chat's turn."""
    if prompt.style == "completion":
        return "\n\n"
    return render([("user", "?"), ("assistant", _MARK)], open_turn=False).split(_MARK)[1]


def input_text(task_input: Input) -> str | None:
    """The input as one text, None for a kind that this agent cannot read. A conversation becomes
    lines of "role: content".
    """
    kind = task_input.WhichOneof("kind")
    if kind == "text":
        return task_input.text
    if kind == "chat":
        return "\n".join(f"{turn.role}: {turn.content}" for turn in task_input.chat.messages)
    return None


def value_text(value: Value, options: Mapping[str, str]) -> str:
    """A value as a model reads it. `options`: id -> words."""
    kind = value.WhichOneof("kind")
    if kind == "option_id":
        return options.get(value.option_id, value.option_id)
    if kind == "number":
        return f"{value.number:.12g}"
    if kind == "ranking":
        tiers = value.ranking.tiers
        return " > ".join(" = ".join(options.get(o, o) for o in t.option_ids) for t in tiers)
    return str(getattr(value, kind)) if kind else ""


def _item(prompt: Prompt, text: str, listing: str) -> str:
    return prompt.item.replace("{options}", listing).replace("{input}", text)


def _word(prompt: Prompt, option: Option) -> str:
    return prompt.words.get(option.id, option.text or option.id)


def _said(prompt: Prompt, example: Example) -> str:
    return prompt.words.get(example.answer, example.answer)


def harmless(text: str) -> str:
    """Keep a user's text from closing its turn: control tokens of chat templates are written
    <|...|>.
    """
    return text.replace(_MARK, "").replace(_ITEM, "").replace("<|", "< |")
