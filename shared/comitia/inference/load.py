"""A card's checked build, loaded and ready to answer: the way in for whoever serves a model.

Every byte of the build is compared with its manifest before it is opened; the device that was asked
for must be active.
"""

from functools import partial
from pathlib import Path
from typing import Any

from comitia.errors import ConfigError
from comitia.inference.attending import ATTENTION, AttendingRunner
from comitia.inference.cards import ModelCard
from comitia.inference.decoder import OnnxDecoder
from comitia.inference.decoder_core import DecoderCore, Runner
from comitia.inference.device_memory import Rows, make_cache, number_bytes
from comitia.inference.encoder import OnnxEncoder, SessionStates
from comitia.inference.encoder_core import EncoderCore, EncoderLimits
from comitia.inference.engine import Engine
from comitia.inference.growing import GrowingRunner
from comitia.inference.limits import Limits
from comitia.inference.placement import graph_of, obstacle_of, place
from comitia.inference.runner import CHUNK_TOKENS_MAX
from comitia.inference.session import Threads, check_packages, open_session, runtime_errors
from comitia.inference.space import Memory, Space
from comitia.inference.store import Built, verify
from comitia.inference.text import Text


def load_model(
    card: ModelCard,
    cache_dir: Path,
    threads: Threads | None = None,
    device: str = "cpu",
    limits: Limits | None = None,
) -> OnnxDecoder | OnnxEncoder:
    """A running `ports.Model`. `threads`: as many as the process may use where none are named;
    `device` auto, cpu, cuda or cuda:<n>.

    Blocks for seconds: verifies digests, opens the graph, starts the engine thread. Raises
    ConfigError: not built, bytes altered, package of ONNX Runtime missing or doubled,
    device not active or without room for the cache.
    """
    check_packages()
    built = verify(card, cache_dir)
    contract = built.manifest.contract
    graph, obstacle = graph_of(built.folder, contract), obstacle_of(card, contract)
    threads = threads or Threads()
    session, device = place(graph, threads, device, obstacle)
    text = Text(built.folder, card.name)
    limits = limits or Limits()
    if built.manifest.contract == "tokens":
        return _encoder(card, built, text, session)
    shape, context = built.manifest.shape, text.context_tokens
    tokens_max = limits.cache_tokens(shape, context, number_bytes(session))
    cache: Memory
    if built.manifest.contract == "rows":
        # A row has room behind it for what may pad it.
        rows = Rows(limits.rows + limits.shelves, min(context, tokens_max) + CHUNK_TOKENS_MAX)
        held = make_cache(session, device, shape, rows)
        adapters = {each.name: number for number, each in enumerate(card.recipe.adapters, 1)}
        looking = partial(_open_attention, card, built, threads, device)
        runner: Runner = AttendingRunner(session, held, adapters, looking)
        cache = held
    else:
        growing = GrowingRunner(session, shape)
        runner, cache = growing, growing.cache
    space = Space(cache, limits.rows, limits.shelves, tokens_max)
    core = DecoderCore(text, runner, space, limits, runtime_errors())
    engine = Engine(core, card.name, limits.jobs)
    return OnnxDecoder(card.name, built.manifest.digest, text, engine, limits.rows)


def _open_attention(card: ModelCard, built: Built, threads: Threads, device: str) -> Any:
    if device != "cpu":
        raise ConfigError(
            f"Model '{card.name}' runs on {device}; where a token looks is told on the cpu alone."
        )
    if ATTENTION not in built.manifest.files:
        raise ConfigError(
            f"Model '{card.name}' was built before graphs told where a token looks; run: comitia "
            f"model export {card.name} --force"
        )
    return open_session(built.folder / ATTENTION, threads, device)


def _encoder(card: ModelCard, built: Built, text: Text, session: Any) -> OnnxEncoder:
    limits = EncoderLimits()
    pooling = card.recipe.pooling
    assert pooling is not None, "a card of kind encoder has a pooling"
    core = EncoderCore(text, SessionStates(session), pooling, limits, runtime_errors())
    engine = Engine(core, card.name, limits.jobs)
    dimensions = built.manifest.shape["dimensions"]
    return OnnxEncoder(card.name, built.manifest.digest, dimensions, engine, limits.texts)
