"""What the engine of a model tells the metrics: the batches that it runs, and how fast it writes.

In come its words, from its own thread; out go histograms. Implements ports.Watch.
"""

from comitia.telemetry.metrics import MODEL_BATCH, TIME_PER_OUTPUT_TOKEN, TIME_TO_FIRST_TOKEN
from comitia.telemetry.names import PROVIDER, Attribute, Operation
from comitia.telemetry.setup import Telemetry


class EngineMeasures:
    """Of the model named `model`."""

    def __init__(self, telemetry: Telemetry, model: str) -> None:
        whose: dict[str, str] = {
            Attribute.GEN_AI_OPERATION_NAME: Operation.CHAT.value,
            Attribute.GEN_AI_PROVIDER_NAME: PROVIDER,
            Attribute.GEN_AI_REQUEST_MODEL: model,
        }
        self._batches = telemetry.buckets(MODEL_BATCH, {Attribute.GEN_AI_REQUEST_MODEL: model})
        self._first = telemetry.buckets(TIME_TO_FIRST_TOKEN, whose)
        self._each = telemetry.buckets(TIME_PER_OUTPUT_TOKEN, whose)

    def ran(self, sequences: int) -> None:
        self._batches.record(sequences)

    def wrote(self, first_s: float, rest_s: float, rest_tokens: int) -> None:
        self._first.record(first_s)
        if rest_tokens:
            self._each.record(rest_s / rest_tokens)
