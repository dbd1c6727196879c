"""The supervisor on dummy services: started, restarted, given up, stopped, and gone when it is
killed itself.
"""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import psutil

from comitia_cli.system.service import ServiceSpec
from comitia_cli.system.supervisor import Patience, ServiceState, Supervisor

QUICK = Patience(backoff_s=0.01, backoff_s_max=0.05, grace_s=5.0, poll_s=0.02, poll_ready_s=0.05)

READY = textwrap.dedent(
    """
    import http.server, os
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"ok")
        def log_message(self, *args): pass
    port = int(os.environ["COMITIA_HTTP_PORT"])
    http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
    """
)


def dummy(name: str, code: str) -> ServiceSpec:
    return ServiceSpec(name, (sys.executable, "-c", code))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - the states are plain values
            await asyncio.sleep(0.01)


async def test_services_become_ready_and_all_end_when_told_to_stop(tmp_path: Path) -> None:
    supervisor = Supervisor([dummy("a", READY), dummy("b", READY)], tmp_path, QUICK)
    stop = asyncio.Event()
    running = asyncio.create_task(supervisor.run(stop))
    async with asyncio.timeout(20):
        await supervisor.ready.wait()
    pids = [state.pid for state in supervisor.states]
    assert all(psutil.pid_exists(pid) for pid in pids)
    assert all(state.rss_bytes > 0 for state in supervisor.states)
    stop.set()
    await running
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert [state.phase for state in supervisor.states] == ["stopped", "stopped"]


async def test_a_killed_service_comes_back_and_the_other_is_left_alone(tmp_path: Path) -> None:
    supervisor = Supervisor([dummy("a", READY), dummy("b", READY)], tmp_path, QUICK)
    stop = asyncio.Event()
    running = asyncio.create_task(supervisor.run(stop))
    async with asyncio.timeout(20):
        await supervisor.ready.wait()
    killed, other = (state.pid for state in supervisor.states)
    os.kill(killed, signal.SIGKILL)
    first: ServiceState = supervisor.states[0]
    await until(lambda: first.restarts == 1 and first.phase == "ready")
    assert first.pid != killed
    assert supervisor.states[1].pid == other
    stop.set()
    await running


async def test_a_dying_service_is_started_again_a_few_times_and_its_last_words_are_kept(
    tmp_path: Path,
) -> None:
    code = "import sys; sys.exit('no luck')"
    supervisor = Supervisor([dummy("a", code)], tmp_path, QUICK)
    stop = asyncio.Event()
    running = asyncio.create_task(supervisor.run(stop))
    state = supervisor.states[0]
    await until(lambda: state.restarts == 3)
    assert not supervisor.failed.is_set()
    await until(lambda: state.phase == "failed")
    assert (state.restarts, state.why) == (QUICK.restarts_max, "exit status 1: no luck")
    assert not supervisor.ready.is_set()
    stop.set()
    await running


async def test_a_wrong_setting_is_not_tried_again(tmp_path: Path) -> None:
    code = "import sys; sys.stderr.write('2026-01-31 12:00:00,000 a ERROR no luck'); sys.exit(2)"
    supervisor = Supervisor([dummy("a", code)], tmp_path, QUICK)
    stop = asyncio.Event()
    running = asyncio.create_task(supervisor.run(stop))
    async with asyncio.timeout(20):
        await supervisor.failed.wait()
    assert (supervisor.states[0].phase, supervisor.states[0].restarts) == ("failed", 0)
    # Time, service and level are for the log; the table shows what was said.
    assert supervisor.states[0].why == "no luck"
    stop.set()
    await running


async def test_a_service_that_ignores_sigterm_is_killed_after_the_grace(tmp_path: Path) -> None:
    code = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + READY
    patience = Patience(grace_s=0.2, poll_s=0.02)
    supervisor = Supervisor([dummy("a", code)], tmp_path, patience)
    stop = asyncio.Event()
    running = asyncio.create_task(supervisor.run(stop))
    async with asyncio.timeout(20):
        await supervisor.ready.wait()
    pid = supervisor.states[0].pid
    stop.set()
    await running
    assert not psutil.pid_exists(pid)


async def test_a_program_that_does_not_exist_is_named(tmp_path: Path) -> None:
    supervisor = Supervisor([ServiceSpec("a", ("comitia-no-such",))], tmp_path, QUICK)
    stop = asyncio.Event()
    running = asyncio.create_task(supervisor.run(stop))
    state = supervisor.states[0]
    await until(lambda: state.phase == "waiting")
    assert "cannot start comitia-no-such" in state.why
    stop.set()
    await running


def test_services_do_not_outlive_a_killed_supervisor(tmp_path: Path) -> None:
    script = textwrap.dedent(
        f"""
        import asyncio, pathlib, sys
        from comitia_cli.system.service import ServiceSpec
        from comitia_cli.system.supervisor import Supervisor
        async def main():
            spec = ServiceSpec("a", (sys.executable, "-c", {READY!r}))
            supervisor = Supervisor([spec], pathlib.Path({str(tmp_path)!r}))
            asyncio.create_task(supervisor.run(asyncio.Event()))
            await supervisor.ready.wait()
            print(supervisor.states[0].pid, flush=True)
            await asyncio.Event().wait()
        asyncio.run(main())
        """
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
    ) as supervisor:
        assert supervisor.stdout is not None
        service = psutil.Process(int(supervisor.stdout.readline()))
        supervisor.kill()
    psutil.wait_procs([service], timeout=20)
    assert not service.is_running() or service.status() == psutil.STATUS_ZOMBIE
