"""How an agent's card stands in the `agents` topic: its digest, its key, and when its agent counts
as gone. Router, agents and command line must agree on these.
"""

import hashlib

from comitia.v1.agent_card_pb2 import AgentCard

# So many heartbeats in a row may be missing before an agent counts as gone.
MISSED_MAX = 3


def digest_of(card: AgentCard) -> str:
    """Names a card's content: "sha256:" and 64 hexadecimal digits of its deterministic
    serialisation.
    """
    return "sha256:" + hashlib.sha256(card.SerializeToString(deterministic=True)).hexdigest()


def card_key(card: AgentCard) -> str:
    """The card's key in the topic: name@version@digest."""
    return f"{card.name}@{card.version}@{digest_of(card)}"
