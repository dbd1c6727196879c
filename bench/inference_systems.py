"""The systems of bench.inference, each in a process of its own that lives as long as the run.

In: the models. Out: answers of each system to the verbs of bench.peers.inference_worker, one
system at work at a time.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from bench.common import ROOT, tail
from bench.environments import PEERS, environment
from bench.inference_models import Models

TRANSFORMERS, OPTIMUM = "transformers fp32", "optimum fp32"
GENAI, GENAI_INT8 = "genai fp32", "genai int8"
LLAMA = "llama.cpp native"
COMITIA, COMITIA_INT8, COMITIA_NATIVE = "comitia fp32", "comitia int8", "comitia native"
SYSTEMS = (
    *(TRANSFORMERS, OPTIMUM, GENAI, COMITIA),
    *(GENAI_INT8, COMITIA_INT8, LLAMA, COMITIA_NATIVE),
)
# Whose environment, and what runs there.
_PEERS = {
    "transformers": ("optimum", f"{PEERS}/inference_hf.py", "transformers"),
    "optimum": ("optimum", f"{PEERS}/inference_hf.py", "optimum"),
    "genai": ("genai", f"{PEERS}/inference_genai.py"),
    "llama.cpp": ("llama", f"{PEERS}/inference_llama.py"),
}
_GRACE_S = 20


def command(system: str, models: Models) -> list[str]:
    """What runs a system."""
    name, form = system.split()
    if name == "comitia":
        module = ["-m", "bench.inference_comitia"]
        return [sys.executable, *module, str(models.comitia[form]), form]
    places = {"transformers": models.folder, "optimum": models.optimum, "llama.cpp": models.gguf}
    place = models.genai[form] if name == "genai" else places[name]
    peer, *arguments = _PEERS[name]
    return [str(environment(peer)), *arguments, str(place)]


class Worker:
    """A system's process."""

    def __init__(self, system: str, models: Models, log: Path) -> None:
        self._name, self._log = system, log
        self._began = time.perf_counter()
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                command(system, models),
                cwd=ROOT,
                env={**os.environ, "HF_HUB_OFFLINE": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def ask(self, verb: str, **arguments: Any) -> Any:
        """The answer. Raises RuntimeError, with the end of the log, where the process has ended."""
        print(json.dumps([verb, arguments]), file=_open(self._process.stdin), flush=True)
        answer = _open(self._process.stdout).readline()
        if not answer:
            raise RuntimeError(f"{self._name} ended at {verb}:\n{tail(self._log)}")
        return json.loads(answer)

    def age_s(self) -> float:
        """Seconds since the process was started."""
        return time.perf_counter() - self._began

    def close(self) -> None:
        """End of its input, then patience, then force."""
        _open(self._process.stdin).close()
        try:
            self._process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Pool:
    """Workers by system, started when they are first asked."""

    def __init__(self, models: Models, log: Path) -> None:
        self.models, self.log = models, log
        self._workers: dict[str, Worker] = {}

    def __getitem__(self, system: str) -> Worker:
        if system not in self._workers:
            self._workers[system] = Worker(system, self.models, self.log)
        return self._workers[system]

    def close(self) -> None:
        """End all."""
        for worker in self._workers.values():
            worker.close()
        self._workers.clear()


@contextmanager
def pool(models: Models, log: Path) -> Iterator[Pool]:
    """A Pool that is closed in the end."""
    made = Pool(models, log)
    try:
        yield made
    finally:
        made.close()


def in_turns(systems: Sequence[str], rounds: int) -> Iterator[str]:
    """Each system once a round; every other round backwards, so that none is always behind the
    same one.
    """
    for number in range(rounds):
        yield from systems if number % 2 == 0 else reversed(systems)


def _open(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None, "both ends are pipes"
    return pipe
