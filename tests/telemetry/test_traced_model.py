"""A model that tells of its calls: each verb is one span and one operation, whatever it says."""

import pytest

from comitia.errors import Retryable
from comitia.ports import Model, Prompt, Sampling
from comitia.telemetry.metrics import READY
from comitia.telemetry.model_spans import invoke_agent
from comitia.telemetry.setup import setup
from comitia.testing import ManualClock, ScriptedModel
from comitia_agent.traced import TracedModel
from tests.telemetry.tracing import PARENT, attributes, traced
from tests.unit.measured import scrape

PROMPT = Prompt("say ", "it")


async def test_a_text_in_pieces_is_one_call_as_a_whole_one_is() -> None:
    telemetry = setup("agent", "i", {})
    telemetry.observe(READY, lambda: [(1, {})])
    exporter = traced(telemetry)
    scripted = ScriptedModel(texts=["one two three"], heads=(2, 3), capacity=5)
    model: Model = TracedModel(scripted, telemetry, ManualClock())
    assert model.capacity == 5
    with invoke_agent(telemetry.tracer, ("anna", "1"), "scripted", PARENT):
        whole = await model.generate(PROMPT, Sampling(2, temperature=0.5))
        pieces = [piece.text async for piece in model.stream(PROMPT, Sampling(2, temperature=0.5))]
        attention = await model.attend(PROMPT)
    assert "".join(pieces) == whole.text == "one two"
    assert attention.probabilities.shape == (2, 3, 2)
    generated, streamed, attended, _ = exporter.get_finished_spans()
    assert attributes(generated) == attributes(streamed)
    assert attributes(streamed)["gen_ai.request.temperature"] == 0.5
    assert attributes(streamed)["gen_ai.response.finish_reasons"] == ("length",)
    assert attributes(attended)["gen_ai.usage.output_tokens"] == 0
    found = scrape(telemetry)
    (calls,) = found["gen_ai_client_operation_duration_seconds_count"].values()
    assert calls == 3
    written = [n for name, n in found["gen_ai_client_token_usage_sum"].items() if "output" in name]
    assert written == [4]


async def test_it_ends_as_its_model_ends() -> None:
    scripted = ScriptedModel()
    model = TracedModel(scripted, setup("agent", "i", {}), ManualClock())
    scripted.fail("out of luck")
    with pytest.raises(Retryable, match="out of luck"):
        await model.ended()
