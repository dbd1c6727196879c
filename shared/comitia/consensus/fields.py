"""JSON field by field: every member of an object gets its own vote.

    value(path) = the plurality of what the ballots say at that path, which may be that it is absent

Ballots in, an Outcome out, whose winner is the key of a document that may be nobody's. Each place
is voted on by the ballots that say an object where it belongs: its value is an object (then its
members are voted on in turn), anything else, which is compared as a whole (an array too), or that
there is no such member. What fits together in every ballot may not do so in the result: C. List and
P. Pettit, "Aggregating Sets of Judgments: An Impossibility Result", Economics and Philosophy 18
(2002), 89-110, DOI 10.1017/S0266267102001098. Where fields depend on each other, ask for a
plurality of whole documents.

A field without a leader leaves the vote without a winner; the documents with each of its leaders
tie, TIED_MAX of them at most. The margin is that of the closest field. Abstentions, and choices
that are no JSON, are not cast; confidences and weights do not count.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice, product

from comitia.consensus import made
from comitia.consensus.ballots import Ballot, Outcome
from comitia.consensus.keys import json_key

# Documents of a tie that are named; of more, the first by the order of their fields.
TIED_MAX = 8

# A document with more members, all depths together, is compared as a whole: what a count costs
# stays bounded.
MEMBERS_MAX = 1000

# What a place can hold besides JSON text: an object that is voted on by its members, or nothing.
OBJECT, ABSENT = "{", ""

# An object by its members' names, or the JSON text of anything else.
Node = dict[str, "Node"] | str


def decide(ballots: Iterable[Ballot]) -> Outcome:
    """Nothing is raised."""
    documents, keys, abstained = _documents(ballots)
    if not documents:
        return made.nothing(abstained)
    leaders, margin = _vote(documents, len(documents))
    outcome = made.outcome(leaders[0], keys, abstained, margin)
    if len(leaders) == 1:
        return outcome
    said = {key: share for key, share in outcome.shares.items() if share > 0.0}
    return Outcome(None, tuple(sorted(leaders)), said, 0.0, outcome.cast, abstained)


def settled(ballots: Iterable[Ballot], open_max: int) -> bool:
    """Whether there is a winner that up to `open_max` further ballots, whatever they say, leave in
    place.

    True exactly when in every field, down to the values that win, the leader has more than open_max
    votes above the next (see `plurality.settled`). A member that nobody has named needs no look: an
    object that leads by so much has more voters than are out, who all say that it is absent.
    """
    documents, _, _ = _documents(ballots)
    return bool(documents) and _settled(documents, len(documents), open_max)


def _documents(ballots: Iterable[Ballot]) -> tuple[list[Node], list[str], int]:
    """The documents cast, their keys, and how many ballots are not cast."""
    choices = [ballot.choice for ballot in ballots]
    keys = [key for key in map(_key, choices) if key is not None]
    return [_node(key) for key in keys], keys, len(choices) - len(keys)


def _key(choice: str | None) -> str | None:
    try:
        return json_key(choice) if choice is not None else None
    except ValueError:
        return None


def _node(key: str) -> Node:
    document = json.loads(key)
    return _text(document) if _members(document) > MEMBERS_MAX else _divided(document)


def _members(node: object) -> int:
    if not isinstance(node, dict):
        return 0
    return len(node) + sum(map(_members, node.values()))


def _divided(node: object) -> Node:
    if not isinstance(node, dict):
        return _text(node)
    return {name: _divided(member) for name, member in node.items()}


def _text(node: object) -> str:
    return json.dumps(node, sort_keys=True, separators=(",", ":"))


def _count(said: Sequence[Node], voters: int) -> Counter[str]:
    """Votes by what is said at a place. `said`: by those who say anything, of `voters`."""
    votes = Counter(OBJECT if isinstance(node, dict) else node for node in said)
    if len(said) < voters:
        votes[ABSENT] = voters - len(said)
    return votes


def _by_name(said: Sequence[Node]) -> tuple[dict[str, list[Node]], int]:
    """What the objects among `said` say of each member, and how many objects they are."""
    objects = [node for node in said if isinstance(node, dict)]
    members: dict[str, list[Node]] = {}
    for one in objects:
        for name, member in one.items():
            members.setdefault(name, []).append(member)
    return members, len(objects)


def _vote(said: Sequence[Node], voters: int) -> tuple[list[str], float]:
    """JSON texts of the leaders at a place, ABSENT for none, and the least margin in it."""
    votes = _count(said, voters)
    (_, first), (_, second) = [*votes.most_common(2), (ABSENT, 0)][:2]
    margin = (first - second) / voters
    leaders: list[str] = []
    for leader in sorted(text for text, count in votes.items() if count == first):
        if leader == OBJECT:
            merged, least = _merged(*_by_name(said))
            leaders += merged
            margin = min(margin, least)
        else:
            leaders.append(leader)
    return leaders[:TIED_MAX], margin


def _merged(members: dict[str, list[Node]], voters: int) -> tuple[list[str], float]:
    """JSON texts of the leading objects, and the least margin in them."""
    names = sorted(members)
    votes = [_vote(members[name], voters) for name in names]
    margin = min((least for _, least in votes), default=1.0)
    objects = []
    for texts in islice(product(*(leaders for leaders, _ in votes)), TIED_MAX):
        named = zip(names, texts, strict=True)
        inside = ",".join(f"{_text(name)}:{text}" for name, text in named if text != ABSENT)
        objects.append(f"{{{inside}}}")
    return objects, margin


def _settled(said: Sequence[Node], voters: int, open_max: int) -> bool:
    votes = _count(said, voters)
    (leader, first), (_, second) = [*votes.most_common(2), (ABSENT, 0)][:2]
    if first - second <= open_max:
        return False
    if leader != OBJECT:
        return True
    members, objects = _by_name(said)
    return all(_settled(named, objects, open_max) for named in members.values())
