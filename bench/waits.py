"""How long an aggregator waits for the broker on the way of its decisions.

`python -m bench.waits FILE` runs the aggregator in this process with a stopwatch around every
request that its decisions need: adding the partition to the transaction, producing, ending the
transaction. On SIGUSR1 counting begins anew; at the end FILE gets, as JSON, per kind of request how
many there were, how many had to be repeated (the broker was still ending the transaction before),
and the milliseconds that they took with the pauses between. The service knows nothing of it.
"""

import json
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import FrameType
from typing import Any

from aiokafka.producer import sender

from comitia_aggregator.main import main as aggregator

KINDS = {
    "_AddPartitions": "add partitions",
    "AddPartitionsToTxnHandler": "add partitions",
    "SendProduceReqHandler": "produce",
    "EndTxnHandler": "end transaction",
}
Do = Callable[[Any, int], Awaitable[Any]]
Waits = dict[str, dict[str, float]]


def fresh() -> Waits:
    return {kind: {"count": 0, "again": 0, "ms": 0.0} for kind in KINDS.values()}


def watch(waits: Waits) -> None:
    """Put the stopwatch around the handlers of aiokafka's sender."""

    def watched(do: Do) -> Do:
        async def timed(handler: Any, node: int) -> Any:
            began = time.perf_counter()
            # A handler of produce requests says nothing, the others whether they succeeded.
            again = await do(handler, node) is False
            kind = KINDS.get(type(handler).__name__)
            if kind is not None and _of_decisions(handler):
                waits[kind]["ms"] += 1000 * (time.perf_counter() - began)
                waits[kind]["again" if again else "count"] += 1
            return not again

        return timed

    for handler in (sender.BaseHandler, sender.SendProduceReqHandler):
        handler.do = watched(handler.do)


def _of_decisions(handler: Any) -> bool:
    """Not a heartbeat or anything else that the process writes."""
    batches = getattr(handler, "_batches", None)
    return batches is None or any("decisions" in tp.topic for tp in batches)


def main() -> None:
    waits = fresh()

    def anew(_: int, __: FrameType | None) -> None:
        for kind, none in fresh().items():
            waits[kind].update(none)

    watch(waits)
    signal.signal(signal.SIGUSR1, anew)
    try:
        aggregator()
    finally:
        Path(sys.argv[1]).write_text(json.dumps(waits))


if __name__ == "__main__":
    main()
