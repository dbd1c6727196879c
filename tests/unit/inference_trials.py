"""A decoder's core on trial: requests that come, leave and break at any step, watched all the time.

In come requests and a schedule; out come their results, beside what each gets alone. After every
step it is looked at whether a row has one owner, whether memory adds up and whether there was
progress. The core's graph may be a real one or StrictRunner below.
"""

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from comitia.errors import ComitiaError, Retryable
from comitia.inference.decoder_core import DecoderCore, Runner
from comitia.inference.jobs import AnyJob, AttendJob, GenerateJob, ScoreJob
from comitia.inference.limits import Limits
from comitia.inference.runner import Feed, Outcome
from comitia.inference.space import Memory, Space, buckets
from comitia.inference.text import Text
from comitia.ports import Attention, Generation, Prompt, Sampling, Scores
from tests.unit.inference_models import END, byte_tokenizer

ADAPTERS = {"formal": 1, "terse": 2}
FAULT, NOISE = "~", "^"
CONTEXT = 160
_VOCAB = 260


def tiny_text(folder: Path, context: int = CONTEXT) -> Text:
    """A tokenizer of bytes."""
    byte_tokenizer().save(str(folder / "tokenizer.json"))
    facts = {"bos": None, "ends": [END], "template": None, "context_tokens": context}
    (folder / "text.json").write_text(json.dumps(facts))
    return Text(folder, "tiny")


ONE_TOKEN = Sampling(1)


class DeviceGone(RuntimeError):
    """What the runtime below raises."""


class StrictRunner:
    """A graph and its cache in one: what comes behind a text follows from every cell that its row
    holds, and cells that nobody wrote hold rubbish, so one wrong cell makes another text.

    A "~" breaks the run; a "^" makes its own cell and all that follow from it no numbers. Errors in
    `faults` are raised by the next runs, in `noisy` runs to come the first row's numbers break, and
    a `shaky` device can run one piece alone.
    """

    def __init__(self, rows: int, tokens: int = CONTEXT) -> None:
        self.adapters: Mapping[str, int] = ADAPTERS
        self.steps: list[dict[int, int]] = []
        self.faults: list[Exception] = []
        self.noisy = 0
        self.shaky = False
        self._cells = np.random.default_rng(7).integers(1, 1 << 31, (rows, tokens))
        encode = byte_tokenizer().encode
        self._fault, self._noise = encode(FAULT).ids[0], encode(NOISE).ids[0]

    def run(self, feeds: Sequence[Feed], *, logits: bool) -> Outcome:
        """See runner.RowRunner."""
        self.steps.append({feed.row: len(feed.tokens) for feed in feeds})
        assert len(self.steps[-1]) == len(feeds), "a row stands once in a step"
        if self.faults:
            raise self.faults.pop(0)
        if any(self._fault in feed.tokens for feed in feeds) or (self.shaky and len(feeds) > 1):
            raise DeviceGone("the device is gone")
        noisy, self.noisy = self.noisy > 0, max(0, self.noisy - 1)
        found = np.concatenate([self._extend(feed, noisy and feed is feeds[0]) for feed in feeds])
        return Outcome(found.argmax(-1), np.isfinite(found.sum(-1)), found if logits else None)

    def copy(self, source: int, target: int, tokens: int) -> None:
        """See cache.Cache."""
        assert source != target and 0 < tokens <= self._cells.shape[1]
        self._cells[target, :tokens] = self._cells[source, :tokens]

    def release(self, row: int, kept: int) -> None:
        """See cache.Cache."""
        self._cells[row, kept:] = 99

    def attend(self, feed: Feed) -> NDArray[np.float32]:
        """See attending.Attends; what a token sees are the cells before it."""
        self._extend(feed, False)
        cells = self._cells[feed.row, : feed.past + 1]
        return np.where(cells > 0, cells / (1 << 33), np.nan).astype(np.float32)[None, None]

    def _extend(self, feed: Feed, noisy: bool) -> NDArray[np.float32]:
        cells = self._cells[feed.row]
        assert feed.tokens and feed.past + len(feed.tokens) <= len(cells), "a row is long enough"
        found = np.zeros((len(feed.wanted), _VOCAB), np.float32)
        for place, token in enumerate(feed.tokens, feed.past):
            broken = noisy or token == self._noise or (cells[:place] < 0).any()
            known = zlib.crc32(cells[:place].tobytes(), token * 4 + feed.adapter)
            cells[place] = -1 if broken else known + 1
            if place - feed.past in feed.wanted:
                number = list(feed.wanted).index(place - feed.past)
                found[number] = np.nan if broken else _logits(known)
        # A kernel may write what pads a shorter piece.
        cells[feed.past + len(feed.tokens) :] = 98
        return found


@dataclass(frozen=True, slots=True)
class Ask:
    """A request: a score where there are options, attention where `attends`, else a text,
    streamed where `streams`.
    """

    prompt: Prompt
    options: tuple[str, ...] = ()
    sampling: Sampling = ONE_TOKEN
    streams: bool = False
    attends: bool = False

    def job(self, heard: list[str]) -> AnyJob:
        """The same as a job; `heard` takes what is streamed."""
        if self.options:
            return ScoreJob(prompt=self.prompt, options=self.options)
        if self.attends:
            return AttendJob(prompt=self.prompt)
        on_text = heard.append if self.streams else None
        return GenerateJob(prompt=self.prompt, sampling=self.sampling, on_text=on_text)


def by_hand(ask: Ask, text: Text) -> tuple[Any, ...] | None:
    """Text and tokens of a greedy text as StrictRunner's cells have it; None for what is scored,
    drawn or broken. No part of the engine has a hand in it.
    """
    whole, adapter = ask.prompt.prefix + ask.prompt.text, ADAPTERS.get(ask.prompt.adapter, 0)
    if ask.options or ask.attends or ask.sampling != Sampling(ask.sampling.tokens_max):
        return None
    if set(whole) & {FAULT, NOISE} or ask.prompt.adapter not in ("", *ADAPTERS):
        return None
    tokens = text.encode(whole) or [text.starting_token()]
    prompt = len(tokens)
    if prompt >= text.context_tokens:
        return None
    cells: list[int] = []
    while len(tokens) < min(prompt + ask.sampling.tokens_max, text.context_tokens):
        for token in tokens[len(cells) :]:
            known = zlib.crc32(np.array(cells, np.int64).tobytes(), token * 4 + adapter)
            cells.append(known + 1)
        likely = int(_logits(known).argmax())
        if likely in text.ends:
            break
        tokens.append(likely)
    return text.decode(tokens[prompt:]), len(tokens) - prompt


@lru_cache(100_000)
def _logits(known: int) -> NDArray[np.float32]:
    drawn: NDArray[np.float32] = np.random.default_rng(known).standard_normal(_VOCAB, np.float32)
    # It breaks over what it reads, and not over what it writes itself.
    drawn[byte_tokenizer().encode(FAULT + NOISE).ids] -= 99
    return 3 * drawn


@dataclass(eq=False, slots=True)
class Request:
    """An Ask that was made, and what was heard of its text so far."""

    ask: Ask
    heard: list[str] = field(default_factory=list)
    job: AnyJob = field(init=False)

    def __post_init__(self) -> None:
        self.job = self.ask.job(self.heard)


class Trial:
    """One core with its requests."""

    def __init__(self, text: Text, runner: Runner, memory: Memory, limits: Limits, cache: int):
        self.runner, self.limits = runner, limits
        self.space = Space(memory, limits.rows, limits.shelves, cache)
        self.core = DecoderCore(text, runner, self.space, limits, (DeviceGone,))
        self.requests: list[Request] = []

    def ask(self, ask: Ask) -> Request:
        """Make a request."""
        self.requests.append(Request(ask))
        self.core.add(self.requests[-1].job)
        return self.requests[-1]

    def step(self) -> None:
        """What the engine does between two looks at what arrived, and the look at all of it."""
        self.core.let_go()
        if not self.core.held():
            return
        runs = len(getattr(self.runner, "steps", [0]))
        settled = self._settled()
        try:
            self.core.step()
        except ZeroDivisionError as error:
            self.core.recover(Retryable(f"a slip: {error}"))
        if isinstance(self.runner, StrictRunner):
            moved = len(self.runner.steps) > runs or self._settled() > settled
            assert moved, "a step with requests at hand does something"
        self.look()

    def finish(self) -> None:
        """Step until nobody is left: each step reads a token at least, so there is an end."""
        for _ in range(100 + sum(_work_of(request.ask) for request in self.requests)):
            if not self.core.held():
                break
            self.step()
        self.core.let_go()
        assert not self.core.held(), "somebody starves"
        assert all(request.job.future.done() for request in self.requests), "somebody is forgotten"
        space: Any = self.space
        assert len(space._free) == self.limits.rows
        kept = sum(buckets(len(prefix.tokens)) for prefix in space._kept)
        assert self.space.reserved == kept, "memory is what is kept"

    def look(self) -> None:
        """Rows, shelves and memory add up, and a step reads no more than it may."""
        core: Any = self.core
        space: Any = self.space
        busy = [work.row for work in core._at_work()]
        rows, shelves = self.limits.rows, self.limits.shelves
        assert sorted(busy + space._free) == list(range(rows)), "a row is lost or held twice"
        kept = [*space._kept.values(), *space._shelves]
        assert sorted(kept) == list(range(rows, rows + shelves)), "a shelf is lost or held twice"
        reserved = [row for row, tokens in enumerate(space._reserved) if tokens]
        assert sorted(reserved) == sorted(busy + list(space._kept.values()))
        assert self.space.reserved <= sum(space._touched) <= self.space.tokens_max
        for work in core._at_work():
            done = work.start + work.done if hasattr(work, "done") else work.length
            assert done <= space._reserved[work.row], "a row holds what was reserved"

    def _settled(self) -> int:
        return sum(request.job.future.done() for request in self.requests)


def _work_of(ask: Ask) -> int:
    whole = len(ask.prompt.prefix) + len(ask.prompt.text)
    return 2 + whole + sum(map(len, ask.options)) + (0 if ask.options else ask.sampling.tokens_max)


class Told(NamedTuple):
    """What a caller sees, but for what came from the cache: an error by its kind and reason, or a
    result and the numbers in it.
    """

    words: tuple[Any, ...]
    numbers: tuple[float, ...] = ()

    def like(self, other: "Told", tolerance: float = 1e-9) -> bool:
        """Whether all is the same, sums in another order apart."""
        return self.words == other.words and self.numbers == pytest.approx(
            other.numbers, abs=tolerance
        )


def told(request: Request) -> Told:
    """The result of a request that is over."""
    error = request.job.future.exception()
    if error is not None:
        assert isinstance(error, ComitiaError), error
        return Told((type(error), getattr(error, "reason", "")))
    result = request.job.future.result()
    usage = result.usage
    assert usage.cached_tokens < usage.prompt_tokens
    counts = (usage.prompt_tokens, usage.completion_tokens)
    if isinstance(result, Scores):
        return Told(counts, result.log_likelihoods)
    if isinstance(result, Attention):
        return Told((result.tokens, *counts), tuple(result.probabilities.ravel().tolist()))
    assert isinstance(result, Generation)
    assert not request.ask.streams or "".join(request.heard) == result.text
    chances = tuple(chance.log_probability for chance in result.tokens)
    return Told((result.text, result.finish, *counts), chances)
