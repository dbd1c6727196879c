"""The check that a graph answers as its weights do, made before a build is kept.

Three oracles, each where it is at hand: a plain forward pass over the same weights (always); the
stored answers of the card; the model itself in transformers, where its environment exists. A graph
that rounds its activations is compared through its twin with the first, and as it is with the
others. What differs is refused with a ConfigError.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from onnx import TensorProto
from tokenizers import Tokenizer

from comitia.errors import ConfigError
from comitia.inference.cards import Form
from comitia.inference.export.adapters import Adapted, Adapter
from comitia.inference.export.answers import Answer
from comitia.inference.export.formed import Formed
from comitia.inference.export.graph import MODEL
from comitia.inference.export.reference import decoder_logits, encoder_states
from comitia.inference.export.running import DecoderRun, Texts, encoder_run
from comitia.inference.export.safetensors import Safetensors, read_config
from comitia.inference.export.shape import Floats
from comitia.inference.export.twin import write_twin

TEXTS = (
    "The committee met at noon; every member wrote down one name, and the ballots were counted.",
    "Die Brücke über den Fluss ist gesperrt. for i in range(10): print(i)",
)
_TOKENS_MAX = 20
_TWIN = "twin.onnx"


class Tolerance(NamedTuple):
    """Largest distances, as `distance` measures them: of the twin from the plain pass over what the
    graph holds, and of the graph from the exact answers. Several times what SmolLM2-135M shows:
    twins 8e-5 (fp16 4e-4, bf16 5e-3: their tables of positions are rounded too); graphs 6e-6, fp16
    .006, bf16 .014, int8 .16, native .09. A wrong graph shows about 1.
    """

    twin: float
    graph: float


TOLERANCES: dict[Form, Tolerance] = {
    "fp32": Tolerance(1e-4, 1e-4),
    "fp16": Tolerance(5e-3, 0.05),
    "bf16": Tolerance(5e-2, 0.15),
    "int8": Tolerance(1e-3, 0.4),
    "native": Tolerance(1e-3, 0.4),
}


def distance(found: Floats, exact: Floats) -> float:
    """Size of the difference over the size of what varies, root mean squares; infinite where a
    value found is no number.
    """
    if not np.isfinite(found).all():
        return float("inf")
    spread = exact - exact.mean(-1, keepdims=True)
    return float(np.linalg.norm(found - exact) / max(float(np.linalg.norm(spread)), 1e-12))


def texts_of(folder: Path, context_tokens: int) -> list[list[int]]:
    """The texts of the check in the tokens of the build in `folder`, at least two each."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    longest = min(_TOKENS_MAX, context_tokens)
    return [tokenizer.encode(text, add_special_tokens=False).ids[:longest] for text in TEXTS]


def check_decoder(folder: Path, weights: Formed, texts: Texts, known: Sequence[Answer]) -> None:
    """Raise ConfigError unless the graph in `folder` answers `texts` as its weights do, and `known`
    within what its form rounds.
    """
    twin_file = folder / _TWIN
    model = folder / MODEL
    tolerance = TOLERANCES[weights.form]
    exact = np.concatenate(decoder_logits(weights, texts))
    every = [range(len(text)) for text in texts]
    longest = max(map(len, [*texts, *(answer.tokens for answer in known)]))
    rows = len(texts)
    try:
        twin = model if weights.form == "fp32" else write_twin(folder, twin_file)
        run = DecoderRun(twin, weights.shape, rows, longest, np.float32)
        _refuse(
            "a plain forward pass over its weights",
            distance(np.concatenate(run.logits(texts, every)), exact),
            tolerance.twin,
        )
        if weights.form != "fp32" and _runs_on_cpu(weights):
            run = DecoderRun(model, weights.shape, rows, longest, _numbers(weights))
            _refuse(
                "a plain forward pass over its weights, beyond what its form rounds",
                distance(np.concatenate(run.logits(texts, every)), exact),
                tolerance.graph,
            )
        for number, answer in enumerate(known, 1):
            _compare(run, answer, f"known answer {number}", weights.form)
    finally:
        for file in folder.glob(f"{twin_file.name}*"):
            file.unlink()


def check_adapter(folder: Path, parts: tuple[Formed, Adapter], number: int, texts: Texts) -> None:
    """Raise ConfigError unless the graph in `folder` answers with adapter `number` as the weights
    do that it is merged into.
    """
    weights, adapter = parts
    exact = np.concatenate(decoder_logits(Adapted(weights, adapter), texts))
    twin_file = folder / _TWIN
    try:
        twin = folder / MODEL if weights.form == "fp32" else write_twin(folder, twin_file)
        run = DecoderRun(twin, weights.shape, len(texts), max(map(len, texts)), np.float32)
        found = run.logits(texts, [range(len(text)) for text in texts], number)
    finally:
        for file in folder.glob(f"{twin_file.name}*"):
            file.unlink()
    apart = distance(np.concatenate(found), exact)
    _refuse("its weights with the adapter merged in", apart, TOLERANCES[weights.form].twin)


def check_encoder(folder: Path, source: Path, texts: Texts, known: Sequence[Answer]) -> None:
    """The same for an encoder, whose graph has floats of 32 bits."""
    tensors, config = Safetensors(source), read_config(source)
    tolerance = TOLERANCES["fp32"].graph
    found = encoder_run(folder / MODEL, texts)
    exact = [encoder_states(tensors, config, text) for text in texts]
    apart = distance(np.concatenate(found), np.concatenate(exact))
    _refuse("a plain forward pass over its weights", apart, tolerance)
    if known:
        for number, (states, answer) in enumerate(
            zip(encoder_run(folder / MODEL, [a.tokens for a in known]), known, strict=True), 1
        ):
            picked = states[np.ix_(answer.places, answer.columns)]
            _refuse(f"known answer {number}", distance(picked, answer.exact()), tolerance)


def _runs_on_cpu(weights: Formed) -> bool:
    """ONNX Runtime has no kernels for bfloat16 on a CPU."""
    return weights.floats != TensorProto.BFLOAT16


def _numbers(weights: Formed) -> Any:
    return np.float16 if weights.floats == TensorProto.FLOAT16 else np.float32


def _compare(run: DecoderRun, answer: Answer, what: str, form: Form) -> None:
    """One known answer. In fp32 what the model wrote must be the likeliest token each time, too."""
    last = len(answer.tokens) - 1
    steps = range(last - answer.written, last)
    places = sorted({*answer.places, *steps})
    logits = dict(zip(places, run.logits([answer.tokens], [places])[0], strict=True))
    picked = np.array([logits[place][list(answer.columns)] for place in answer.places])
    _refuse(what, distance(picked, answer.exact()), TOLERANCES[form].graph)
    likeliest = [int(logits[place].argmax()) for place in steps]
    written = list(answer.tokens[last - answer.written + 1 :])
    if form == "fp32" and likeliest != written:
        raise ConfigError(
            f"The graph writes tokens {likeliest} where {what} has {written}; it is not kept."
        )


def _refuse(what: str, apart: float, allowed: float) -> None:
    if apart > allowed:
        raise ConfigError(
            f"The graph does not answer like {what}: outputs are {apart:.2g} of their spread apart "
            f"(allowed {allowed:g}). It is not kept. The model differs from what its settings say, "
            "or this builder does not know it: try 'recipe.builder: optimum' in the card."
        )
