"""A model that tells of its calls: spans `chat` and `embeddings`, tokens and durations, around
another model.

In and out go what the model's port says; nothing else changes. Without a tracer only the metrics
are kept.
"""

from collections.abc import AsyncIterator, Sequence

from comitia.ports import (
    Attention,
    Clock,
    Embeddings,
    Generation,
    Model,
    Piece,
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

    @property
    def capacity(self) -> int:
        return self._model.capacity

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
            self._asked(span, sampling)
            made = await self._model.generate(prompt, sampling)
            self._made(span, prompt, made)
            self._tell(span, Operation.CHAT, made.usage, begun_ms)
        return made

    async def stream(self, prompt: Prompt, sampling: Sampling) -> AsyncIterator[Piece]:
        begun_ms = self._clock.monotonic_ms()
        with call_model(self._telemetry.tracer, self.name) as span:
            self._asked(span, sampling)
            async for piece in self._model.stream(prompt, sampling):
                if piece.result is not None:
                    self._made(span, prompt, piece.result)
                    self._tell(span, Operation.CHAT, piece.result.usage, begun_ms)
                yield piece

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        begun_ms = self._clock.monotonic_ms()
        with call_model(self._telemetry.tracer, self.name, Operation.EMBEDDINGS) as span:
            found = await self._model.embed(texts)
            self._tell(span, Operation.EMBEDDINGS, found.usage, begun_ms)
        return found

    async def attend(self, prompt: Prompt) -> Attention:
        begun_ms = self._clock.monotonic_ms()
        with call_model(self._telemetry.tracer, self.name) as span:
            found = await self._model.attend(prompt)
            self._tell(span, Operation.CHAT, found.usage, begun_ms)
        return found

    def watch(self, watch: Watch) -> None:
        self._model.watch(watch)

    async def ended(self) -> None:
        await self._model.ended()

    async def close(self) -> None:
        await self._model.close()

    @staticmethod
    def _asked(span: ModelSpan, sampling: Sampling) -> None:
        span.set(Attribute.GEN_AI_REQUEST_MAX_TOKENS, sampling.tokens_max)
        span.set(Attribute.GEN_AI_REQUEST_TEMPERATURE, sampling.temperature)

    @staticmethod
    def _made(span: ModelSpan, prompt: Prompt, made: Generation) -> None:
        span.set(Attribute.GEN_AI_RESPONSE_FINISH_REASONS, [made.finish])
        span.said(prompt.prefix + prompt.text, made.text, made.finish)

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
