"""Where a service's processor time goes, by sampling.

`python -m bench.profiled FILE MODULE [ARGUMENT ...]` runs a module's `main` in this process, and
at every few milliseconds of processor time notes what the code is doing: the innermost call that
has a name in STEPS decides. On SIGUSR1 counting begins anew; at the end FILE gets, as JSON, the
processor seconds of each step. The services know nothing of it.
"""

import importlib
import json
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

INTERVAL_S = 0.002
REST = "network, loops and the rest"
# (part of the file's name, function or "" for any, step): the first that fits, from the innermost
# call outwards. A step "" says nothing: the call around it may.
STEPS: tuple[tuple[str, str, str], ...] = (
    ("aiokafka/producer/transaction_manager.py", "", "transaction"),
    ("runtime/kafka_writer.py", "begin", "transaction"),
    ("runtime/kafka_writer.py", "commit", "transaction"),
    ("aiokafka/producer/sender.py", "_do_txn", "transaction"),
    ("runtime/codec.py", "decode", "decode"),
    ("runtime/codec.py", "encode", "encode"),
    ("bench/raw_pipe.py", "decoded", "decode"),
    ("bench/raw_pipe.py", "_encoded", "encode"),
    ("bench/transport_raw.py", "main", ""),
    ("bench/transport_raw.py", "serve", ""),
    ("bench/transport_raw.py", "", "step"),
    ("/main.py", "main", ""),
    ("/main.py", "compose", ""),
    ("bench/noop_agent.py", "answer", "step"),
    ("comitia_router/", "", "step"),
    ("comitia_aggregator/", "", "step"),
    ("comitia/consensus/", "", "step"),
    ("runtime/partition_state.py", "", "step"),
    ("aiokafka/producer/", "", "produce"),
    ("runtime/kafka_writer.py", "", "produce"),
    ("runtime/delivery.py", "", "produce"),
    ("bench/raw_pipe.py", "_send", "produce"),
    ("aiokafka/consumer/", "", "fetch"),
    ("aiokafka/coordinator/", "", "fetch"),
    ("runtime/kafka_reader.py", "", "fetch"),
    ("runtime/reading.py", "", "fetch"),
)


class Sampler:
    """Counts samples of the main thread by step, on the timer of processor time."""

    def __init__(self) -> None:
        self.samples: Counter[str] = Counter()
        self.functions: Counter[str] = Counter()
        self._steps: dict[tuple[str, str], str] = {}
        self._began = time.process_time()

    def start(self) -> None:
        signal.signal(signal.SIGPROF, self._sample)
        signal.signal(signal.SIGUSR1, self._anew)
        signal.siginterrupt(signal.SIGPROF, False)
        signal.setitimer(signal.ITIMER_PROF, INTERVAL_S, INTERVAL_S)

    def stop(self) -> dict[str, Any]:
        """Processor seconds by step, and the functions that were met most often."""
        signal.setitimer(signal.ITIMER_PROF, 0)
        seconds = time.process_time() - self._began
        total = sum(self.samples.values()) or 1
        return {
            "processor_s": seconds,
            "steps": {step: seconds * count / total for step, count in self.samples.items()},
            "functions": {
                name: seconds * count / total for name, count in self.functions.most_common(40)
            },
        }

    def _anew(self, _: int, __: FrameType | None) -> None:
        self.samples.clear()
        self.functions.clear()
        self._began = time.process_time()

    def _sample(self, _: int, frame: FrameType | None) -> None:
        if frame is not None:
            code = frame.f_code
            self.functions[f"{'/'.join(code.co_filename.split('/')[-2:])}:{code.co_name}"] += 1
        while frame is not None:
            step = self._step(frame.f_code.co_filename, frame.f_code.co_name)
            if step:
                self.samples[step] += 1
                return
            frame = frame.f_back
        self.samples[REST] += 1

    def _step(self, file: str, function: str) -> str:
        place = (file, function)
        if place not in self._steps:
            self._steps[place] = next(
                (step for part, name, step in STEPS if part in file and name in ("", function)),
                "",
            )
        return self._steps[place]


def main() -> None:
    target, module = Path(sys.argv[1]), importlib.import_module(sys.argv[2])
    sys.argv = [sys.argv[2], *sys.argv[3:]]
    sampler = Sampler()
    sampler.start()
    try:
        module.main()
    finally:
        target.write_text(json.dumps(sampler.stop()))


if __name__ == "__main__":
    main()
