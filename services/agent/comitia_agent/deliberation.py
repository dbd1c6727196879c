"""A second look: what others of the panel have answered, as an agent reads it, and the reason that
goes with what it answers then.

In come an assignment of a later round and the words that a card has for values; out come a text for
the model, and a sentence that says what the agent was moved by. The sentence is made of what
happened (what was shown, what changed, what the model gave it): a model of any size can be asked
for it, and it says no more than is true. Pure.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from comitia.v1.answer_pb2 import Answer
from comitia.v1.assignment_pb2 import Assignment, PeerAnswer
from comitia.v1.value_pb2 import Value

# What the model reads of one peer's value and reason, and of all of them.
VALUE_CHARACTERS_MAX = 300
REASON_CHARACTERS_MAX = 200
PEERS_CHARACTERS_MAX = 3_000
# What each role is asked for.
ROLES = {
    "critic": "Look for what is wrong in these answers, then answer.",
    "expert": "Judge them by what you know of the subject, then answer.",
    "summariser": "Weigh what speaks for each of them, then answer.",
}
ANYBODY = "Think again, then answer."

# What agents of this kind say where they have no reason of their own: how they came to an answer,
# or whom they followed. It is for people; it tells other agents nothing that they do not see.
_HOW = re.compile(
    r"(.{1,200} with probability [01]\.\d\d, )?by (log-likelihood|similarity) of "
    r"|generated($|; cut at |, kept to )|read from: |the best option of each issue, "
    r"|keeps its answer: |(stays with|changes from|answers after reading) "
)

Words = Callable[[Value], str]


def deliberates(assignment: Assignment) -> bool:
    """Whether this is a later round of those who answer."""
    return assignment.round > 1


@dataclass(frozen=True, slots=True)
class Note:
    """What is read before the item, and the peers that it shows; both empty where it shows none."""

    text: str
    shown: tuple[PeerAnswer, ...]


def notes(assignment: Assignment, words: Words) -> list[Note]:
    """What others answered and what this seat did before, in versions that are shorter and shorter:
    with the reasons of others, without them, with the first half of them and so on, and nothing.
    """
    peers = [peer for peer in assignment.peers if peer.answer.HasField("value")]
    found = [_note(assignment, peers, words, reasons=True)] if peers else []
    while peers:
        found.append(_note(assignment, peers, words, reasons=False))
        peers = peers[: len(peers) // 2]
    return [*found, Note("", ())]


def changes(assignment: Assignment, answer: Answer, words: Words) -> bool:
    """Whether the seat has had another value before."""
    previous = assignment.previous
    return previous.HasField("value") and words(previous.value) != words(answer.value)


def agreeing(note: Note, answer: Answer, words: Words) -> list[Answer]:
    """Who of those shown says what the seat says now."""
    now = words(answer.value)
    return [peer.answer for peer in note.shown if words(peer.answer.value) == now]


def argument(answer: Answer) -> str:
    """What an answer says for itself, on one line and cut; "" where it only says how it came
    about.
    """
    said = short(answer.rationale, REASON_CHARACTERS_MAX)
    return "" if _HOW.match(said) else said


def reason(
    assignment: Assignment, said: tuple[Answer, Note], words: Words, evidence: str = ""
) -> str:
    """Why the seat answers what it answers now. `said`: the answer as the model gave it, its
    `rationale` with how, after the note. `evidence`: what else speaks for a new value.
    """
    answer, note = said
    now, how = words(answer.value), answer.rationale
    number = len(note.shown)
    shown = f"{number} other answers" if number > 1 else ("no", "one")[number] + " other answer"
    if not assignment.previous.HasField("value"):
        return f"answers after reading {shown}; {how}"
    before = words(assignment.previous.value)
    if not changes(assignment, answer, words):
        return f"stays with {short(now)} after reading {shown}; {how}"
    evidence += _chance(assignment.previous, answer)
    same = agreeing(note, answer, words)
    if not same:
        return f"changes from {short(before)} after reading {shown}{evidence}; {how}"
    because = next((why for one in same if (why := argument(one))), "")
    quoted = f': "{because}"' if because else ""
    return (
        f"changes from {short(before)} to what {len(same)} of {shown} say{evidence}{quoted}; {how}"
    )


def _note(
    assignment: Assignment, peers: Sequence[PeerAnswer], words: Words, *, reasons: bool
) -> Note:
    lines = _lines(peers, words, reasons=reasons)
    said = "\n".join(lines)
    previous = assignment.previous
    own = f"\nYou answered: {short(words(previous.value))}" if previous.HasField("value") else ""
    task = ROLES.get(assignment.role, ANYBODY)
    whole = f"Others have answered what follows:\n{said}{own}\n{task}"
    return Note(whole, tuple(peers[: len(lines)]))


def _chance(previous: Answer, answer: Answer) -> str:
    """How likely the agent held its new value before and holds it now, where it can tell."""
    option = answer.value.option_id
    before = {one.option_id: one.probability for one in previous.probabilities}
    after = {one.option_id: one.probability for one in answer.probabilities}
    if option not in before or option not in after:
        return ""
    return f" (its probability went from {before[option]:.2f} to {after[option]:.2f})"


def _lines(peers: Sequence[PeerAnswer], words: Words, *, reasons: bool) -> list[str]:
    lines: list[str] = []
    size = 0
    for peer in peers:
        answer = peer.answer
        sure = f" ({answer.confidence:.0%} sure)" if answer.HasField("confidence") else ""
        why = argument(answer) if reasons else ""
        because = f", because {why}" if why else ""
        name = f"{answer.agent}: " if answer.agent else ""
        line = f"- {name}{short(words(answer.value))}{sure}{because}"
        size += len(line)
        if size > PEERS_CHARACTERS_MAX:
            break
        lines.append(line)
    return lines


def short(text: str, characters_max: int = VALUE_CHARACTERS_MAX) -> str:
    """On one line, and cut."""
    plain = " ".join(text.split())
    return plain if len(plain) <= characters_max else plain[: characters_max - 3] + "..."
