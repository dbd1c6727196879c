"""Jaeger and the OpenTelemetry collector as processes of a test, with the configuration of deploy/
moved to free ports of loopback.

Programs are found by a variable (COMITIA_TEST_JAEGER, COMITIA_TEST_OTELCOL) or on the PATH; a test
that lacks one is skipped and says so.
"""

import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bench.common import free_ports

DEPLOY = Path(__file__).parents[2] / "deploy"
START_S, PAUSE_S = 60, 0.1


def program(variable: str, *names: str) -> str:
    """The path of a program; skips the test that needs it where there is none."""
    found = os.environ.get(variable) or next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip(f"no {' or '.join(names)} on the PATH, and {variable} names none")
    return found


def moved(name: str, folder: Path, places: Mapping[str, str]) -> Path:
    """A file of deploy/ in which every address of `places` is replaced by its value."""
    text = (DEPLOY / name).read_text(encoding="utf-8")
    for old, new in places.items():
        assert old in text, f"deploy/{name} no longer says {old}"
        text = text.replace(old, new)
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


@contextmanager
def running(command: Sequence[str], log: Path, answers: str) -> Iterator[None]:
    """A program, from when an HTTP server answers at `answers` until the end of the block."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        began = time.monotonic()
        while not _answers(answers):
            ended = process.poll()
            if ended is not None or time.monotonic() - began > START_S:
                raise RuntimeError(f"{command[0]} ({ended}) does not answer: {log.read_text()}")
            time.sleep(PAUSE_S)
        yield
    finally:
        # There is nothing that it should save, and Jaeger takes fifteen seconds to leave.
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=1).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


class Jaeger:
    """`endpoint` takes OTLP; the rest asks the query API."""

    def __init__(self, otlp: int, query: int) -> None:
        self.endpoint = f"http://127.0.0.1:{otlp}"
        self._api = f"http://127.0.0.1:{query}/api"

    def trace(self, trace_id: str) -> dict[str, Any]:
        """One trace; an empty one where Jaeger has none of that id."""
        try:
            found = self._get(f"/traces/{trace_id}")
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return {"spans": [], "processes": {}}
        (one,) = found
        return dict(one)

    def search(self, service: str, **tags: str) -> list[str]:
        """Ids of the traces with a span of `service` that has `tags`."""
        query = urllib.parse.urlencode({"service": service, "tags": json.dumps(tags)})
        return [one["traceID"] for one in self._get(f"/traces?{query}")]

    def _get(self, path: str) -> list[Any]:
        with urllib.request.urlopen(self._api + path, timeout=START_S) as answer:
            return list(json.load(answer)["data"] or ())


@contextmanager
def jaeger(folder: Path) -> Iterator[Jaeger]:
    """Jaeger as deploy/jaeger.yaml sets it up."""
    binary, first = program("COMITIA_TEST_JAEGER", "jaeger"), free_ports(4)
    places = {
        "0.0.0.0:4318": f"127.0.0.1:{first}",
        "0.0.0.0:16686": f"127.0.0.1:{first + 1}",
        "127.0.0.1:16685": f"127.0.0.1:{first + 2}",
        "host: 0.0.0.0, port: 8888": f"host: 127.0.0.1, port: {first + 3}",
    }
    command = [binary, f"--config={moved('jaeger.yaml', folder, places)}"]
    with running(command, folder / "jaeger.log", f"http://127.0.0.1:{first + 1}/api/services"):
        yield Jaeger(first, first + 1)


@contextmanager
def collector(folder: Path, backend: str) -> Iterator[str]:
    """The collector as deploy/otel-collector.yaml sets it up, before `backend`: its endpoint."""
    binary = program("COMITIA_TEST_OTELCOL", "otelcol", "otelcol-contrib")
    first = free_ports(3)
    places = {
        "0.0.0.0:4318": f"127.0.0.1:{first}",
        "0.0.0.0:8889": f"127.0.0.1:{first + 1}",
        "host: 0.0.0.0, port: 8888": f"host: 127.0.0.1, port: {first + 2}",
        "http://jaeger:4318": backend,
    }
    command = [binary, f"--config={moved('otel-collector.yaml', folder, places)}"]
    with running(command, folder / "collector.log", f"http://127.0.0.1:{first}/"):
        yield f"http://127.0.0.1:{first}"
