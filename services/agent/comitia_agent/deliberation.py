"""A second look: what others of the panel have answered, as an agent reads it, and the reason that
goes with what it answers then.

In come an assignment of a later round and the words that a card has for values; out come a text for
the model, and a sentence that says what the agent was moved by. The sentence is made of what
happened (what was shown, what changed, what the model gave it): a model of any size can be asked
for it, and it says no more than is true. Pure.
"""

from collections.abc import Callable, Sequence

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

Words = Callable[[Value], str]


def deliberates(assignment: Assignment) -> bool:
    """Whether this is a later round of those who answer."""
    return assignment.round > 1


def note(assignment: Assignment, words: Words, *, reasons: bool = True) -> str:
    """What others answered and what this seat did before, to be read before the item; "" where no
    others are shown. `reasons`: with what they said for it.
    """
    lines = _lines(assignment.peers, words, reasons=reasons)
    if not lines:
        return ""
    said = "\n".join(lines)
    previous = assignment.previous
    own = f"\nYou answered: {_short(words(previous.value))}" if previous.HasField("value") else ""
    task = ROLES.get(assignment.role, ANYBODY)
    return f"Others have answered what follows:\n{said}{own}\n{task}"


def reason(assignment: Assignment, answer: Answer, words: Words) -> str:
    """Why the seat answers what it answers now. `answer`: as the model gave it, its `rationale`
    with how.
    """
    now, how = words(answer.value), answer.rationale
    number = len(assignment.peers)
    shown = f"{number} other answers" if number != 1 else "one other answer"
    if not number:
        shown = "no other answer"
    if not assignment.previous.HasField("value"):
        return f"answers after reading {shown}; {how}"
    before = words(assignment.previous.value)
    if before == now:
        return f"stays with {_short(now)} after reading {shown}; {how}"
    chance = _chance(assignment.previous, answer)
    agreeing = [peer.answer for peer in assignment.peers if words(peer.answer.value) == now]
    if not agreeing:
        return f"changes from {_short(before)} after reading {shown}{chance}; {how}"
    because = next((one.rationale for one in agreeing if one.rationale.strip()), "")
    quoted = f': "{_short(because, REASON_CHARACTERS_MAX)}"' if because else ""
    return (
        f"changes from {_short(before)} to what {len(agreeing)} of {shown} say{chance}{quoted}; "
        f"{how}"
    )


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
        if not answer.HasField("value"):
            continue
        sure = f" ({answer.confidence:.0%} sure)" if answer.HasField("confidence") else ""
        because = ""
        if reasons and answer.rationale.strip():
            because = f", because {_short(answer.rationale, REASON_CHARACTERS_MAX)}"
        name = f"{answer.agent}: " if answer.agent else ""
        line = f"- {name}{_short(words(answer.value))}{sure}{because}"
        size += len(line)
        if size > PEERS_CHARACTERS_MAX:
            break
        lines.append(line)
    return lines


def _short(text: str, characters_max: int = VALUE_CHARACTERS_MAX) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= characters_max else plain[: characters_max - 3] + "..."
