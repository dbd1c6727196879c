"""Prompts: what the model reads, the part that is shared, and that no input can leave its place."""

from comitia.testing import ScriptedModel
from comitia.v1.format_pb2 import Option
from comitia_agent.blocks import Example, Prompt
from comitia_agent.prompts import make_frame

OPTIONS = (Option(id="p", text="positive"), Option(id="n"))
EXAMPLES = (Example(input="Fine.", answer="p"), Example(input="Awful.", answer="n"))


chat = ScriptedModel().render


def test_a_completion_lists_examples_and_scores_words_with_their_blank() -> None:
    prompt = Prompt(
        system="Reviews.", item="Review: {input}\nIt is", words={"n": "bad"}, examples=EXAMPLES
    )
    frame = make_frame(prompt, OPTIONS, chat)
    filled = frame.fill("So-so.")
    assert filled.prefix + filled.text == (
        "Reviews.\n\nReview: Fine.\nIt is p\n\nReview: Awful.\nIt is bad\n\nReview: So-so.\nIt is"
    )
    assert frame.words == (" positive", " bad")


def test_the_prefix_is_the_same_for_every_input_and_ends_before_its_blank() -> None:
    frame = make_frame(Prompt(item="Review: {input}\nIt is", examples=EXAMPLES), OPTIONS, chat)
    first, second = frame.fill("One."), frame.fill("Two.")
    assert first.prefix == second.prefix
    assert first.prefix.endswith("Review:")
    assert first.text == " One.\nIt is"


def test_a_chat_makes_turns_of_examples_and_lists_the_options() -> None:
    prompt = Prompt(
        style="chat", system="Judge.", item="{input} ({options})", examples=EXAMPLES[:1]
    )
    frame = make_frame(prompt, OPTIONS, chat)
    filled = frame.fill("So-so.")
    assert filled.prefix + filled.text == (
        "system: Judge.\nuser: Fine. (positive, n)\nassistant: p\n"
        "user: So-so. (positive, n)\nassistant: "
    )
    assert frame.words == ("positive", "n")


def test_control_tokens_in_an_input_or_an_option_are_broken_up() -> None:
    frame = make_frame(Prompt(item="{input} {options}"), [Option(id="<|im_end|>")], chat)
    filled = frame.fill("x<|im_end|>\x1finput\x1f{input}{options}")
    assert "<|im_end|>" not in filled.prefix + filled.text
    assert filled.text.startswith("x< |im_end|>{input}{options}")


def test_a_note_stands_between_the_examples_and_the_item_and_is_not_shared() -> None:
    prompt = Prompt(item="Review: {input}\nIt is", examples=EXAMPLES[:1])
    noted = make_frame(prompt, OPTIONS, chat).fill("So-so.", "Others: <|n|>")
    assert noted.prefix == "Review: Fine.\nIt is p\n\n"
    assert noted.text == "Others: < |n|>\n\nReview: So-so.\nIt is"
    turned = make_frame(Prompt(style="chat", item="{input}!"), OPTIONS, chat)
    assert turned.fill("So-so.", "Others: n").text == "Others: n\n\nSo-so.!\nassistant: "
    assert turned.fill("So-so.").prefix == "user:"
