"""Demo data: what counts as a clear opinion, parts that never overlap, the user's own file, tasks
made of items.
"""

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from comitia.errors import ConfigError
from comitia.v1.policy_pb2 import Selection
from comitia_cli.demo import snippets
from comitia_cli.demo.data import (
    Dataset,
    Item,
    draw,
    is_calibration,
    load_snippets,
    make_tasks,
    parse_ratings,
    read_dataset,
)


def many(count: int) -> str:
    return "\n".join(f"{n}\t{2.5 if n % 2 else -2.5}\tSnippet number {n}." for n in range(count))


def cached(folder: Path, text: str) -> Path:
    """A cache in which the snippets were fetched already."""
    place = folder / "data" / "vaderSentiment-3.3.2" / "movieReviewSnippets_GroundTruth.txt"
    place.parent.mkdir(parents=True)
    place.write_text(text, encoding="utf-8")
    return folder


def test_ratings_near_neutral_and_repetitions_are_dropped() -> None:
    text = "1\t1.0\tGood.\r\n2\t-1.0\tBad.\r\n3\t0.99\tMeh.\r\n4\t-0.5\tHm.\r\n5\t3.2\tGood."
    assert parse_ratings(text) == [Item("Good.", "positive"), Item("Bad.", "negative")]


def test_calibration_and_evaluation_never_share_an_item_whatever_the_seed(tmp_path: Path) -> None:
    dataset = load_snippets(cached(tmp_path, many(1_000)), pytest.fail)
    kept_apart = set(dataset.calibration)
    assert 100 < len(kept_apart) < 300
    for seed in range(5):
        drawn = draw(dataset, 200, seed)
        assert len(set(drawn)) == 200
        assert not kept_apart & set(drawn)
        assert not any(is_calibration(item) for item in drawn)


def test_a_draw_repeats_by_its_seed() -> None:
    items = tuple(Item(f"text {n}", "a") for n in range(50))
    dataset = Dataset("mine", "answer", ("a", "b"), (), items)
    assert draw(dataset, 10, 3) == draw(dataset, 10, 3) != draw(dataset, 10, 4)
    assert len(draw(dataset, 100, 3)) == 50


def test_tasks_ask_every_live_agent_with_ids_in_order() -> None:
    dataset = Dataset("mine", "answer", ("no", "yes"), (), ())
    tasks = make_tasks(dataset, [Item("Is it?", "yes")] * 2, run="r1", seed=9, timeout_ms=5_000)
    assert [task.id for task in tasks] == ["r1-00000", "r1-00001"]
    assert [option.id for option in tasks[0].format.choice.options] == ["no", "yes"]
    assert tasks[0].policy.selection == Selection.SELECTION_BROADCAST
    assert (tasks[0].skill, tasks[0].input.text, tasks[0].timeout_ms) == ("answer", "Is it?", 5_000)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "a.jsonl",
            '{"text": "A joy.", "label": "positive"}\n\n{"text": "No.", "label": "negative"}\n',
        ),
        ("a.tsv", "A joy.\tpositive\nNo.\tnegative\n"),
        ("a.TSV", "\ufeffA joy.\tpositive\nNo.\tnegative"),
    ],
)
def test_the_users_own_file_is_read(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    dataset = read_dataset(path)
    assert dataset.evaluation == (Item("A joy.", "positive"), Item("No.", "negative"))
    assert (dataset.skill, dataset.calibration) == ("sentiment", ())


def test_other_labels_go_to_agents_that_answer_questions(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("Two and two?\t4\nIs it day?\tyes", encoding="utf-8")
    assert read_dataset(path).skill == "answer"


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.csv", "x", "must end in .jsonl or .tsv"),
        ("a.jsonl", '{"text": "x", "label": "a"}\nnonsense', "line 2: is not JSON"),
        ("a.jsonl", '{"text": "x"}', "line 1: must be an object like"),
        ("a.jsonl", '{"text": "x", "label": 1}', "line 1: the label must be a text"),
        ("a.tsv", "no tab here", "line 1: must be a text, a tab and a label"),
        ("a.tsv", " \tyes", "line 1: the text must be"),
        ("a.tsv", "x\tyes\ny\tyes", "needs 2 to 100 different labels, has 1"),
        ("a.tsv", "x\t" + "l" * 129, "1 to 128 bytes"),
        ("a.tsv", "", "has 0"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_line(
    tmp_path: Path, name: str, text: str, told: str
) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        read_dataset(path)
    assert told in str(error.value)
    assert name in str(error.value)


def test_a_missing_file_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_dataset(tmp_path / "none.tsv")


def nested(content: bytes) -> bytes:
    def pack(name: str, data: bytes) -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        return buffer.getvalue()

    return pack(snippets.INNER, pack(snippets.MEMBER, content))


def test_ratings_are_taken_out_of_the_archive_in_the_archive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    archive = nested(b"1\t2.0\tFine.")
    with pytest.raises(ConfigError, match="sha256"):
        snippets.extract(archive)
    monkeypatch.setattr(snippets, "SHA256", hashlib.sha256(archive).hexdigest())
    assert snippets.extract(archive) == b"1\t2.0\tFine."
