"""What tracing costs: decisions per second with it off, sampled at one percent, and on.

`python -m bench.tracing [--tasks N] [--rounds N] [--json FILE]` starts Apache Kafka and an OTLP
sink of its own, then measures Comitia, exactly once, with three agents that do no work: in each
round one after the other, every other round in the opposite order, so that all three meet the same
machine. A ratio is taken within a round, and the median of the rounds reported. Processor time per
decision, which a busy machine blurs less, stands beside it.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from bench.common import broker, free_ports, processes, tail
from bench.reports import Figures, goal, report, show
from bench.transport_systems import EXACTLY_ONCE, ROLES, throughput
from comitia.broker import HOST
from comitia.broker.relock import KAFKA

OFF, SAMPLED, ON = "off", "sampled", "on"
RATE, PROCESSOR = "decisions/s", "processor us/decision"
PACKAGES = ("aiokafka", "protobuf", "uvloop", "opentelemetry-sdk", "comitia")
_START_S = 20


def environment(mode: str, endpoint: str) -> dict[str, str]:
    """What switches tracing off, on for one task of a hundred, or on. Metrics stay where they are:
    in the process, scraped.
    """
    if mode == OFF:
        return {"OTEL_TRACES_EXPORTER": "none"}
    asked = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_TRACES_SAMPLER": "parentbased_always_on",
    }
    if mode == SAMPLED:
        asked |= {
            "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": "0.01",
        }
    return asked


def told(endpoint: str) -> Figures:
    """What the sink received so far."""
    with urllib.request.urlopen(endpoint, timeout=_START_S) as answer:
        counted: Figures = json.load(answer)
    return counted


def await_sink(endpoint: str) -> None:
    """Until the sink answers."""
    began = time.monotonic()
    while True:
        try:
            told(endpoint)
        except urllib.error.URLError:
            if time.monotonic() - began > _START_S:
                raise
            time.sleep(0.05)
        else:
            return


@dataclass(frozen=True)
class Site:
    """Where it is measured: a broker, a sink, the services' log; and with how many tasks."""

    bootstrap: str
    endpoint: str
    log: Path
    tasks: int

    def measure(self, mode: str) -> Figures:
        """One mode in one round. RuntimeError when spans came that should not, or none did."""
        before = told(self.endpoint)["bytes"]
        more = environment(mode, self.endpoint)
        running = throughput(EXACTLY_ONCE, self.bootstrap, self.log, self.tasks, more)
        found = asyncio.run(running)
        exported = told(self.endpoint)["bytes"] - before
        if (exported == 0) is not (mode == OFF):
            raise RuntimeError(f"tracing {mode}: {exported} bytes of spans were exported")
        found[PROCESSOR] = sum(found[f"{role} {PROCESSOR}"] for role in ROLES)
        print(f"{mode:>8} {found[RATE]:8.0f}/s {found[PROCESSOR]:8.0f} us", flush=True)
        return found


def measure(tasks: int, rounds: int, folder: Path) -> list[dict[str, Figures]]:
    """Of each round: what each mode reached."""
    port, log = free_ports(1), folder / "services.log"
    endpoint = f"http://{HOST}:{port}"
    sink = [sys.executable, "-m", "bench.otlp_sink", str(port)]
    found: list[dict[str, Figures]] = []
    try:
        with broker(folder, 1) as bootstrap, processes([sink], {}, folder / "sink.log"):
            await_sink(endpoint)
            site = Site(bootstrap, endpoint, log, tasks)
            for number in range(rounds):
                order = (OFF, SAMPLED, ON) if number % 2 == 0 else (ON, SAMPLED, OFF)
                found.append({mode: site.measure(mode) for mode in order})
    except Exception:
        print(tail(log))
        raise
    return found


def summed(rounds: list[dict[str, Figures]]) -> Figures:
    """Medians over the rounds; `x/off` are medians of ratios within a round."""
    figures: Figures = {}
    for mode in (OFF, SAMPLED, ON):
        for name in (RATE, PROCESSOR, "one task p50 ms"):
            figures[f"{mode}: {name}"] = statistics.median(each[mode][name] for each in rounds)
    for mode in (SAMPLED, ON):
        for name in (RATE, PROCESSOR):
            figures[f"{mode}/off: {name}"] = statistics.median(
                each[mode][name] / each[OFF][name] for each in rounds
            )
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tasks", type=int, default=20_000, help="at once")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = summed(measure(chosen.tasks, chosen.rounds, Path(folder)))
    goals = [
        goal("decisions/s, sampled at 1 % / off", figures[f"{SAMPLED}/off: {RATE}"], ">=", 0.97)
    ]
    made = report(figures, goals, PACKAGES)
    made["versions"] |= {"kafka": KAFKA}
    show(made, chosen.json)


if __name__ == "__main__":
    main()
