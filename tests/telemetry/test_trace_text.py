"""The trace context of a record is read as the propagator of OpenTelemetry reads it, whichever way
is taken.
"""

import pytest
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from comitia.telemetry.context import context_of, remote_in

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TEXTS = {
    "sampled": PARENT,
    "unsampled": PARENT[:-1] + "0",
    "other flags": PARENT[:-1] + "3",
    "a later version": "01" + PARENT[2:],
    "no trace": PARENT.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32),
    "no span": PARENT.replace("b7ad6b7169203331", "0" * 16),
    "capitals": PARENT.upper(),
    "cut short": PARENT[:-1],
    "something behind": PARENT + "-1",
    "no number": PARENT.replace("0af7", "0_f7"),
    "nothing": "",
}


@pytest.mark.parametrize("state", ["", "vendor=1"])
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_it_is_read_as_the_propagator_reads_it(text: str, state: str) -> None:
    carried = {"traceparent": text, "tracestate": state}
    wanted = remote_in(TraceContextTextMapPropagator().extract(carried, context=Context()))
    found = remote_in(context_of(text, state))
    assert found == wanted
    if found is not None and wanted is not None:
        assert found.is_remote
        assert found.trace_state == wanted.trace_state
