"""A card's checked build, loaded and ready to answer: the way in for whoever serves a model.

Every byte of the build is compared with its manifest before it is opened; the device that was asked
for must be active.
"""

from pathlib import Path
from typing import Any

from comitia.errors import ConfigError
from comitia.inference.cards import ModelCard
from comitia.inference.decoder import OnnxDecoder
from comitia.inference.decoder_core import DecoderCore, Limits, Runner
from comitia.inference.encoder import OnnxEncoder, SessionStates
from comitia.inference.encoder_core import EncoderCore, EncoderLimits
from comitia.inference.engine import Engine
from comitia.inference.growing import GrowingRunner
from comitia.inference.session import Threads, check_packages, open_session, runtime_errors
from comitia.inference.slots import SlotRunner
from comitia.inference.store import Built, verify
from comitia.inference.text import Text


def load_model(
    card: ModelCard,
    cache_dir: Path,
    threads: int = 0,
    device: str = "cpu",
    limits: Limits | None = None,
) -> OnnxDecoder | OnnxEncoder:
    """A running `ports.Model`. `threads` inside an operator, 0 for one a core; `device` cpu, cuda
    or cuda:<n>.

    Blocks for seconds: verifies digests, opens the graph, starts the engine thread. Raises
    ConfigError: not built, bytes altered, package of ONNX Runtime missing or doubled, device not
    active.
    """
    check_packages()
    built = verify(card, cache_dir)
    if built.manifest.contract != "tokens" and device != "cpu":
        raise ConfigError(
            f"Model '{card.name}' is a decoder, and decoders run on the cpu in this version."
        )
    session = open_session(built.folder / "model.onnx", Threads(threads), device)
    text = Text(built.folder, card.name)
    limits = limits or Limits()
    if built.manifest.contract == "tokens":
        return _encoder(card, built, text, session)
    shape = built.manifest.shape
    if built.manifest.contract == "slots":
        runner: Runner = SlotRunner(session, shape, limits.slots, text.context_tokens)
    else:
        runner = GrowingRunner(session, shape)
    core = DecoderCore(text, runner, limits, runtime_errors())
    return OnnxDecoder(card.name, built.manifest.digest, text, Engine(core, card.name, limits.jobs))


def _encoder(card: ModelCard, built: Built, text: Text, session: Any) -> OnnxEncoder:
    limits = EncoderLimits()
    pooling = card.recipe.pooling
    assert pooling is not None, "a card of kind encoder has a pooling"
    core = EncoderCore(text, SessionStates(session), pooling, limits, runtime_errors())
    engine = Engine(core, card.name, limits.jobs)
    return OnnxEncoder(card.name, built.manifest.digest, built.manifest.shape["dimensions"], engine)
