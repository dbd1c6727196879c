"""SmolLM2 in fp32, 32 prompts of 64 tokens: read and written in one moving batch, each text is what
it is alone, and token by token what PyTorch chooses.

Runs under `make test-export`, beside test_smollm2. PyTorch reads each text once and says its own
choice behind every token: where all agree, its greedy text is the same one.
"""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from comitia.config import DirectorySettings
from comitia.inference import decoder_core
from comitia.inference.cache import CpuCache
from comitia.inference.cards import find_card
from comitia.inference.export.gguf_weights import GgufWeights
from comitia.inference.export.make import export
from comitia.inference.export.theirs import write_folder
from comitia.inference.jobs import GenerateJob
from comitia.inference.limits import Limits
from comitia.inference.pull import pull
from comitia.inference.runner import CHUNK_TOKENS_MAX, RowRunner
from comitia.inference.session import Threads, open_session
from comitia.inference.store import source_folder
from comitia.inference.text import Text
from comitia.inference.writing import Writing
from comitia.ports import Prompt, Sampling
from tests.export.test_smollm2 import MODELS
from tests.unit.inference_trials import Ask, Trial

TOKENS = 64
ROLE = (
    "<|im_start|>system\nYou are a careful reader of film reviews and answer in one sentence."
    "<|im_end|>\n<|im_start|>user\n"
)
ASSISTANT = "<|im_end|>\n<|im_start|>assistant\n"
REVIEWS = (
    "A waste of money and time.", "The plot is thin, but the actors shine.",
    "I laughed until I cried.", "Two hours that I will never get back.",
    "A quiet film about loss, and a beautiful one.", "The sequel nobody asked for.",
    "My children loved it; I slept.", "Every frame is a painting.",
)  # fmt: skip
OPENINGS = (
    "The capital of France is", "def fibonacci(n):\n    ", "Once upon a time, a fox",
    "Water boils at", "Dear Sir or Madam,\n", "The three laws of motion are",
    "1, 2, 3, 5, 8, 13,", "In 1969, men walked",
)  # fmt: skip
CHATS = [
    *(Prompt(ROLE, review + ASSISTANT) for review in REVIEWS),
    *(Prompt(ROLE, f"Is this praise? {review}{ASSISTANT}") for review in REVIEWS),
]
PLAIN = [
    *(Prompt("", opening) for opening in OPENINGS),
    *(Prompt("", f"Question: what comes next?\n{opening}") for opening in OPENINGS),
]
TORCH = """
import json, sys, torch
from transformers import AutoModelForCausalLM
torch.set_num_threads(2)
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32).eval()
with torch.no_grad():
    for tokens in json.load(sys.stdin):
        print(json.dumps(model(torch.tensor([tokens])).logits[0].argmax(-1).tolist()))
"""

pytestmark = pytest.mark.skipif(
    "COMITIA_EXPORT_PYTHON" not in os.environ,
    reason="needs the export environment: make test-export",
)


class Noted(Writing):
    """Remembers prompt and text by the job."""

    texts: dict[Prompt, tuple[list[int], list[int]]]

    def __init__(
        self, job: GenerateJob, text: Text, prompt_tokens: Sequence[int], cached_tokens: int
    ) -> None:
        super().__init__(job, text, prompt_tokens, cached_tokens)
        self.texts[job.prompt] = (list(prompt_tokens), self._tokens)


def written(trial: Trial, prompts: list[Prompt], steps_between: int) -> dict[Prompt, Any]:
    """Prompt and text tokens of each, asked for one after another with steps between."""
    Noted.texts = {}
    for prompt in prompts:
        trial.ask(Ask(prompt, sampling=Sampling(TOKENS)))
        for _ in range(steps_between):
            trial.step()
    trial.finish()
    assert all(not request.job.future.exception() for request in trial.requests)
    return Noted.texts


@dataclass(frozen=True, slots=True)
class Model:
    """The graph, and the same weights as transformers reads them."""

    text: Text
    shape: Mapping[str, int]
    session: Any
    folder: Path

    def trial(self, rows: int, shelves: int) -> Trial:
        cache = CpuCache(self.shape, rows + shelves, 512 + CHUNK_TOKENS_MAX)
        limits, tokens = Limits(rows=rows, shelves=shelves), 512 * (rows + shelves)
        return Trial(self.text, RowRunner(self.session, cache), cache, limits, tokens)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    root = tmp_path_factory.mktemp("smollm2")
    card = find_card(MODELS, "smollm2-135m-instruct")
    card = replace(card, built=(), recipe=replace(card.recipe, form="fp32"))
    gguf = pull(card, DirectorySettings().cache_dir) / "model.gguf"
    place = source_folder(card, root)
    place.mkdir(parents=True)
    (place / gguf.name).symlink_to(gguf)
    built = export(card, root)
    session = open_session(built.folder / "model.onnx", Threads(2), "cpu")
    write_folder(GgufWeights(gguf), root / "folder")
    text = Text(built.folder, card.name)
    # No text ends before its 64 tokens.
    text.ends = frozenset()
    return Model(text, built.manifest.shape, session, root / "folder")


@pytest.mark.parametrize("prompts", [CHATS, PLAIN], ids=["chats", "plain"])
def test_texts_in_one_moving_batch(
    model: Model, prompts: list[Prompt], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder_core, "Writing", Noted)
    moving = model.trial(12, 2)
    together = written(moving, prompts, steps_between=3)
    shared = [request.job.future.result().usage.cached_tokens for request in moving.requests]
    assert sum(tokens > 20 for tokens in shared) == (len(prompts) - 1) * (prompts is CHATS)
    command = [os.environ["COMITIA_EXPORT_PYTHON"], "-c", TORCH, str(model.folder)]
    whole = json.dumps([prompt + tokens for prompt, tokens in together.values()])
    done = subprocess.run(command, input=whole, capture_output=True, text=True, check=True)
    for (prompt, tokens), line in zip(together.values(), done.stdout.splitlines(), strict=True):
        assert len(tokens) == TOKENS
        assert json.loads(line)[len(prompt) - 1 : -1] == tokens, model.text.decode(prompt)
    for prompt in prompts:
        alone = written(model.trial(1, 0), [prompt], 0)
        assert alone[prompt] == together[prompt], "whoever joins, leaves and shares"
