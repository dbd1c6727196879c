"""An OTLP endpoint that keeps nothing: what tracing costs should not hold what a backend costs.

`python -m bench.otlp_sink PORT` answers every POST as a collector does. GET tells what came so far:
`{"requests": n, "bytes": n}`.
"""

import sys

from aiohttp import web

from comitia.broker import HOST

# Of one export; the exporter sends 512 spans at most at a time.
_BODY_MAX = 64 * 1024 * 1024
_PROTOBUF = "application/x-protobuf"


def application() -> web.Application:
    came = {"requests": 0, "bytes": 0}

    async def export(request: web.Request) -> web.Response:
        came["bytes"] += len(await request.read())
        came["requests"] += 1
        return web.Response(content_type=_PROTOBUF)

    async def tell(_: web.Request) -> web.Response:
        return web.json_response(came)

    made = web.Application(client_max_size=_BODY_MAX)
    made.router.add_post("/v1/traces", export)
    made.router.add_get("/", tell)
    return made


if __name__ == "__main__":
    web.run_app(application(), host=HOST, port=int(sys.argv[1]), access_log=None, print=None)
