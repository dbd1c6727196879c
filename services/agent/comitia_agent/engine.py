"""What the engine of a model tells the metrics: the batches that it runs, what of it is taken, and
how fast it reads and writes.

In come its words, from its own thread; out go histograms and counts that no other thread touches.
Implements ports.Watch.
"""

from comitia.ports import Step
from comitia.telemetry.metrics import TIME_PER_OUTPUT_TOKEN, TIME_TO_FIRST_TOKEN
from comitia.telemetry.model_metrics import (
    MODEL_BATCH,
    MODEL_BATCH_TOKENS,
    MODEL_OCCUPANCY,
    MODEL_STEP_DURATION,
    PROMPT_TOKENS,
)
from comitia.telemetry.names import PROVIDER, Attribute, Operation
from comitia.telemetry.setup import Telemetry


class EngineMeasures:
    """Of the model named `model`."""

    def __init__(self, telemetry: Telemetry, model: str) -> None:
        of_model: dict[str, str] = {Attribute.GEN_AI_REQUEST_MODEL: model}
        whose: dict[str, str] = {
            Attribute.GEN_AI_OPERATION_NAME: Operation.CHAT.value,
            Attribute.GEN_AI_PROVIDER_NAME: PROVIDER,
            **of_model,
        }
        kind, resource = Attribute.GEN_AI_TOKEN_TYPE, Attribute.COMITIA_RESOURCE
        buckets = telemetry.buckets
        self._telemetry = telemetry
        self._batches = buckets(MODEL_BATCH, of_model)
        self._read = buckets(MODEL_BATCH_TOKENS, {**of_model, kind: "input"})
        self._written = buckets(MODEL_BATCH_TOKENS, {**of_model, kind: "output"})
        self._steps = buckets(MODEL_STEP_DURATION, of_model)
        self._sequences = buckets(MODEL_OCCUPANCY, {**of_model, resource: "sequences"})
        self._cache = buckets(MODEL_OCCUPANCY, {**of_model, resource: "cache"})
        self._cached = {**of_model, Attribute.COMITIA_SOURCE: "cache"}
        self._fresh = {**of_model, Attribute.COMITIA_SOURCE: "read"}
        self._first = buckets(TIME_TO_FIRST_TOKEN, whose)
        self._each = buckets(TIME_PER_OUTPUT_TOKEN, whose)

    def ran(self, step: Step) -> None:
        self._batches.record(step.sequences)
        self._steps.record(step.seconds)
        self._sequences.record(step.sequences / step.sequences_max)
        if step.read_tokens:
            self._read.record(step.read_tokens)
        if step.written_tokens:
            self._written.record(step.written_tokens)
        if step.cache_tokens_max:
            self._cache.record(step.cache_tokens / step.cache_tokens_max)

    def read(self, prompt_tokens: int, cached_tokens: int) -> None:
        self._telemetry.add(PROMPT_TOKENS, cached_tokens, self._cached)
        self._telemetry.add(PROMPT_TOKENS, prompt_tokens - cached_tokens, self._fresh)

    def wrote(self, first_s: float, rest_s: float, rest_tokens: int) -> None:
        self._first.record(first_s)
        if rest_tokens:
            self._each.record(rest_s / rest_tokens)
