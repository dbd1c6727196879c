"""Agents as processes with a real model on Apache Kafka: a panel decides, a foreign agent counts,
altered weights stop it.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from comitia.config import KafkaSettings, load
from comitia.errors import ConfigError
from comitia.inference.cards import find_card
from comitia.inference.export.make import ensure
from comitia.inference.store import built_folder
from comitia.v1.decision_pb2 import Decision, DecisionStatus
from comitia.v1.format_pb2 import AnswerFormat, ChoiceFormat, NumberFormat, Option, TextFormat
from comitia.v1.input_pb2 import Input
from comitia.v1.policy_pb2 import Policy, Selection
from comitia.v1.task_pb2 import Task
from comitia_cli.client.agents import add, read_agent_card
from comitia_cli.shell import Session
from tests.integration.panel_support import ROOT, Client, Processes

DECODER, ENCODER = "smollm2-135m-instruct", "minilm-l6-v2"
OURS = ("critic", "one-word", "reporter")
CHOICE = AnswerFormat(choice=ChoiceFormat(options=[Option(id="positive"), Option(id="negative")]))
ALL = Selection.SELECTION_BROADCAST


def built(name: str, cache_dir: Path) -> None:
    """Fetch and build a model, or skip where it cannot be fetched."""
    try:
        ensure(find_card(ROOT / "models", name), cache_dir)
    except ConfigError as error:
        pytest.skip(f"the model {name} cannot be had here: {error}")


@pytest.fixture(scope="module")
def panel(
    broker: str, cache_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Processes]:
    """Router, aggregator and one process with three agents on one model."""
    built(DECODER, cache_dir)
    cards = os.pathsep.join(str(ROOT / "agents" / f"{name}.yaml") for name in OURS)
    with Processes(tmp_path_factory.mktemp("panel"), broker, cache_dir) as processes:
        processes.service("router")
        processes.service("aggregator")
        processes.service("agent", COMITIA_AGENT_CARDS=cards)
        yield processes


def review(text: str, task_id: str, quorum: int = 3) -> Task:
    return Task(
        id=task_id, skill="sentiment", input=Input(text=text), format=CHOICE,
        timeout_ms=60_000, policy=Policy(selection=ALL, quorum=quorum, wait_for_all=True),
    )  # fmt: skip


def question(text: str, task_id: str, asked: AnswerFormat) -> Task:
    return Task(
        id=task_id, skill="answer", input=Input(text=text), format=asked,
        timeout_ms=60_000, policy=Policy(selection=ALL, quorum=3, wait_for_all=True),
    )  # fmt: skip


def outcomes(decision: Decision) -> dict[str, str | None]:
    return {ballot.agent: ballot.WhichOneof("outcome") for ballot in decision.ballots}


async def test_a_panel_of_real_models_decides_choices_text_and_numbers(panel: Processes) -> None:
    client = await Client.open(panel)
    try:
        await client.alive(*OURS)
        good = await client.decided_by(lambda i: review("A warm, funny, wonderful film.", i), *OURS)
        bad = await client.decide(review("A dull and stupid mess, a waste of time.", "bad"))
        number = AnswerFormat(number=NumberFormat(min=0))
        days = await client.decide(question("How many days has a week?", "days", number))
        text = AnswerFormat(text=TextFormat(tokens_max=12))
        bees = await client.decide(question("What do bees make?", "bees", text))
    finally:
        await client.close()
    assert good.status == bad.status == DecisionStatus.DECISION_STATUS_DECIDED
    assert (good.value.option_id, bad.value.option_id) == ("positive", "negative")
    assert {ballot.model.name for ballot in good.ballots} == {DECODER}
    for ballot in good.ballots:
        assert sum(one.probability for one in ballot.probabilities) == pytest.approx(1)
        assert ballot.usage.cached_tokens > 0, "the shared prompt is prefilled once"
    assert outcomes(days) == dict.fromkeys(OURS, "value")
    assert outcomes(bees) == dict.fromkeys(OURS, "value")


async def test_a_faststream_agent_from_outside_joins_a_panel_and_is_counted(
    panel: Processes,
) -> None:
    client = await Client.open(panel)
    command = [str(Path(sys.executable).parent / "faststream"), "run"]
    command += ["--app-dir", str(ROOT / "examples"), "faststream_agent:app"]
    try:
        card = read_agent_card(ROOT / "examples" / "word-counter.yaml")
        settings = load(KafkaSettings, {"bootstrap": panel.bootstrap, "prefix": panel.names.prefix})
        assert await add(Session(client.log, panel.names, settings), card)
        panel.start("faststream", command)
        text = "A charming, clever and funny film."
        await client.alive(*OURS)
        # Everybody must vote, so that the decision waits for the app to start.
        decision = await client.decided_by(
            lambda i: review(text, f"own-{i}", 4), *OURS, "word-counter"
        )
    finally:
        await client.close()
    assert outcomes(decision)["word-counter"] == "value"
    assert decision.status == DecisionStatus.DECISION_STATUS_DECIDED
    counted = {ballot.agent: ballot.weight for ballot in decision.ballots}
    assert counted["word-counter"] > 0


def test_one_altered_byte_of_a_weight_file_stops_the_agent(
    broker: str, cache_dir: Path, tmp_path: Path
) -> None:
    built(ENCODER, cache_dir)
    card = find_card(ROOT / "models", ENCODER)
    shutil.copytree(built_folder(card, cache_dir), built_folder(card, tmp_path))
    weights = built_folder(card, tmp_path) / "model.onnx.data"
    with weights.open("r+b") as file:
        file.seek(weights.stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))
    with Processes(tmp_path, broker, tmp_path) as processes:
        cards = str(ROOT / "agents" / "librarian.yaml")
        process = processes.service("agent", COMITIA_AGENT_CARDS=cards)
        assert process.wait(120) == 2
        assert "model.onnx.data" in processes.output("agent")
        assert "Traceback" not in processes.output("agent")


GUARD = """
import asyncio, sys
from pathlib import Path
class Guard:
    def find_spec(self, name, path=None, target=None):
        heavy = {"torch", "transformers", "optimum", "onnx", "gguf"}
        assert name.partition(".")[0] not in heavy, name
sys.meta_path.insert(0, Guard())
import comitia_agent.main
from comitia.inference.cards import find_card
from comitia.inference.load import load_model
from comitia.inference.session import Threads
from comitia.ports import Prompt
async def ask():
    model = load_model(find_card(Path("models"), sys.argv[2]), Path(sys.argv[1]), Threads(1))
    scores = await model.score(Prompt("It is", " so"), [" good", " bad"])
    await model.close()
    print(len(scores.log_likelihoods))
asyncio.run(ask())
"""


def test_a_serving_agent_asks_for_neither_torch_nor_transformers(cache_dir: Path) -> None:
    built(DECODER, cache_dir)
    command = [sys.executable, "-c", GUARD, str(cache_dir), DECODER]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "2"), done.stderr
