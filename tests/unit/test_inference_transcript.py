"""Tokens to text as they come: the pieces are the text, and nothing is said too early."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from comitia.inference.text import REPLACEMENT, Text
from comitia.inference.transcript import Transcript
from tests.unit.inference_models import byte_tokenizer
from tests.unit.inference_texts import fallback_tokenizer, text_in

TOKENIZERS = {"bytes": (byte_tokenizer, "<|endoftext|>"), "fallback": (fallback_tokenizer, "</s>")}
LETTERS = "ab ye\u20ac\u00e9\U0001f600no"


@pytest.fixture(scope="module", params=list(TOKENIZERS))
def text(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Text:
    make, end = TOKENIZERS[request.param]
    tokenizer: Tokenizer = make()
    return text_in(tmp_path_factory.mktemp(request.param), tokenizer, end)


def write(text: Text, written: str, stop: tuple[str, ...] = ()) -> tuple[Transcript, list[str]]:
    transcript = Transcript(text, stop)
    pieces = []
    for token in text.encode(written):
        pieces.append(transcript.add(token))
        if transcript.stopped:
            break
    return transcript, [*pieces, transcript.close()]


@given(written=st.text(LETTERS, max_size=60))
@example(written=" a")
@example(written="  yes\u20ac\u20ac no")
def test_pieces_are_the_whole_text_without_broken_characters(text: Text, written: str) -> None:
    transcript, pieces = write(text, written)
    assert "".join(pieces) == transcript.text == text.decode(text.encode(written))
    assert not any(REPLACEMENT in piece for piece in pieces)


@given(
    written=st.text("ab", max_size=40),
    stop=st.lists(st.text("ab", min_size=1, max_size=5), max_size=3),
)
@example(written="aabaabab", stop=["aabab"])
@example(written="ab", stop=["b", "a"])
def test_what_is_said_never_runs_into_a_stop_string(
    text: Text, written: str, stop: list[str]
) -> None:
    stops = tuple(stop)
    transcript, pieces = write(text, written, stops)
    # Character by character: the first stop string to be complete ends the text where it begins.
    seen = next(
        (
            written[:end]
            for end in range(1, len(written) + 1)
            if any(written[:end].endswith(s) for s in stops)
        ),
        None,
    )
    assert transcript.stopped == (seen is not None)
    assert "".join(pieces) == transcript.text
    assert not any(s in transcript.text for s in stops)
    if seen is None:
        assert transcript.text == written
    else:
        assert written.startswith(transcript.text) and len(transcript.text) < len(seen)


def test_text_is_said_as_soon_as_it_can_be(text: Text) -> None:
    transcript = Transcript(text, ("yes!",))
    pieces = [transcript.add(token) for token in text.encode("b\u20acb")]
    assert [piece for piece in pieces if piece] == ["b", "\u20ac", "b"]
    assert len(pieces) == 5, "the character took three tokens"
    held = [transcript.add(token) for token in text.encode("ye")]
    assert "".join(held) == "", "it may become the stop string"
    assert transcript.add(text.encode("b")[0]) == "yeb", "it did not"


def test_a_character_cut_off_at_the_end_is_left_out(text: Text) -> None:
    transcript = Transcript(text, ())
    for token in text.encode("b\u20ac")[:-1]:
        transcript.add(token)
    assert transcript.close() == "" and transcript.text == "b"


def test_bytes_that_never_make_a_character_are_said_in_the_end(text: Text) -> None:
    first = text.encode("\u20ac")[0]
    transcript = Transcript(text, ())
    pieces = [transcript.add(token) for token in [first] * 200 + text.encode("a")]
    assert transcript.text == REPLACEMENT * 200 + "a"
    silent = max(map(len, "".join("x" if piece else "." for piece in pieces).split("x")))
    assert silent < 16, "so few are decoded again with each token"


def test_special_tokens_leave_no_trace(text: Text) -> None:
    (end,) = text.ends
    transcript = Transcript(text, ("bb",))
    tokens = [*text.encode(" a"), end, *text.encode(" ab"), end, *text.encode("b")]
    pieces = [transcript.add(token) for token in tokens]
    assert transcript.stopped
    assert "".join(pieces).strip() == transcript.text.strip() == "a a"
