"""Where a model runs: on the device asked for, or, for `auto`, on a GPU where one suits it.

A card's build and a device go in; out come a session and the device that it really runs on, and the
log says which that is, why, and what provider each attention node got. Attention that would run
elsewhere is refused: every step would carry the cache to it and back.
"""

import logging
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from comitia.errors import ConfigError
from comitia.inference.cards import Form, ModelCard
from comitia.inference.runner import PLAIN
from comitia.inference.session import Threads, open_session

if TYPE_CHECKING:
    import onnxruntime

_LOG = logging.getLogger(__name__)
# Of CUDA's GroupQueryAttention.
_GPU_FORMS: tuple[Form, ...] = ("fp16", "bf16")
_ATTENTION = ("GroupQueryAttention", "MultiHeadAttention", "Attention")
# The first with query_seqlens of GroupQueryAttention, on both kinds of device.
_ROWS_SINCE = (1, 32)


class Placed(NamedTuple):
    """`device`: cpu or cuda:<n>."""

    session: "onnxruntime.InferenceSession"
    device: str


def place(model: Path, threads: Threads, device: str, obstacle: str = "") -> Placed:
    """Open a graph on `device`: auto, cpu, cuda or cuda:<n>. `obstacle`: why it cannot be on a GPU.

    Raises ConfigError with the reason where that device does not become active.
    """
    if device != "auto":
        if device != "cpu" and obstacle:
            raise ConfigError(f"Device '{device}' was asked for, but {obstacle}.")
        return _open(model, threads, "cuda:0" if device == "cuda" else device)
    try:
        if obstacle:
            raise ConfigError(obstacle)
        return _open(model, threads, "cuda:0")
    except ConfigError as error:
        _LOG.info("device auto takes the cpu: %s", error)
        return _open(model, threads, "cpu", f" (device auto: {error})")


def obstacle_of(card: ModelCard, contract: str) -> str:
    """Why a card's build of a contract cannot run on a GPU, "" where it can."""
    if contract == "tokens":
        return ""
    if contract != "rows":
        return (
            f"model '{card.name}' was exported by optimum, whose graphs run on the cpu alone here; "
            "set 'recipe.builder: direct' in its card, or the device to cpu"
        )
    form = card.recipe.form
    if form not in _GPU_FORMS:
        return (
            f"attention on a GPU takes numbers of 16 bits and model '{card.name}' has form {form}; "
            "set 'recipe.form: fp16' or bf16 in its card, or the device to cpu"
        )
    return ""


def graph_of(folder: Path, contract: str) -> Path:
    """The graph of a build that the installed ONNX Runtime can run."""
    import onnxruntime

    version = tuple(int(part) for part in onnxruntime.__version__.split(".")[:2])
    return folder / (PLAIN if contract == "rows" and version < _ROWS_SINCE else "model.onnx")


def attention_nodes(session: "onnxruntime.InferenceSession") -> Counter[str]:
    """How many attention nodes each execution provider got."""
    return Counter(
        subgraph.ep_name
        for subgraph in session.get_provider_graph_assignment_info()
        for node in subgraph.get_nodes()
        if node.op_type in _ATTENTION
    )


def _open(model: Path, threads: Threads, device: str, why: str = "") -> Placed:
    try:
        session = open_session(model, threads, device)
    except ConfigError as error:
        raise ConfigError(f"{error}{why}") from error
    provider, found = session.get_providers()[0], attention_nodes(session)
    told = ", ".join(f"{count} by {name}" for name, count in found.items()) or "none"
    if set(found) - {provider}:
        raise ConfigError(
            f"Device '{device}' was asked for, but not all attention nodes of {model} run there "
            f"({told}); set the device to cpu."
        )
    _LOG.info("model on %s; attention nodes: %s", device, told)
    return Placed(session, device)
