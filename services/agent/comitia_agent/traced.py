"""A model that tells of its calls: spans `chat` and `embeddings`, tokens and durations, around
another model.

In and out go what the model's port says; nothing else changes. Without a tracer only the metrics
are kept.
"""

from collections.abc import Sequence

from comitia.ports import (
    Clock,
    Embeddings,
    Generation,
    Model,
    Prompt,
    Sampling,
    Scores,
    Usage,
    Watch,
)
from comitia.telemetry.metrics import OPERATION_DURATION, TOKEN_USAGE
from comitia.telemetry.model_spans import ModelSpan, call_model
from comitia.telemetry.names import PROVIDER, Attribute, Operation
from comitia.telemetry.setup import Telemetry


class TracedModel:
    """Implements ports.Model by `model`."""

    def __init__(self, model: Model, telemetry: Telemetry, clock: Clock) -> None:
        self.name = model.name
        self.digest = model.digest
        self._model = model
        self._telemetry = telemetry
        self._clock = clock

    def render(self, messages: Sequence[tuple[str, str]], *, open_turn: bool = True) -> str:
        return self._model.render(messages, open_turn=open_turn)

    async def score(self, prompt: Prompt, options: Sequence[str]) -> Scores:
        begun_ms = self._clock.monotonic_ms()
        with call_model(self._telemetry.tracer, self.name) as span:
            scores = await self._model.score(prompt, options)
            likely = max(zip(scores.log_likelihoods, options, strict=True))[1]
            span.said(prompt.prefix + prompt.text, likely, "stop")
            self._tell(span, Operation.CHAT, scores.usage, begun_ms)
        return scores

    async def generate(self, prompt: Prompt, sampling: Sampling) -> Generation:
        begun_ms = self._clock.monotonic_ms()
        with call_model(self._telemetry.tracer, self.name) as span:
            span.set(Attribute.GEN_AI_REQUEST_MAX_TOKENS, sampling.tokens_max)
            span.set(Attribute.GEN_AI_REQUEST_TEMPERATURE, sampling.temperature)
            made = await self._model.generate(prompt, sampling)
            span.set(Attribute.GEN_AI_RESPONSE_FINISH_REASONS, [made.finish])
            span.said(prompt.prefix + prompt.text, made.text, made.finish)
            self._tell(span, Operation.CHAT, made.usage, begun_ms)
        return made

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        begun_ms = self._clock.monotonic_ms()
        with call_model(self._telemetry.tracer, self.name, Operation.EMBEDDINGS) as span:
            found = await self._model.embed(texts)
            self._tell(span, Operation.EMBEDDINGS, found.usage, begun_ms)
        return found

    def watch(self, watch: Watch) -> None:
        self._model.watch(watch)

    async def close(self) -> None:
        await self._model.close()

    def _tell(self, span: ModelSpan, operation: Operation, usage: Usage, begun_ms: float) -> None:
        span.usage(usage)
        span.set(Attribute.COMITIA_MODEL_DIGEST, self.digest)
        whose: dict[str, str] = {
            Attribute.GEN_AI_OPERATION_NAME: operation.value,
            Attribute.GEN_AI_PROVIDER_NAME: PROVIDER,
            Attribute.GEN_AI_REQUEST_MODEL: self.name,
        }
        seconds = (self._clock.monotonic_ms() - begun_ms) / 1000
        self._telemetry.record(OPERATION_DURATION, seconds, whose)
        for kind, tokens in (("input", usage.prompt_tokens), ("output", usage.completion_tokens)):
            attributes = {**whose, Attribute.GEN_AI_TOKEN_TYPE.value: kind}
            self._telemetry.record(TOKEN_USAGE, tokens, attributes)
