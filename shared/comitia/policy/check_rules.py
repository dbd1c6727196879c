"""Is a table of rules one that can be applied? Rules and the format of the answers in, the
sentences about what to change out.
"""

import math
from collections.abc import Iterator

from comitia.policy.names import duplicates, name_problem, one_of
from comitia.policy.schema import has
from comitia.v1.format_pb2 import AnswerFormat
from comitia.v1.rule_pb2 import Rule, RuleEffect, Rules, RuleVoter

RULES_MAX = 32
WORDS_MAX = 256
BECAUSE_CHARACTERS_MAX = 512
KINDS = "veto, required, owner, guard_words, bounds"


def rules_problems(rules: Rules, given: AnswerFormat | None, where: str) -> Iterator[str]:
    """What is wrong with the rules. `given`: None where the format is not known yet."""
    if not 1 <= len(rules.rules) <= RULES_MAX:
        yield f"{where}.rules: it has {len(rules.rules)}; write 1 to {RULES_MAX} rules"
    names = [rule.name for rule in rules.rules]
    yield from duplicates(f"{where}.rules", names, "rules", "give each a name of its own")
    for number, rule in enumerate(rules.rules):
        yield from _rule(rule, given, f"{where}.rules[{number}]")


def _rule(rule: Rule, given: AnswerFormat | None, where: str) -> Iterator[str]:
    yield from name_problem(f"{where}.name", rule.name)
    yield from one_of(f"{where}.effect", rule.effect, RuleEffect)
    if len(rule.because) > BECAUSE_CHARACTERS_MAX:
        yield (
            f"{where}.because: it has {len(rule.because)} characters; use at most "
            f"{BECAUSE_CHARACTERS_MAX}"
        )
    kind = rule.WhichOneof("kind")
    if kind is None:
        yield f"{where}: it says nothing; set one of {KINDS}"
    elif kind == "guard_words":
        yield from _words(rule, given, f"{where}.guard_words")
    elif kind == "bounds":
        yield from _bounds(rule, given, f"{where}.bounds")
    else:
        yield from _voter(getattr(rule, kind).voter, f"{where}.{kind}.voter")
    if kind in ("veto", "owner"):
        confidence = getattr(rule, kind).confidence_min
        if not 0.0 <= confidence <= 1.0:
            yield f"{where}.{kind}.confidence_min: {confidence:g} is no probability; give 0 to 1"
    if kind == "owner":
        yield from _options(rule, given, f"{where}.owner.option_ids")
        if rule.effect:
            yield f"{where}.effect: with owner the owner's value wins; leave it out"


def _voter(voter: RuleVoter, where: str) -> Iterator[str]:
    if bool(voter.agent) == bool(voter.role):
        yield f"{where}: set one of agent and role"
    elif voter.agent:
        yield from name_problem(f"{where}.agent", voter.agent)


def _options(rule: Rule, given: AnswerFormat | None, where: str) -> Iterator[str]:
    named = list(rule.owner.option_ids)
    if not named or given is None:
        return
    if given.WhichOneof("kind") != "choice":
        yield f"{where}: the format is {given.WhichOneof('kind')}, which has none; leave it out"
        return
    options = {option.id for option in given.choice.options}
    for option in named:
        if option not in options:
            yield f"{where}: {option!r} is none of the options; use one of {sorted(options)[:8]}"


def _words(rule: Rule, given: AnswerFormat | None, where: str) -> Iterator[str]:
    words = rule.guard_words.words
    if not 1 <= len(words) <= WORDS_MAX:
        yield f"{where}.words: it has {len(words)}; write 1 to {WORDS_MAX} words"
    if any(not word.strip() for word in words):
        yield f"{where}.words: one is empty; leave it out"
    kind = given.WhichOneof("kind") if given is not None else None
    if kind not in (None, "text", "json"):
        yield f"{where}: answers of format.{kind} hold no words; use it with text or json"


def _bounds(rule: Rule, given: AnswerFormat | None, where: str) -> Iterator[str]:
    bounds = rule.bounds
    low, high = bounds.HasField("min"), bounds.HasField("max")
    if not low and not high:
        yield f"{where}: it bounds nothing; set min or max"
    for name in ("min", "max"):
        if not math.isfinite(bound := getattr(bounds, name)):
            yield f"{where}.{name}: {bound} bounds nothing; give a finite number, or leave it out"
    if low and high and bounds.min > bounds.max:
        yield f"{where}: min {bounds.min:g} is above max {bounds.max:g}; exchange them"
    if bounds.field and not bounds.field.startswith("/"):
        yield f"{where}.field: {bounds.field!r} is no JSON pointer; write it as '/{bounds.field}'"
        return
    if given is None:
        return
    kind = given.WhichOneof("kind")
    if kind not in ("number", "json"):
        yield f"{where}: answers of format.{kind} hold no number; use it with number or json"
    elif kind == "number" and bounds.field:
        yield f"{where}.field: the answer is the number itself; leave it out"
    elif kind == "json" and not bounds.field:
        yield f"{where}.field: say where in the JSON answer the number stands, such as '/total'"
    elif kind == "json" and not has(given.json.schema, bounds.field):
        yield (
            f"{where}.field: the schema of the answers has nothing at {bounds.field!r}; name a "
            "property of format.json.schema"
        )
