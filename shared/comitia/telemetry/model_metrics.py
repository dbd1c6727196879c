"""The part of the catalogue of metrics that tells of a model's engine; see metrics.py."""

from comitia.telemetry.metric import Label, Metric
from comitia.telemetry.names import Attribute

_MODEL: tuple[Label, ...] = ((Attribute.GEN_AI_REQUEST_MODEL, "name of a model's card"),)
_TENTHS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)

MODEL_BATCH = Metric(
    "comitia.model.batch.size", "histogram", "{sequence}", "agent",
    "Sequences that one step of the engine runs together: of a decoder, texts being read, weighed "
    "or written; texts of an encoder.",
    _MODEL, (1, 2, 4, 8, 16, 32, 64, 128, 256),
)  # fmt: skip
MODEL_BATCH_TOKENS = Metric(
    "comitia.model.batch.tokens", "histogram", "{token}", "agent",
    "Tokens that one step of the engine runs: of prompts and options (input), and of texts being "
    "written (output). Steps without any of a kind are left out of it.",
    (*_MODEL, (Attribute.GEN_AI_TOKEN_TYPE, "input, output")),
    (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048),
)  # fmt: skip
MODEL_STEP_DURATION = Metric(
    "comitia.model.step.duration", "histogram", "s", "agent",
    "One step of the engine. The rate of its sum is the share of time in which the engine works.",
    _MODEL, (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)  # fmt: skip
MODEL_OCCUPANCY = Metric(
    "comitia.model.occupancy", "histogram", "1", "agent",
    "Share of what the engine has that is taken in a step: of the sequences that it works on "
    "together, and of the tokens that its cache may hold (decoders), kept prefixes included.",
    (*_MODEL, (Attribute.COMITIA_RESOURCE, "sequences, cache")), _TENTHS,
)  # fmt: skip
PROMPT_TOKENS = Metric(
    "comitia.model.prompt.tokens", "counter", "{token}", "agent",
    "Tokens of prompts that a decoder began with, by where they came from: cache, the part that an "
    "earlier prompt began with alike; read, the rest.",
    (*_MODEL, (Attribute.COMITIA_SOURCE, "cache, read")),
)  # fmt: skip
