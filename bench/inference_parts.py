"""The parts of bench.inference: what is asked of which system, how often, and what is made of it.

Each part takes the pool of systems, the prompts and a number of rounds, and gives figures: medians
over the rounds, in which the systems take turns.
"""

import math
import statistics
from collections import defaultdict
from collections.abc import Sequence

from bench import inference_systems as systems
from bench.inference_prompts import ROWS, Prompts, trace
from bench.inference_systems import Pool, Worker, in_turns
from bench.peers.inference_worker import Prompt
from bench.reports import Figures

BATCHES = (1, 4, 8, 16)
NEW = 25
READ_TOKENS = 256
WINDOWS, WINDOW_TOKENS = 32, 256
# llama.cpp tells probabilities one call at a time.
WINDOWS_LLAMA = 2
TASKS, SHARED, OWN, TASK_NEW = 32, 60, 40, 24
# So many of the tasks one by one each round: that takes long, and each takes as long as the others.
ONE_BY_ONE = 8
REQUESTS, REQUEST_TOKENS, LENGTHS, PER_SECOND = 64, 48, (8, 64), 20.0

Rounds = dict[str, list[float]]


def medians(rounds: Rounds) -> Figures:
    return {name: statistics.median(values) for name, values in rounds.items()}


def quality(pool: Pool, prompts: Prompts, rounds: int) -> Rounds:
    """Perplexity of each system's form, once: it does not depend on the machine. The forms of one
    precision hold the same weights but for what a system's own rounding makes of them.
    """
    windows = prompts.several(WINDOWS, WINDOW_TOKENS, lead=1)
    few = windows[:WINDOWS_LLAMA]
    found: Rounds = {}
    for system in systems.SYSTEMS:
        asked = few if system == systems.LLAMA else windows
        found[f"{system}: perplexity"] = [perplexity(pool[system], asked)]
    for system in (systems.COMITIA, systems.COMITIA_NATIVE):
        found[f"{system}: perplexity where llama.cpp's was taken"] = [perplexity(pool[system], few)]
    return found


def perplexity(worker: Worker, windows: Sequence[Prompt]) -> float:
    """exp of the mean loss of a token; the first of each window is given."""
    found: list[float] = worker.ask("loss", windows=windows)
    return math.exp(sum(found) / (len(windows) * (len(windows[0]["tokens"]) - 1)))


def speed(pool: Pool, prompts: Prompts, rounds: int) -> Rounds:
    """Tokens per second of each system in batches, and of one long prompt. One round is not
    counted: buffers grow in it.
    """
    batch = prompts.several(max(BATCHES), 32)
    long = [prompts.take(READ_TOKENS)]
    found: Rounds = defaultdict(list)
    for number, system in enumerate(in_turns(systems.SYSTEMS, rounds + 1)):
        worker, counts = pool[system], number >= len(systems.SYSTEMS)
        for size in BATCHES:
            made = worker.ask("decode", prompts=batch[:size], new=NEW)
            if counts:
                found[f"{system}: tokens/s at batch {size}"].append(made["rate"])
        made = worker.ask("decode", prompts=long, new=1)
        if counts:
            found[f"{system}: tokens/s of a prompt"].append(READ_TOKENS / made["first_s"])
    for system in systems.SYSTEMS:
        found[f"{system}: resident MiB"] = [pool[system].ask("memory")["now"]]
    return found


def arrivals(pool: Pool, prompts: Prompts, rounds: int) -> Rounds:
    """Requests that arrive faster than they can be served: tokens per second from the first arrival
    to the last answer, and seconds from a request's arrival to its end, on average.
    """
    asked = trace(prompts.several(REQUESTS, REQUEST_TOKENS), PER_SECOND, LENGTHS)
    found: Rounds = defaultdict(list)
    chosen = (systems.GENAI, systems.COMITIA, systems.GENAI_INT8, systems.COMITIA_INT8)
    for system in in_turns(chosen, rounds):
        made = pool[system].ask("arrivals", trace=asked, rows=ROWS)
        done = made["done_s"]
        waited = [end - one[0] for end, one in zip(done, asked, strict=True)]
        found[f"{system}: arrivals, tokens/s"].append(made["tokens"] / max(done))
        found[f"{system}: arrivals, s to the end of a request"].append(statistics.mean(waited))
    return found


def tasks(pool: Pool, prompts: Prompts, rounds: int) -> Rounds:
    """Tasks of one agent at once, whose prompts begin alike: tasks per second."""
    asked = prompts.sharing(TASKS, SHARED, OWN)
    found: Rounds = defaultdict(list)
    for system in in_turns((systems.OPTIMUM, systems.COMITIA, systems.COMITIA_INT8), rounds):
        worker = pool[system]
        if system == systems.OPTIMUM:
            few = worker.ask("tasks", prompts=asked[:ONE_BY_ONE], new=TASK_NEW, rows=1)
            found[f"{system}: tasks/s one by one"].append(ONE_BY_ONE / few["seconds"])
        made = worker.ask("tasks", prompts=asked, new=TASK_NEW, rows=ROWS)
        name = "in batches of 16" if system == systems.OPTIMUM else "as they come"
        found[f"{system}: tasks/s {name}"].append(TASKS / made["seconds"])
    return found


def start(pool: Pool, prompts: Prompts, rounds: int) -> Rounds:
    """Seconds from the start of a process to the first token, all files in the page cache."""
    prompt = [prompts.take(16)]
    found: Rounds = defaultdict(list)
    chosen = (systems.TRANSFORMERS, systems.GENAI, systems.COMITIA, systems.COMITIA_INT8)
    for system in in_turns(chosen, rounds):
        worker = Worker(system, pool.models, pool.log)
        try:
            worker.ask("decode", prompts=prompt, new=1)
            found[f"{system}: s to the first token"].append(worker.age_s())
        finally:
            worker.close()
    return found
