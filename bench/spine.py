"""The spine as it runs: start-up, memory of each process, one task end to end, tasks per second.

`python -m bench.spine [--tasks N] [--flood N] [--json FILE]` starts a system of its own with the
real agents, and three agents without a model beside them. Models must have been built, as
`comitia demo` does. The peer is raw aiokafka on the same broker in the same run: one record
produced and read back, the least that one hop can cost. A task makes four hops (tasks, inbox, panel
events, decisions), each in another process.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from bench.common import BIN, NOOP, ROOT, Client, task_of
from bench.reports import Figures, quantiles, report, show

HOPS = 4


@contextmanager
def system(state: Path, port: int) -> Iterator[tuple[str, float, Figures]]:
    """A running system: its address, seconds from the command to ready, MiB per process."""
    env = {**os.environ, "COMITIA_STATE_DIR": str(state), "COMITIA_BROKER_PORT": str(port)}
    began = time.perf_counter()
    command = [str(BIN / "comitia"), "up", "--detach"]
    subprocess.run(command, env=env, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - began
    try:
        yield f"127.0.0.1:{port}", seconds, memory(state)
    finally:
        subprocess.run([str(BIN / "comitia"), "down"], env=env, check=True, cwd=ROOT)


def memory(state: Path) -> Figures:
    """Resident MiB of every process that this system started, by name and cards."""
    found: Figures = {}
    for process in psutil.process_iter(["name", "cmdline", "environ", "memory_info"]):
        about = process.info
        env, command = about["environ"] or {}, about["cmdline"] or []
        if env.get("COMITIA_STATE_DIR") != str(state) or process.pid == os.getpid():
            continue
        cards = [Path(p).stem for p in env.get("COMITIA_AGENT_CARDS", "").split(":") if p]
        name = "broker" if "java" in command[0] else Path(command[-1]).name
        name = "supervisor" if "up" in command else "keeper" if "keeper" in str(command) else name
        found[f"{name} ({', '.join(cards)})" if cards else name] = about["memory_info"].rss / 2**20
    return found


async def echo(bootstrap: str, count: int) -> list[float]:
    """Milliseconds of one record produced and read back by raw aiokafka."""
    topic, taken = "comitia.heartbeats.v1", []
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    reader = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, fetch_max_wait_ms=10)
    async with producer, reader:
        await reader.seek_to_end()
        for number in range(count):
            mark, began = f"echo-{number}".encode(), time.perf_counter()
            await producer.send(topic, b"", mark)
            while (await reader.getone()).key != mark:
                pass
            taken.append(1000 * (time.perf_counter() - began))
    return taken


async def measure(bootstrap: str, tasks: int, flood: int) -> Figures:
    """One task at a time with real models and without; the peer before and after; then a flood."""
    figures: Figures = {}
    async with Client(bootstrap, read_committed=True) as client:
        await client.until_decided("noop")
        await client.until_decided("sentiment")
        # Not counted: a broker that has just started takes twice as long until it is compiled.
        await client.milliseconds("noop", 2 * tasks)
        before = await echo(bootstrap, tasks)
        noop = await client.milliseconds("noop", tasks)
        figures |= quantiles("one task, real models", await client.milliseconds("sentiment", tasks))
        figures |= quantiles("one task, no model", noop)
        figures |= quantiles("raw aiokafka echo", before + await echo(bootstrap, tasks))
        tasks_at_once = [task_of("noop", wait_for_all=True) for _ in range(flood)]
        figures["tasks/s, no model"] = flood / await client.flood(tasks_at_once)
    figures["one task without model / four raw echoes"] = figures["one task, no model p50 ms"] / (
        HOPS * figures["raw aiokafka echo p50 ms"]
    )
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tasks", type=int, default=100)
    parser.add_argument("--flood", type=int, default=5_000)
    parser.add_argument("--port", type=int, default=19_392)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        system(Path(folder), chosen.port) as (bootstrap, seconds, resident),
    ):
        env = {**os.environ, "COMITIA_BOOTSTRAP": bootstrap}
        command = [sys.executable, "-m", "bench.noop_agent", *NOOP]
        agent = subprocess.Popen(command, env=env, cwd=ROOT, stderr=subprocess.DEVNULL)
        try:
            figures = asyncio.run(measure(bootstrap, chosen.tasks, chosen.flood))
        finally:
            agent.terminate()
            agent.wait()
    figures["up to ready s"] = seconds
    figures |= {f"resident MiB, {name}": value for name, value in sorted(resident.items())}
    packages = ("aiokafka", "protobuf", "onnxruntime", "comitia")
    show(report(figures, (), packages), chosen.json)


if __name__ == "__main__":
    main()
