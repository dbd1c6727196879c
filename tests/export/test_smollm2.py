"""SmolLM2 built from its GGUF file against the same weights in PyTorch: logits and greedy texts.

Runs under `make test-export`. The weights are written out as a Hugging Face folder, which
transformers loads; it reads the tokens that our tokenizer made. Tolerance 1e-3 on logits of the
order of 20: float32 sums in another order.
"""

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from comitia.config import DirectorySettings
from comitia.inference.cache import CpuCache
from comitia.inference.cards import find_card
from comitia.inference.export.gguf_weights import GgufWeights
from comitia.inference.export.make import export
from comitia.inference.export.theirs import write_folder
from comitia.inference.pull import pull
from comitia.inference.runner import CHUNK_TOKENS_MAX, Feed, RowRunner
from comitia.inference.session import Threads, open_session
from comitia.inference.store import source_folder
from comitia.inference.text import Text

MODELS = Path(__file__).parents[2] / "models"
NEW_TOKENS = 16
PROMPTS = [
    "The capital of France is",
    "Review: A waste of money and time.\nSentiment:",
    "def fibonacci(n):\n    ",
    "<|im_start|>user\nName three colours.<|im_end|>\n<|im_start|>assistant\n",
]
TORCH = """
import json, sys, torch
from transformers import AutoModelForCausalLM
torch.set_num_threads(2)
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32).eval()
with torch.no_grad():
    texts = [model(torch.tensor([tokens])).logits[0] for tokens in json.loads(sys.argv[2])]
print(json.dumps([[x[-1].tolist(), x.argmax(-1).tolist()] for x in texts]))
"""

pytestmark = pytest.mark.skipif(
    "COMITIA_EXPORT_PYTHON" not in os.environ,
    reason="needs the export environment: make test-export",
)


def test_smollm2_equals_torch(tmp_path: Path) -> None:
    card = find_card(MODELS, "smollm2-135m-instruct")
    card = replace(card, built=(), recipe=replace(card.recipe, form="fp32"))
    gguf = pull(card, DirectorySettings().cache_dir) / "model.gguf"
    place = source_folder(card, tmp_path)
    place.mkdir(parents=True)
    (place / gguf.name).symlink_to(gguf)
    built = export(card, tmp_path)
    text = Text(built.folder, card.name)
    session = open_session(built.folder / "model.onnx", Threads(2), "cpu")
    runner = RowRunner(session, CpuCache(built.manifest.shape, 1, 256 + CHUNK_TOKENS_MAX))
    prompts = [text.encode(prompt) for prompt in PROMPTS]
    ours = [greedy(runner, prompt) for prompt in prompts]
    write_folder(GgufWeights(gguf), tmp_path / "folder")
    command = [os.environ["COMITIA_EXPORT_PYTHON"], "-c", TORCH, str(tmp_path / "folder")]
    command.append(json.dumps([tokens[:-1] for tokens, _ in ours]))
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for prompt, (tokens, logits), (exact, likely) in zip(
        prompts, ours, json.loads(done.stdout), strict=True
    ):
        np.testing.assert_allclose(logits, exact, atol=1e-3)
        assert likely[len(prompt) - 1 :] == tokens[len(prompt) :], (
            "each token is torch's choice too"
        )


def greedy(runner: RowRunner, prompt: list[int]) -> tuple[list[int], NDArray[np.float32]]:
    """Prompt and text, and the logits that gave the last token."""
    tokens, read = list(prompt), 0
    for _ in range(NEW_TOKENS):
        piece = tokens[read:]
        outcome = runner.run([Feed(0, read, piece, [len(piece) - 1])], logits=True)
        read = len(tokens)
        tokens.append(int(outcome.next_ids[0]))
    assert outcome.logits is not None
    return tokens, outcome.logits[0].copy()  # The runner's memory, until the next step.
