"""Who could sit in a panel: the table of agent cards and of the heartbeats that say who is alive.

Cards and heartbeats come in as they stand in their topics; the router's seating asks for the live
agents. Of an agent's cards the highest version holds; a second card of one name and version with
another content is refused. An agent is alive while one of its processes has sent a heartbeat less
than three intervals ago and has not said that it leaves; one whose card says `no_heartbeat` is
alive while the card stands.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from comitia.cards import MISSED_MAX, digest_of
from comitia.effects import Recorded
from comitia.errors import Poison
from comitia.topics import AGENT_NAME
from comitia.v1.agent_card_pb2 import AgentCard
from comitia.v1.heartbeat_pb2 import Heartbeat
from comitia_router.limits import Limits

INTERVAL_MS_MAX = 600_000
# Of the name of a process; what is longer is no heartbeat of ours.
INSTANCE_CHARACTERS_MAX = 256
# Of an uint32.
VERSION_DIGITS_MAX = 10


@dataclass(frozen=True, slots=True)
class Beat:
    """The last word of one process of an agent. `append_ms`: broker's clock, epoch milliseconds."""

    append_ms: int
    interval_ms: int
    leaving: bool

    def alive(self, now_ms: int) -> bool:
        return not self.leaving and now_ms - self.append_ms <= MISSED_MAX * self.interval_ms


@dataclass(slots=True)
class Known:
    """One agent: its cards by version with their digests, the last heartbeat of each of its
    processes, and which of its inboxes are there.
    """

    cards: dict[int, tuple[str, AgentCard]] = field(default_factory=dict)
    beats: dict[str, Beat] = field(default_factory=dict)
    inbox: bool = False
    high_inbox: bool = False

    @property
    def card(self) -> AgentCard | None:
        """The one that holds: the highest version."""
        return self.cards[max(self.cards)][1] if self.cards else None


class AgentTable:
    """The agents by name, within `limits`. Not safe for several threads; nothing here does I/O."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._agents: dict[str, Known] = {}

    def learn(self, card: AgentCard) -> None:
        """Take a card in; the same card again changes nothing.

        Raises Poison: INVALID_CARD when it cannot be used, CARD_CONFLICT when its name and version
        stand for another card, TOO_MANY when the table is full.
        """
        _check(card, self._limits)
        if card.name not in self._agents and self._full:
            raise Poison(
                f"agent {card.name!r}: {len(self._agents)} agents are known already, no more fit",
                "TOO_MANY",
            )
        digest = digest_of(card)
        known = self._agents.setdefault(card.name, Known())
        first = known.cards.get(card.version)
        if first is not None and first[0] != digest:
            raise Poison(
                f"agent {card.name!r} version {card.version} already has another card ({first[0]}, "
                f"this one is {digest}): raise the version",
                "CARD_CONFLICT",
            )
        known.cards[card.version] = (digest, card)

    def forget(self, name: str, version: int, digest: str) -> None:
        """Take a card out; nothing happens when it is not there."""
        known = self._agents.get(name)
        first = known.cards.get(version) if known is not None else None
        if known is not None and first is not None and first[0] == digest:
            del known.cards[version]

    def remove(self, key: str) -> None:
        """A tombstone of the agents topic: take out the card of this key, name@version@digest."""
        name, _, rest = key.partition("@")
        version, _, digest = rest.partition("@")
        readable = version.isdecimal() and len(version) <= VERSION_DIGITS_MAX
        self.forget(name, int(version) if readable else 0, digest)

    def beat(self, heartbeat: Heartbeat, append_ms: int) -> None:
        """Take a heartbeat in; those of other services, and of nobody we have room for, are passed
        over.
        """
        if not AGENT_NAME.fullmatch(heartbeat.agent):
            return
        if len(heartbeat.instance) > INSTANCE_CHARACTERS_MAX:
            return
        if heartbeat.agent not in self._agents and self._full:
            return
        beats = self._agents.setdefault(heartbeat.agent, Known()).beats
        interval_ms = min(heartbeat.interval_ms, INTERVAL_MS_MAX)
        beats[heartbeat.instance] = Beat(append_ms, interval_ms, heartbeat.leaving)
        if len(beats) > self._limits.instances_max:
            del beats[min(beats, key=lambda instance: beats[instance].append_ms)]

    @property
    def _full(self) -> bool:
        return len(self._agents) >= self._limits.agents_max

    def cards(self) -> Iterable[AgentCard]:
        """The card that holds of every agent, by name, dead or alive."""
        for name in sorted(self._agents):
            card = self._agents[name].card
            if card is not None:
                yield card

    def alive(self, card: AgentCard, now_ms: int) -> bool:
        """Whether the agent of `card` can be given work: its inbox is there, and it lives.

        `now_ms`: broker's clock, epoch milliseconds.
        """
        known = self._agents[card.name]
        lives = card.no_heartbeat or any(beat.alive(now_ms) for beat in tuple(known.beats.values()))
        return known.inbox and lives

    def alive_count(self, now_ms: int) -> int:
        """How many agents may be seated. May be called from another thread, too."""
        cards = [known.card for known in tuple(self._agents.values())]
        return sum(self.alive(card, now_ms) for card in cards if card is not None)

    def has_priority_lane(self, name: str) -> bool:
        """Whether the agent reads a second inbox, for tasks of high priority, and that is there."""
        known = self._agents[name]
        return known.high_inbox and known.card is not None and known.card.priority_lane

    def without_inbox(self) -> list[tuple[str, bool]]:
        """Inboxes that agents have by their cards and that this table does not know of: the agent's
        name, and whether it is its second one.
        """
        missing = []
        for name, known in self._agents.items():
            if known.card is not None and not known.inbox:
                missing.append((name, False))
            if known.card is not None and known.card.priority_lane and not known.high_inbox:
                missing.append((name, True))
        return missing

    def open_inbox(self, name: str, *, high: bool = False) -> None:
        """From now on the agent may be given work; `high`: in its second inbox too. KeyError when
        nothing is known of it.
        """
        if high:
            self._agents[name].high_inbox = True
        else:
            self._agents[name].inbox = True

    def on_card(self, key: str, recorded: Recorded[AgentCard] | None) -> None:
        """A record of the agents topic as a table sees it; None is a tombstone. A card that is
        refused changes nothing: it is dead-lettered where the topic is read as a stream.
        """
        if recorded is None:
            self.remove(key)
            return
        try:
            self.learn(recorded.message)
        except Poison:
            return

    def on_heartbeat(self, key: str, recorded: Recorded[Heartbeat] | None) -> None:
        """A record of the heartbeats topic."""
        if recorded is not None:
            self.beat(recorded.message, recorded.append_ms)


def _check(card: AgentCard, limits: Limits) -> None:
    problem, size = "", card.ByteSize()
    if size > limits.card_bytes_max:
        problem = f"it has {size} bytes; at most {limits.card_bytes_max}"
    elif not AGENT_NAME.fullmatch(card.name):
        problem = (
            f"name {card.name[:80]!r}: use 1 to 64 characters of a-z 0-9 -, not - at either end"
        )
    elif card.version < 1:
        problem = f"agent {card.name!r}: version 0 is none; count from 1"
    elif not card.skills or not all(skill.strip() for skill in card.skills):
        problem = f"agent {card.name!r}: it lists no skill, or an empty one; name at least one"
    elif len(card.skills) > limits.card_skills_max:
        problem = (
            f"agent {card.name!r}: it lists {len(card.skills)} skills; at most "
            f"{limits.card_skills_max}"
        )
    if problem:
        raise Poison(problem, "INVALID_CARD")
