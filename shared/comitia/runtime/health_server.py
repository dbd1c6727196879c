"""The HTTP side of a service: /healthz, /readyz and /metrics.

/healthz answers from the event loop, so that it stops answering when that is stuck; it never asks
Kafka. /readyz says whether the process may be given work, else (503) what it waits for.
"""

from aiohttp import web

from comitia.errors import ConfigError
from comitia.runtime.health import Health
from comitia.telemetry.metrics import READY
from comitia.telemetry.setup import Telemetry


async def serve(health: Health, telemetry: Telemetry, host: str, port: int) -> web.AppRunner:
    """Listen; call `cleanup` of what is returned to end. ConfigError when the port is taken."""

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        if health.ready:
            return web.Response(text="ready\n")
        return web.Response(status=503, text="\n".join(health.reasons()) + "\n")

    async def metrics(_: web.Request) -> web.Response:
        body = telemetry.exposition()
        return web.Response(body=body, headers={"Content-Type": "text/plain; version=0.0.4"})

    telemetry.observe(READY, lambda: [(float(health.ready), {})])
    application = web.Application()
    application.router.add_get("/healthz", healthz)
    application.router.add_get("/readyz", readyz)
    application.router.add_get("/metrics", metrics)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        raise ConfigError(
            f"COMITIA_HTTP_PORT: cannot listen on {host}:{port} ({error.strerror or error});"
            " choose another port, or 0 for a free one"
        ) from error
    return runner


def port_of(runner: web.AppRunner) -> int:
    """The port that is really listened on."""
    return int(runner.addresses[0][1])
