"""Answers as messages: from weighed options, or an abstention and its reason. Pure."""

from comitia import ports
from comitia.v1.answer_pb2 import Abstention, AbstentionReason, Answer, OptionProbability, Usage
from comitia.v1.value_pb2 import Ranking, Tier, Value
from comitia_agent.chance import best, tiers
from comitia_agent.choosing import Weighed

DETAIL_CHARACTERS_MAX = 2_000


def abstain(reason: AbstentionReason, detail: str) -> Answer:
    """No value, and why. `detail` is for a person."""
    return Answer(abstention=Abstention(reason=reason, detail=detail[:DETAIL_CHARACTERS_MAX]))


def choice(weighed: Weighed) -> Answer:
    """The likeliest option, with the probability of each; an abstention where two are exactly
    alike.
    """
    chosen = best(weighed.chances)
    if chosen is None:
        answer = abstain(
            AbstentionReason.ABSTENTION_REASON_UNDECIDED, "several options are exactly as likely"
        )
    else:
        chance = weighed.chances[chosen]
        answer = Answer(value=Value(option_id=chosen), confidence=chance)
        answer.rationale = f"{chosen} with probability {chance:.2f}, by {weighed.how}"
    _tell(answer, weighed)
    return answer


def ranking(weighed: Weighed) -> Answer:
    """The options from likeliest to least likely."""
    ranked = Ranking(tiers=[Tier(option_ids=tier) for tier in tiers(weighed.chances)])
    answer = Answer(value=Value(ranking=ranked), rationale=f"by {weighed.how}")
    _tell(answer, weighed)
    return answer


def usage_of(usage: ports.Usage) -> Usage:
    """The port's tokens as the message's."""
    return Usage(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        cached_tokens=usage.cached_tokens,
    )


def plus(one: ports.Usage, other: ports.Usage) -> ports.Usage:
    """Tokens of both."""
    return ports.Usage(
        one.prompt_tokens + other.prompt_tokens,
        one.completion_tokens + other.completion_tokens,
        one.cached_tokens + other.cached_tokens,
    )


def usage_in(answer: Answer) -> ports.Usage:
    """What an answer has cost so far."""
    usage = answer.usage
    return ports.Usage(usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens)


def _tell(answer: Answer, weighed: Weighed) -> None:
    answer.probabilities.extend(
        OptionProbability(option_id=option, probability=chance)
        for option, chance in weighed.chances.items()
    )
    answer.usage.CopyFrom(usage_of(weighed.usage))
