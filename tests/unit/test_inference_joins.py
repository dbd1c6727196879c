"""Who joins a running batch when, counted in steps: nobody holds up others by more than a step's
limit, and nobody is passed over.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from comitia.inference.decoder_core import DecoderCore
from comitia.inference.jobs import AnyJob, GenerateJob, ScoreJob
from comitia.inference.limits import Limits
from comitia.inference.runner import Feed, Outcome
from comitia.inference.space import Space
from comitia.inference.text import Text
from comitia.ports import Prompt, Sampling
from tests.unit.inference_models import byte_tokenizer
from tests.unit.inference_trials import tiny_text

MIXED, CHUNK = 8, 24


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Text:
    return tiny_text(tmp_path_factory.mktemp("text"), 256)


class Alphabet:
    """A graph that goes on with the next letter, round and round."""

    def __init__(self) -> None:
        self.adapters: Mapping[str, int] = {}
        self.calls: list[dict[int, int]] = []
        letters = [
            byte_tokenizer().encode(letter).ids[0] for letter in "abcdefghijklmnopqrstuvwxyz"
        ]
        self._next = dict(zip(letters, letters[1:] + letters[:1], strict=True))
        self._first = letters[0]

    def run(self, feeds: Sequence[Feed], *, logits: bool) -> Outcome:
        self.calls.append({feed.row: len(feed.tokens) for feed in feeds})
        last = [feed.tokens[place] for feed in feeds for place in feed.wanted]
        found = np.array([self._next.get(token, self._first) for token in last], np.int64)
        chances = np.zeros((len(last), 300), np.float32)
        return Outcome(found, np.ones(len(last), np.bool_), chances if logits else None)

    def copy(self, source: int, target: int, tokens: int) -> None:
        """There is nothing to copy."""

    def release(self, row: int, kept: int) -> None:
        """There is nothing to give back."""


class Line:
    """A core on that graph; what it writes is heard as it comes."""

    def __init__(self, text: Text, rows: int = 3, cache_tokens: int = 1024) -> None:
        self.runner = Alphabet()
        limits = Limits(rows=rows, shelves=2, chunk_tokens=CHUNK, mixed_tokens=MIXED)
        self.space = Space(self.runner, rows, limits.shelves, cache_tokens)
        self.core = DecoderCore(text, self.runner, self.space, limits, ())
        self.heard: dict[str, list[str]] = {}

    def write(self, text: str, tokens_max: int, prefix: str = "") -> GenerateJob:
        job = GenerateJob(
            prompt=Prompt(prefix, text), sampling=Sampling(tokens_max),
            on_text=self.heard.setdefault(text, []).append,
        )  # fmt: skip
        self.core.add(job)
        return job

    def score(self, prefix: str, text: str) -> ScoreJob:
        job = ScoreJob(prompt=Prompt(prefix, text), options=("z",))
        self.core.add(job)
        return job

    def step(self, count: int = 1) -> None:
        for _ in range(count):
            self.core.let_go()
            self.core.step()

    def steps_until(self, job: AnyJob) -> int:
        for count in range(1, 1_000):
            self.step()
            if job.future.done():
                return count
        raise AssertionError("it never comes")

    def taken(self) -> list[int]:
        """Tokens of each step."""
        return [sum(call.values()) for call in self.runner.calls]


def test_who_joins_gets_its_first_token_in_the_next_step(text: Text) -> None:
    line = Line(text)
    first = line.write("A", 60)
    line.step(10)
    said = len("".join(line.heard["A"]))
    second = line.write("a", 20)
    line.step()
    assert "".join(line.heard["a"]) == "b", "the prompt is read and a token is there"
    assert not first.future.done()
    assert len("".join(line.heard["A"])) == said + 1, "and the first has got its own"
    assert line.runner.calls[-1] == {0: 1, 1: 1}, "both in one run"
    line.steps_until(second)
    assert not first.future.done(), "the second leaves, the first goes on"
    line.steps_until(first)
    assert first.future.result().usage.completion_tokens == 60


def test_a_long_prompt_takes_a_bounded_part_of_each_step_beside_writers(text: Text) -> None:
    line = Line(text)
    writer = line.write("A", 60)
    line.step()
    before = len(line.runner.calls)
    long = line.write("x" * 100, 2)
    line.step(12)
    calls = line.runner.calls[before:]
    assert calls == [{0: 1, 1: MIXED}] * 12, "every step writes a token and reads its share"
    assert not line.heard["x" * 100]
    line.step()
    assert line.heard["x" * 100] == ["y"], "the 100 tokens are in after 13 steps"
    line.step(2)
    assert long.future.done() and not writer.future.done()


def test_several_long_prompts_share_one_limit(text: Text) -> None:
    line = Line(text)
    writer = line.write("A", 40)
    line.step()
    others = [line.score("", letter * 50) for letter in "pq"]
    for other in others:
        line.steps_until(other)
    assert not writer.future.done()
    assert max(line.taken()) == 1 + MIXED
    line.steps_until(writer)
    quiet = Line(text)
    for letter in "pq":
        quiet.score("", letter * 50)
    quiet.step(6)
    assert (sum(quiet.taken()), max(quiet.taken())) == (100, CHUNK), "more where nobody writes"


def test_a_beginning_that_is_being_read_is_not_read_twice(text: Text) -> None:
    line = Line(text)
    prefix = "instructions " * 6
    scores = [line.score(prefix, letter) for letter in "stu"]
    other = line.score("", "v")
    assert line.steps_until(other) == 4, "who begins otherwise goes with the beginning's last piece"
    for score in scores:
        line.steps_until(score)
    cached = [score.future.result().usage.cached_tokens for score in scores]
    assert cached == [0, len(prefix), len(prefix)]
    assert sum(line.taken()) == len(prefix) + 3 + 1


def test_who_waits_for_a_beginning_reads_it_where_its_reader_leaves(text: Text) -> None:
    line = Line(text)
    prefix = "instructions " * 6
    reader, waiting = line.score(prefix, "s"), line.score(prefix, "t")
    line.step(2)
    assert [list(call) for call in line.runner.calls] == [[0], [0]], "one reads, one waits"
    reader.future.cancel()
    line.steps_until(waiting)
    assert waiting.future.result().usage.cached_tokens == 0


def test_a_large_request_is_not_passed_over_by_small_ones(text: Text) -> None:
    """The whole cache for one: it waits until all who were there have left, and no longer."""
    line = Line(text, rows=3, cache_tokens=256)
    for number in range(3):
        line.write("abc"[number], 20 + number)
    line.step()
    large = line.write("L", 250)
    for _ in range(24):
        line.write("small", 5)
        line.step()
    assert line.heard["L"], "it has begun although small ones never stopped coming"
    line.steps_until(large)
    assert large.future.result().usage.completion_tokens > 50


def test_a_writer_is_in_every_step(text: Text) -> None:
    """Whatever comes and goes: scores with many options, long prompts, prefixes."""
    line = Line(text, rows=4)
    writer = line.write("A", 50)
    line.step()
    for number in range(48):
        if number % 7 == 0:
            job = ScoreJob(prompt=Prompt("shared " * 9, "q"), options=(" one", " two three"))
            line.core.add(job)
        line.step()
        assert line.runner.calls[-1][0] == 1
    line.step()
    assert writer.future.done()
