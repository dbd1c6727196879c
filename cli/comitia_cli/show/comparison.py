"""What another policy would have made of recorded tasks, for a person: a Comparison in, rich
objects out.
"""

from rich.console import Group, RenderableType
from rich.text import Text

from comitia.v1.decision_pb2 import Decision
from comitia_cli.client.agreeing import Agreement
from comitia_cli.client.comparing import Comparison, Judged
from comitia_cli.show.decision import status_name
from comitia_cli.show.tables import plain_table
from comitia_cli.show.words import clip, value_text

VALUE_MAX = 30


def changed_line(recorded: Decision, redecided: Decision, right: tuple[bool, bool] | None) -> Text:
    """One task that came out otherwise; green where that put it right, red where wrong."""
    colour = {(False, True): "green", (True, False): "red"}.get(right or (False, False), "")
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(f"{_short(recorded)} -> {_short(redecided)}", style=colour)
    line.append(f"  {redecided.task_id}", style="dim")
    return line


def comparison_view(found: Comparison) -> RenderableType:
    """The two side by side, and beneath what limits the comparison."""
    table = plain_table("", ">recorded", ">decided anew", "difference (95 % interval)")
    tasks = max(1, found.tasks)
    table.add_row(
        "decided",
        _share(found.recorded_decided, tasks),
        _share(found.redecided_decided, tasks),
        Text(f"{found.agree} of {found.tasks} agree ({found.agree / tasks:.1%})"),
    )
    saved = found.recorded_calls - found.redecided_calls
    table.add_row(
        "answers waited for",
        str(found.recorded_calls),
        str(found.redecided_calls),
        Text(f"{saved:+d} saved ({saved / max(1, found.recorded_calls):.1%})"),
    )
    for words, judged in (
        ("right, by feedback", found.judged),
        ("right, by feedback the weights were fitted to", found.fitted),
    ):
        if judged.asked:
            table.add_row(words, *_accuracies(judged))
    more = [*_calibration(found), *map(_agreement, found.agreements.found())]
    return Group(table, *map(Text, more), *(Text(line, style="dim") for line in _remarks(found)))


def _calibration(found: Comparison) -> list[str]:
    shares = found.calibration.shares()
    if not shares:
        return []
    return [
        f"probabilities that the votes anew name: {shares['mean_probability']:.2f} on the mean, "
        f"{shares['right']:.2f} of {shares['tasks']} are right; expected calibration error "
        f"{shares['expected_calibration_error']:.2f}"
    ]


def _agreement(one: Agreement) -> str:
    if one.alpha is None:
        return f"{one.skill}: all answers are the same (tasks: {one.tasks})"
    return (
        f"{one.skill}: agents agree by {one.alpha:.2f} on {one.tasks} tasks (Krippendorff's alpha: "
        "1 always, 0 as by chance)"
    )


def _accuracies(judged: Judged) -> tuple[str, str, Text]:
    low, high = judged.interval()
    difference = (judged.gained - judged.lost) / judged.asked
    words = f"{100 * difference:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f})"
    more = f": {judged.gained} put right, {judged.lost} put wrong"
    return (
        _share(judged.recorded, judged.asked),
        _share(judged.redecided, judged.asked),
        Text(words + more),
    )


def _remarks(found: Comparison) -> list[str]:
    lines = []
    if not found.judged.asked:
        lines.append("who was right is known where somebody says so: comitia feedback")
    if found.cut_short:
        lines.append(
            f"{found.cut_short} were decided anew with the answers that there were: their agents"
            " had been told to stop. Tasks with waitForAll compare in full"
        )
    for count, words in (
        (
            found.unheld,
            "decided anew with the answers that there were: the other policy asks for a round that"
            " was never held",
        ),
        (
            found.unversioned,
            "counted without weights: their skill has none of the version that was asked for",
        ),
        (found.staged, "tasks of stages left out: each of their stages is compared by itself"),
        (found.unweighed, "counted by a simpler method: their skill has no weights for this one"),
        (found.unsuited, "left out: the method cannot count answers of their kind"),
        (found.without_decision, "not decided yet"),
        (found.without_panel, "decided since then, but opened before: left out"),
        (found.unread, "records that are no panel events: passed over"),
    ):
        if count:
            lines.append(f"{count} {words}")
    return lines


def _share(count: int, of: int) -> str:
    return f"{count} of {of} ({count / of:.1%})"


def _short(decision: Decision) -> str:
    if decision.HasField("value"):
        return clip(value_text(decision.value), VALUE_MAX)
    return status_name(decision)
