"""An agent as a judge: the panel's answers in, the one that it finds best out.

A card may say how it judges (`judge`, a prompt for letters); otherwise an agent that weighs options
judges by how it weighs those that were answered, and one that writes by how likely it would write
each of them. Answers are shown in the order of the assignment, without names: what depends on their
order, asking again in the reverse one cancels. What is picked is handed on as it was given.
"""

import string
from collections.abc import Sequence

from comitia.consensus.weights import JUDGE
from comitia.v1.answer_pb2 import AbstentionReason, Answer, OptionProbability
from comitia.v1.assignment_pb2 import Assignment, PeerAnswer
from comitia.v1.format_pb2 import Option
from comitia_agent.answers import abstain, usage_of
from comitia_agent.blocks import Calibration
from comitia_agent.budget import affordable
from comitia_agent.chance import best, probabilities
from comitia_agent.choosing import Chooser, Unsupported, Weighed
from comitia_agent.deliberation import Words, argument, notes, short
from comitia_agent.means import Means
from comitia_agent.writing import Writer

# Letters that a model tells apart.
CANDIDATES_MAX = len(string.ascii_uppercase)
UNDECIDED = AbstentionReason.ABSTENTION_REASON_UNDECIDED


async def judge(text: str, assignment: Assignment, means: Means) -> Answer:
    """Pick among the answers of others, or write one where that may be done and the card can.
    Raises Unsupported, TooDear, and whatever the model raises.
    """
    task, skill = assignment.task, _skill(assignment)
    words, writer = means.words(task), means.writer(task, skill)
    if assignment.may_write and means.writer(task) is not None:
        return await means.answer(text, assignment, notes(assignment, words)[0].text)
    if skill in means.judges:
        return await _by_letter(text, assignment, means.judges[skill], words)
    if task.format.HasField("choice") and skill in means.choosers:
        return await _by_options(text, assignment, means.choosers[skill])
    if writer is not None:
        return await _by_words(text, assignment, writer, words)
    kind = task.format.WhichOneof("kind")
    raise Unsupported(
        f"this agent does not judge answers to tasks of skill {skill!r} with a {kind}"
    )


def _skill(assignment: Assignment) -> str:
    """By which skill to judge: what the step of the policy says, else the task's."""
    for step in assignment.task.policy.steps:
        if step.judge.skill and (step.name or JUDGE) == assignment.step:
            return step.judge.skill
    return assignment.task.skill


async def _by_letter(text: str, assignment: Assignment, chooser: Chooser, words: Words) -> Answer:
    """Ask for the letter of the best answer."""
    peers = _candidates(assignment)
    affordable(assignment, chooser.least_tokens)
    letters = string.ascii_uppercase[: len(peers)]
    listing = "\n".join(
        f"{letter}: {_shown(peer, words)}" for letter, peer in zip(letters, peers, strict=True)
    )
    asked = f"{text}\n\nAnswers:\n{listing}"
    weighed = await chooser.weigh(asked, [Option(id=letter) for letter in letters])
    return _pick(assignment, peers, weighed, dict(zip(letters, peers, strict=True)))


async def _by_words(text: str, assignment: Assignment, writer: Writer, words: Words) -> Answer:
    """Show all answers, and pick the one that the model would most likely write then. Likelihoods
    are brought to the usual length, as a long answer has more that can be unlikely.
    """
    peers = _candidates(assignment)
    affordable(assignment, writer.least_tokens)
    said = [short(words(peer.answer.value)) for peer in peers]
    shown = "\n".join(f"- {_shown(peer, words)}" for peer in peers)
    note = f"Answers to what follows:\n{shown}\nPick the right one."
    scores = await writer.likelihoods(text, said, note)
    names = [str(place) for place in range(len(peers))]
    lengths = [len(one) + 1 for one in said]
    usual = sum(lengths) / len(lengths)
    likely = zip(scores.log_likelihoods, lengths, strict=True)
    each = [usual * one / length for one, length in likely]
    chances = probabilities(Calibration(), names, each, (0.0,) * len(names))
    how = "the likelihood of its words"
    named = dict(zip(names, peers, strict=True))
    return _pick(assignment, peers, Weighed(chances, how, scores.usage), named)


async def _by_options(text: str, assignment: Assignment, chooser: Chooser) -> Answer:
    """Weigh the task's options, and pick the likeliest of those that were answered."""
    peers = _candidates(assignment)
    affordable(assignment, chooser.least_tokens)
    weighed = await chooser.weigh(text, assignment.task.format.choice.options)
    answered = {peer.answer.value.option_id: peer for peer in peers}
    chances = {o: chance for o, chance in weighed.chances.items() if o in answered}
    whole = sum(chances.values())
    if not whole:
        return abstain(UNDECIDED, "none of the answers is one of the options")
    among = Weighed({o: c / whole for o, c in chances.items()}, weighed.how, weighed.usage)
    return _pick(assignment, peers, among, answered)


def _pick(
    assignment: Assignment,
    peers: Sequence[PeerAnswer],
    weighed: Weighed,
    named: dict[str, PeerAnswer],
) -> Answer:
    picked = best(weighed.chances)
    if picked is None:
        answer = abstain(UNDECIDED, "two of the answers seem exactly as good")
    else:
        chance = weighed.chances[picked]
        answer = Answer(confidence=chance)
        answer.value.CopyFrom(named[picked].answer.value)
        place = 1 + [id(peer) for peer in peers].index(id(named[picked]))
        answer.rationale = (
            f"picked answer {place} of {len(peers)} with probability {chance:.2f}, by {weighed.how}"
        )
        if assignment.task.format.HasField("choice"):
            answer.probabilities.extend(_probabilities(weighed, named))
    answer.usage.CopyFrom(usage_of(weighed.usage))
    return answer


def _probabilities(weighed: Weighed, named: dict[str, PeerAnswer]) -> list[OptionProbability]:
    return [
        OptionProbability(option_id=named[name].answer.value.option_id, probability=chance)
        for name, chance in weighed.chances.items()
    ]


def _candidates(assignment: Assignment) -> list[PeerAnswer]:
    peers = [peer for peer in assignment.peers if peer.answer.HasField("value")][:CANDIDATES_MAX]
    if len(peers) < 2:
        raise Unsupported("there are no two answers to judge")
    return peers


def _shown(peer: PeerAnswer, words: Words) -> str:
    value, why = short(words(peer.answer.value)), argument(peer.answer)
    return f"{value} ({why})" if why else value
