"""The loop of a process that holds one model for bench.inference, and static batches over it.

Lines of JSON come in, [verb, arguments]; one line of JSON goes out for each. A prompt is given
as tokens and as text (`prefix` + `text`, which encode to the same tokens); each system takes what
it understands. Runs in the peers' environments and imports nothing of Comitia.
"""

import json
import os
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Prompt = dict[str, Any]
# (seconds after the first arrival, prompt, tokens to be written)
Arrival = tuple[float, Prompt, int]


@dataclass(frozen=True)
class Written:
    """What a batch wrote: tokens by row, and when each step ended (time.perf_counter)."""

    began: float
    tokens: list[list[int]]
    ended: list[float]


class StaticBatches(ABC):
    """A system that works on one batch until its longest text is written."""

    @abstractmethod
    def batch(self, prompts: Sequence[list[int]], new: int) -> Written:
        """Prompts of one length; `new` tokens for each row, greedily, end tokens or not."""

    @abstractmethod
    def losses(self, windows: Sequence[list[int]]) -> list[float]:
        """Of each window, -ln of the probability of its tokens but the first, summed."""

    def decode(self, prompts: Sequence[Prompt], new: int) -> dict[str, Any]:
        """Seconds to the first tokens, tokens per second from there, and the tokens."""
        made = self.batch([prompt["tokens"] for prompt in prompts], new)
        rate = 0.0
        if new > 1:
            rate = len(prompts) * (new - 1) / (made.ended[-1] - made.ended[0])
        return {"first_s": made.ended[0] - made.began, "rate": rate, "tokens": made.tokens}

    def loss(self, windows: Sequence[Prompt]) -> list[float]:
        """See `losses`."""
        return self.losses([window["tokens"] for window in windows])

    def tasks(self, prompts: Sequence[Prompt], new: int, rows: int) -> dict[str, Any]:
        """Seconds for all, `rows` at a time, and the tokens."""
        began, tokens = time.perf_counter(), []
        for first in range(0, len(prompts), rows):
            part = [prompt["tokens"] for prompt in prompts[first : first + rows]]
            tokens += self.batch(part, new).tokens
        return {"seconds": time.perf_counter() - began, "tokens": tokens}

    def arrivals(self, trace: Sequence[Arrival], rows: int) -> dict[str, Any]:
        """Serve requests as they arrive: whenever the batch is free, those that wait, up to
        `rows`. When each was done, in seconds after the trace began; a text is done with its own
        last token, not with its batch.
        """
        done: list[float] = []
        began = time.perf_counter()
        while len(done) < len(trace):
            waiting = trace[len(done) : len(done) + rows]
            time.sleep(max(0.0, began + waiting[0][0] - time.perf_counter()))
            now = time.perf_counter() - began
            batch = [one for one in waiting if one[0] <= now]
            made = self.batch([one[1]["tokens"] for one in batch], max(one[2] for one in batch))
            done += [made.ended[one[2] - 1] - began for one in batch]
        return {"done_s": done, "tokens": sum(one[2] for one in trace)}


def memory() -> dict[str, float]:
    """Resident now and at most so far, MiB (Linux)."""
    with open("/proc/self/status") as file:
        lines = dict(line.split(":", 1) for line in file if ":" in line)
    sizes = {"now": lines["VmRSS"], "most": lines["VmHWM"]}
    return {name: int(size.split()[0]) / 1024 for name, size in sizes.items()}


def serve(system: Any) -> None:
    """Answer until the input ends. An error ends the process and so reaches the caller."""
    # What libraries print goes to the log; the answers have a channel of their own.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        verb, arguments = json.loads(line)
        work: Callable[..., Any] = memory if verb == "memory" else getattr(system, verb)
        print(json.dumps(work(**arguments)), file=answers, flush=True)
