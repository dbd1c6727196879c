"""One suite over both kinds of cache, on a graph that writes into them: memory of the process, and
memory of a device, for which the device "cpu" stands here.
"""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import onnx
import onnxruntime
import pytest

from comitia.errors import ConfigError
from comitia.inference import device_memory, load
from comitia.inference.cache import Cache, CpuCache
from comitia.inference.cards import Form
from comitia.inference.device_memory import DeviceCache, Rows, identity_model, make_cache
from comitia.inference.export.make import export
from comitia.inference.load import load_model
from comitia.inference.runner import CHUNK_TOKENS_MAX, Feed, Floats, Outcome, RowRunner
from comitia.inference.session import Threads, open_session
from comitia.ports import Generation, Prompt, Sampling
from tests.unit.inference_models import card_of, decoder_config, write_decoder

SHAPE = {"layers": 3, "kv_heads": 2, "head_dim": 16}
ROWS = Rows(5, 96 + CHUNK_TOKENS_MAX)
TEXT = [7, 30, 101, 5, 88, 42, 9]
MakeCache = Callable[[onnxruntime.InferenceSession], Cache]


@pytest.fixture(scope="module", params=["fp32", "fp16"])
def session(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> onnxruntime.InferenceSession:
    form: Form = request.param
    root = tmp_path_factory.mktemp(form)
    write_decoder(root / "weights", decoder_config("llama"))
    built = export(card_of(root / "weights", form=form), root)
    return open_session(built.folder / "model.onnx", Threads(1), "cpu")


def of_process(session: onnxruntime.InferenceSession) -> Cache:
    return make_cache(session, "cpu", SHAPE, ROWS)


def of_device(session: onnxruntime.InferenceSession) -> Cache:
    kind = next(entry.type for entry in session.get_inputs() if "past" in entry.name)
    return DeviceCache(SHAPE, ROWS, kind, "cpu")


@pytest.fixture(params=[of_process, of_device])
def make(request: pytest.FixtureRequest) -> MakeCache:
    made: MakeCache = request.param
    return made


def last(runner: RowRunner, row: int, past: int, tokens: list[int]) -> Floats:
    found = runner.run([Feed(row, past, tokens, [len(tokens) - 1])], logits=True).logits
    assert found is not None
    logits: Floats = found[0].copy()
    return logits


def test_both_are_what_they_should_be(session: onnxruntime.InferenceSession) -> None:
    assert isinstance(of_process(session), CpuCache)
    assert isinstance(of_device(session), DeviceCache)


def test_what_was_written_is_read_again(
    session: onnxruntime.InferenceSession, make: MakeCache
) -> None:
    cache = make(session)
    runner = RowRunner(session, cache)
    whole = last(runner, 0, 0, TEXT)
    assert cache.tokens == ROWS.tokens
    last(runner, 3, 0, TEXT[:4])
    assert (last(runner, 3, 4, TEXT[4:]) == whole).all()


def test_rows_are_apart(session: onnxruntime.InferenceSession, make: MakeCache) -> None:
    runner = RowRunner(session, make(session))
    last(runner, 2, 0, TEXT[:4])
    for row in (0, 1, 3, 4):
        last(runner, row, 0, TEXT[::-1])
    assert (last(runner, 2, 4, TEXT[4:]) == last(runner, 0, 0, TEXT)).all()


def test_a_copy_is_a_row_of_its_own(session: onnxruntime.InferenceSession, make: MakeCache) -> None:
    cache = make(session)
    runner = RowRunner(session, cache)
    last(runner, 1, 0, TEXT[:4])
    cache.copy(1, 4, 4)
    cache.copy(4, 0, 4)
    cache.copy(0, 0, 4)
    last(runner, 1, 0, TEXT[::-1])
    last(runner, 4, 4, TEXT[::-1])
    assert (last(runner, 0, 4, TEXT[4:]) == last(runner, 2, 0, TEXT)).all()


def test_released_rows_keep_what_is_kept(
    session: onnxruntime.InferenceSession, make: MakeCache
) -> None:
    cache = make(session)
    runner = RowRunner(session, cache)
    last(runner, 1, 0, TEXT[:4])
    cache.release(1, 4)
    whole = last(runner, 2, 0, TEXT)
    assert (last(runner, 1, 4, TEXT[4:]) == whole).all()
    cache.release(1, 0)
    assert (last(runner, 1, 0, TEXT) == whole).all()


def test_several_rows_in_one_step_in_both_memories(
    session: onnxruntime.InferenceSession,
) -> None:
    feeds = [Feed(1, 0, TEXT, [2, 6]), Feed(3, 0, TEXT[2:], [0])]

    def step(make: MakeCache) -> Outcome:
        return RowRunner(session, make(session)).run(feeds, logits=True)

    one, other = step(of_process), step(of_device)
    assert one.logits is not None
    assert other.logits is not None
    assert (one.logits == other.logits).all()
    assert (one.next_ids == other.next_ids).all()


async def test_a_whole_model_says_the_same_in_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beginnings that are kept and copied, options of a score, several texts at once."""
    write_decoder(tmp_path / "weights", decoder_config("llama"))
    card = card_of(tmp_path / "weights")
    export(card, tmp_path)

    async def said() -> tuple[object, ...]:
        model = load_model(card, tmp_path, threads=Threads(1))
        prompts = [Prompt("what all begin with ", text) for text in ("one", "two", "three")]
        try:
            first = await model.generate(prompts[0], Sampling(6))
            *texts, weighed = await asyncio.gather(
                *(model.generate(prompt, Sampling(6)) for prompt in prompts),
                model.score(prompts[1], ["yes", "no", "perhaps"]),
            )
        finally:
            await model.close()
        again = [text for text in texts if isinstance(text, Generation)]
        assert again[0].usage.cached_tokens > 0
        return first.text, [text.text for text in again], weighed

    of_cpu = await said()

    def on_a_device(
        session: onnxruntime.InferenceSession, device: str, shape: Mapping[str, int], rows: Rows
    ) -> Cache:
        return DeviceCache(shape, rows, "tensor(float)", device)

    monkeypatch.setattr(load, "make_cache", on_a_device)
    assert await said() == of_cpu


def test_the_copying_graph_is_a_valid_model() -> None:
    model = onnx.load_from_string(identity_model(300))
    onnx.checker.check_model(model)
    assert [node.op_type for node in model.graph.node] == ["Identity"] * 300
    assert model.graph.input[299].name == "from299"


def test_a_device_without_room_says_how_much_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise RuntimeError("CUDA out of memory\nstack")

    monkeypatch.setattr(device_memory.DeviceCache, "_zeros", full)
    with pytest.raises(ConfigError, match=r"no room for .* 5 rows .*\(CUDA out of memory\); lower"):
        DeviceCache(SHAPE, ROWS, "tensor(bfloat16)", "cuda:1")
