"""Whether an agent may appear under its card: the rule of `agents` topic, one digest per name and
version. Pure.
"""

from collections.abc import Iterable

from comitia.cards import card_key
from comitia.errors import ConfigError
from comitia.v1.agent_card_pb2 import AgentCard


def must_publish(standing: Iterable[str], card: AgentCard) -> bool:
    """Whether the card has yet to be published; `standing` are the keys in the topic.

    ConfigError when the same version stands with another digest: the first one stays provable, so a
    changed card (or a changed model) needs a higher version.
    """
    own = card_key(card)
    same_version = [key for key in standing if key.startswith(f"{card.name}@{card.version}@")]
    if own in same_version:
        return False
    if same_version:
        raise ConfigError(
            f"version {card.version} of agent {card.name!r} is already published with another "
            f"content ({same_version[0]}; this one is {own}). Raise 'version' in its card."
        )
    return True
