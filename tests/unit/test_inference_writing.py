"""One text being written, driven by hand: how it ends, what it streams, what its tokens say."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from comitia.errors import Poison
from comitia.inference.text import Text
from comitia.ports import Sampling, Usage
from tests.unit.inference_models import END, byte_tokenizer
from tests.unit.inference_texts import Driven, fallback_tokenizer, log_softmax, text_in

VOCAB = byte_tokenizer().get_vocab_size()


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Text:
    return text_in(tmp_path_factory.mktemp("bytes"), context=64)


def test_greedy_needs_no_logits_and_everything_else_does(text: Text) -> None:
    plain = Sampling(9, stop=("b",), top_p=0.5, top_k=3)
    assert Driven(text, plain).writing.greedy
    for other in (
        replace(plain, temperature=0.5),
        replace(plain, repetition_penalty=1.1),
        replace(plain, log_probabilities=0),
        Sampling(9, regex="a"),
        Sampling(9, json_schema="{}"),
    ):
        assert not Driven(text, other).writing.greedy


def test_an_end_token_ends_it_and_is_no_part_of_it(text: Text) -> None:
    driven = Driven(text, Sampling(9), prompt_tokens=(5, 6))
    assert driven.writing.written == 0
    assert not driven.take_all(text.encode("bye"))
    assert driven.writing.began_s is not None
    assert driven.writing.written == 2 and driven.writing.last == text.encode("e")[0]
    assert driven.take_all([min(text.ends)])
    assert (driven.result.text, driven.result.finish) == ("bye", "stop")
    assert driven.result.usage == Usage(2, 3, 0)
    assert driven.pieces == ["b", "y", "e"]


@pytest.mark.parametrize(("prompt", "tokens_max", "written"), [(3, 5, 5), (60, 50, 4)])
def test_it_ends_after_its_tokens_and_where_the_context_is_full(
    text: Text, prompt: int, tokens_max: int, written: int
) -> None:
    driven = Driven(text, Sampling(tokens_max), prompt_tokens=range(1, prompt + 1))
    assert driven.writing.length_max == prompt + written
    letters = text.encode("bcbcbcbc")
    assert not driven.take_all(letters[: written - 1])
    assert driven.take_all(letters[written - 1 :])
    assert (driven.result.text, driven.result.finish) == ("bcbcbcbc"[:written], "length")


def test_a_stop_string_ends_it_in_the_middle_of_a_token(text: Text) -> None:
    driven = Driven(text, Sampling(50, stop=(" y", "never")))
    assert len(text.encode("so ye")) == 3
    assert driven.take_all(text.encode("so ye"))
    assert (driven.result.text, driven.result.finish) == ("so", "stop")
    assert "".join(driven.pieces) == "so"


def test_what_was_held_back_is_said_at_the_end(text: Text) -> None:
    driven = Driven(text, Sampling(3, stop=("bcbx",)))
    assert driven.take_all(text.encode("bcb"))
    assert driven.result.text == "bcb" and driven.pieces == ["bcb"]


def test_a_cancelled_job_streams_no_more(text: Text) -> None:
    driven = Driven(text, Sampling(9))
    driven.take_all(text.encode("b"))
    driven.job.future.cancel()
    driven.take_all(text.encode("c"))
    assert driven.pieces == ["b"]


def test_log_probabilities_are_the_models_own_whatever_is_drawn(text: Text) -> None:
    sampling = Sampling(
        6, temperature=2.0, seed=1, top_k=40, repetition_penalty=1.3, log_probabilities=3
    )
    driven, chance = Driven(text, sampling), np.random.default_rng(2)
    steps, ended = [], False
    while not ended:
        logits = chance.normal(0.0, 2.0, VOCAB).astype(np.float32)
        ended = driven.writing.take(0, logits)
        steps.append((driven.writing.last, log_softmax(logits)))
    made = driven.result
    assert len(made.tokens) == made.usage.completion_tokens == 6
    for said, (token, logs) in zip(made.tokens, steps, strict=True):
        assert said.text == text.token_text(token)
        assert said.log_probability == pytest.approx(logs[token], abs=1e-5)
        others = [other for other in np.argsort(-logs).tolist() if other != token][:3]
        assert [alternative for alternative, _ in said.alternatives] == [
            text.token_text(other) for other in others
        ]
        assert [ln for _, ln in said.alternatives] == pytest.approx(logs[others], abs=1e-5)
    assert any(said.log_probability < said.alternatives[0][1] for said in made.tokens)


def test_without_alternatives_the_chosen_token_alone_is_told(text: Text) -> None:
    driven = Driven(text, Sampling(1, log_probabilities=0))
    logits = np.zeros(VOCAB, np.float32)
    logits[text.encode("b")] = 1e-3
    assert driven.writing.take(7, logits)
    (said,) = driven.result.tokens
    assert said.alternatives == ()
    assert said.log_probability == pytest.approx(-np.log(VOCAB), abs=1e-2)
    assert driven.result.text == said.text == "b"


def test_a_token_keeps_its_space_and_a_special_one_its_name(tmp_path: Path) -> None:
    text = text_in(tmp_path, fallback_tokenizer(), "</s>")
    (token,) = text.encode(" a")
    assert text.token_text(token) == " a"
    assert text.decode([token]) == "a", "the decoder drops it at the beginning"
    assert text.token_text(min(text.ends)) == "</s>"
    bytes_text = text_in(tmp_path / "bytes")
    assert bytes_text.token_text(bytes_text.encode("€")[0]) == "\ufffd"
    assert bytes_text.token_text(min(bytes_text.ends)) == END


@pytest.mark.parametrize(
    "sampling",
    [Sampling(9, temperature=1.0), Sampling(9, log_probabilities=1), Sampling(9, regex="[a-z]+")],
)
def test_logits_that_are_no_numbers_are_poison(text: Text, sampling: Sampling) -> None:
    driven = Driven(text, sampling)
    with pytest.raises(Poison) as caught:
        driven.writing.take(3, np.full(VOCAB, np.nan, np.float32))
    assert caught.value.reason == "NOT_FINITE"
