"""A service as a process: exit codes, signals, drain, HTTP, a broker that is away at the start."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

# A service on LocalLog; its mode says what goes wrong.
SCRIPT = """
import asyncio, sys
from comitia.config import ServiceSettings
from comitia.errors import ConfigError, Overloaded, Retryable
from comitia.runtime.service import Service, run_service
from comitia.testing import LocalLog

mode = sys.argv[1]
tries = 0

async def open_log(settings, client_id):
    global tries
    tries += 1
    if mode == "away" or (mode == "late" and tries < 4):
        raise Retryable("no broker answers at 127.0.0.1:9")
    return LocalLog()

async def compose(service: Service[ServiceSettings]) -> None:
    if mode == "config":
        raise ConfigError("COMITIA_MODELS_DIR: no such folder: /nowhere")
    await service.ensure_topics(["tasks", "panel-events", "decisions"])
    service.heartbeats()

    async def loop() -> None:
        if mode == "bug":
            raise ValueError("a bug")
        if mode == "storm":
            raise Overloaded("too many dead letters: raise COMITIA_DEAD_LETTERS_PER_MINUTE_MAX")
        if mode == "gone":
            raise Retryable("The engine of model 'tiny' has ended: out of luck")
        await service.runtime.stop.wait()
        if mode == "stuck":
            await asyncio.Event().wait()

    async def close() -> None:
        print("closed", flush=True)

    service.on_close(close)
    service.start(loop(), "the loop")

sys.exit(run_service("test", ServiceSettings, compose, open_log))
"""


@contextmanager
def service(mode: str, **environ: str) -> Iterator[subprocess.Popen[str]]:
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("COMITIA_", "OTEL_"))}
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), mode],
        env=variables
        | {"COMITIA_BOOTSTRAP": "127.0.0.1:9", "COMITIA_LOG_FORMAT": "text"}
        | environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def line_with(process: subprocess.Popen[str], text: str) -> str:
    """Read its log up to the first line with `text`."""
    assert process.stderr is not None
    for line in process.stderr:
        if text in line:
            return line
    raise AssertionError(f"it ended without saying {text!r}")


def get(line: str, path: str) -> tuple[int, str]:
    """A page of the service that logged its address in `line`."""
    base = line.split("http://")[1].split("/")[0]
    try:
        with urllib.request.urlopen(f"http://{base}{path}", timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_it_gets_ready_answers_and_drains_on_sigterm() -> None:
    with service("fine") as process:
        address = line_with(process, "http://")
        line_with(process, "start: ready")
        assert get(address, "/healthz") == (200, "ok\n")
        assert get(address, "/readyz") == (200, "ready\n")
        status, metrics = get(address, "/metrics")
        assert status == 200
        assert 'service_name="comitia-test"' in metrics
        process.send_signal(signal.SIGTERM)
        out, log = process.communicate(timeout=30)
        assert process.returncode == 0
        assert out == "closed\n"
        assert "SIGTERM: draining, for at most 10000 ms" in log


def test_a_broker_away_is_waited_for_with_one_line() -> None:
    with service("away") as process:
        address = line_with(process, "http://")
        line = line_with(process, "not ready: broker")
        assert "no broker answers at 127.0.0.1:9" in line
        status, text = get(address, "/readyz")
        assert status == 503
        assert "broker: no broker answers at 127.0.0.1:9" in text
        assert get(address, "/healthz")[0] == 200
        process.send_signal(signal.SIGINT)
        _, log = process.communicate(timeout=30)
        assert process.returncode == 0
        assert "broker" not in log


def test_a_broker_that_comes_back_ends_the_waiting() -> None:
    with service("late") as process:
        line_with(process, "not ready: broker")
        line_with(process, "broker: ")
        line_with(process, "start: ready")


def test_a_setting_that_cannot_be_used_ends_with_2_and_one_line() -> None:
    with service("config") as process:
        _, log = process.communicate(timeout=30)
        assert process.returncode == 2
        assert log.strip().splitlines()[-1].endswith("COMITIA_MODELS_DIR: no such folder: /nowhere")
        assert "Traceback" not in log


@pytest.mark.parametrize(
    ("variable", "value"), [("COMITIA_BOOTSTRAP", ""), ("COMITIA_GRACE_MS", "soon")]
)
def test_a_wrong_variable_is_named(variable: str, value: str) -> None:
    with service("fine", **{variable: value}) as process:
        _, log = process.communicate(timeout=30)
        assert process.returncode == 2
        (line,) = log.strip().splitlines()
        assert variable in line


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with service("fine", COMITIA_HTTP_PORT=str(port)) as process:
            _, log = process.communicate(timeout=30)
            assert process.returncode == 2
            assert f"COMITIA_HTTP_PORT: cannot listen on 127.0.0.1:{port}" in log


def test_what_outlasts_the_grace_period_is_cut_off() -> None:
    with service("stuck", COMITIA_GRACE_MS="50") as process:
        line_with(process, "start: ready")
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=30)
        assert process.returncode == 0
        assert "the loop did not finish within the grace period" in log


def test_a_second_signal_ends_at_once() -> None:
    with service("stuck", COMITIA_GRACE_MS="600000") as process:
        line_with(process, "start: ready")
        process.send_signal(signal.SIGTERM)
        line_with(process, "draining")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        assert process.returncode == 128 + signal.SIGTERM


def test_a_loop_that_dies_ends_the_service_with_1_and_tells_why() -> None:
    with service("bug") as process:
        _, log = process.communicate(timeout=30)
        assert process.returncode == 1
        assert "ValueError: a bug" in log


@pytest.mark.parametrize(
    ("mode", "told"), [("storm", "too many dead letters"), ("gone", "has ended: out of luck")]
)
def test_what_a_new_start_may_mend_ends_with_1_and_one_line(mode: str, told: str) -> None:
    with service(mode) as process:
        _, log = process.communicate(timeout=30)
        assert process.returncode == 1
        (line,) = (line for line in log.splitlines() if " ERROR " in line)
        assert told in line
        assert "Traceback" not in log
