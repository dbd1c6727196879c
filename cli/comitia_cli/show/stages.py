"""A task of several panels one after another: its stages in the order in which they ended, with
the decision of each, where the walk went on from there, and the one trace. Pure.
"""

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from comitia.v1.decision_pb2 import Decision, DecisionStatus, StageRecord
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia_cli.show.decision import headline
from comitia_cli.show.walk import walk_view
from comitia_cli.show.words import clip, enum_word, value_text

_INDENT = (0, 0, 0, 4)
VALUE_MAX = 60


def stages_view(decision: Decision, children: Mapping[str, Decision]) -> RenderableType:
    """`children`: the stages' own decisions by task id, as far as they are kept."""
    if not decision.stages:
        return Group()
    parts: list[RenderableType] = []
    names = [one.stage for one in decision.stages]
    for place, one in enumerate(decision.stages):
        line = Text(f"{place + 1}. {one.stage}", style="bold")
        if one.attempt > 1:
            line.append(f" (attempt {one.attempt})", style="")
        line.append(f"  {one.task_id}", style="dim")
        parts += [line, *_of_child(one, children.get(one.task_id))]
        if place + 1 < len(names):
            following = names[place + 1]
            # Stages are first met in the order in which they lead on.
            back = names.index(following) <= names.index(one.stage)
            words = f"{'back' if back else 'on'} to {following}"
            parts.append(Padding(Text(words, style="cyan"), _INDENT))
    return Group(*parts, *(Text(line, style="dim") for line in _traces(decision, children)))


def _of_child(record: StageRecord, child: Decision | None) -> Iterator[RenderableType]:
    if child is None:
        status = enum_word(DecisionStatus.Name, record.status, "DECISION_STATUS_")
        words = f"{status}  {clip(value_text(record.value), VALUE_MAX)}".rstrip()
        yield Padding(Text(f"{words}  (its own decision is not kept any more)"), _INDENT)
    else:
        yield Padding(headline(child, clip(value_text(child.value), VALUE_MAX)), _INDENT)
        yield Padding(walk_view(child), _INDENT)
    if record.explanation:
        yield Padding(Text(record.explanation, style="dim"), _INDENT)


def _traces(decision: Decision, children: Mapping[str, Decision]) -> Iterator[str]:
    """All stages are one trace; where they are not, that is worth knowing."""
    traces = {one.trace_id for one in (decision, *children.values()) if one.trace_id}
    if len(traces) == 1:
        yield f"all stages in one trace: {traces.pop()}"
    elif traces:
        yield f"stages are spread over {len(traces)} traces: {', '.join(sorted(traces))}"


def open_stage(events: Sequence[PanelEvent]) -> str:
    """Where a staged task is, that is not decided yet; "" where it has no stages."""
    asked, ended = "", []
    for event in events:
        kind = event.WhichOneof("event")
        if kind == "stage_opened":
            asked = event.stage_opened.child_id
        elif kind == "stage_ended":
            ended.append(event.stage_ended.stage)
    if not asked:
        return ""
    before = f"{len(ended)} stages have ended ({', '.join(ended)}); " if ended else ""
    return f"{before}it waits for {asked}: comitia explain {asked}"
