"""Who can sit on a panel: cards from the `agents` topic, and from `heartbeats` who of them is
alive.

A card is known by name, version and digest. Of two cards with one name and version the first in the
log stands; the other is refused. The highest version of a name counts.
"""

from dataclasses import dataclass
from pathlib import Path

import yaml
from google.protobuf.json_format import ParseDict, ParseError

from comitia.cards import MISSED_MAX, card_key, digest_of
from comitia.config import RouterSettings
from comitia.errors import ConfigError
from comitia.ports import Record
from comitia.topics import AGENT_NAME
from comitia.v1.agent_card_pb2 import AgentCard
from comitia.v1.heartbeat_pb2 import Heartbeat
from comitia_cli.client.records import decode, partitions_of, scan
from comitia_cli.client.sending import publish_one, withdraw
from comitia_cli.shell import Session

CARD_BYTES_MAX = int(RouterSettings.model_fields["card_bytes_max"].default)
CARD_SKILLS_MAX = int(RouterSettings.model_fields["card_skills_max"].default)


@dataclass(frozen=True)
class Listed:
    """An agent as the log shows it. `refused`: digests of other cards that claim its name and
    version.
    """

    card: AgentCard
    digest: str
    alive: bool = False
    refused: tuple[str, ...] = ()


async def listed(session: Session) -> list[Listed]:
    """The card that counts of each agent, by name."""
    standing: dict[tuple[str, int], tuple[str, AgentCard]] = {}
    refused: dict[tuple[str, int], list[str]] = {}
    for digest, card in await _in_log(session):
        claim = (card.name, card.version)
        if claim not in standing:
            standing[claim] = (digest, card)
        elif standing[claim][0] != digest:
            refused.setdefault(claim, []).append(digest)
    beats = await _heartbeats(session)
    newest = {name: max(v for n, v in standing if n == name) for name, _ in standing}
    agents = []
    for name, version in sorted(newest.items()):
        digest, card = standing[name, version]
        beat = beats.get(name)
        alive = card.no_heartbeat or (beat is not None and not beat.leaving)
        agents.append(Listed(card, digest, alive, tuple(refused.get((name, version), ()))))
    return agents


async def _in_log(session: Session) -> list[tuple[str, AgentCard]]:
    """(digest, card), the first written first; withdrawn cards are left out."""
    return [
        (key.decode(errors="replace").rpartition("@")[2], decode(AgentCard, record))
        for key, record in (await _standing(session)).items()
    ]


async def _standing(session: Session) -> dict[bytes, Record]:
    """The first record of each key that was not withdrawn, in the order of the log."""
    found: dict[bytes, Record] = {}
    async for record in scan(session.log, partitions_of([await session.topic("agents")])):
        key = record.key or b""
        if record.value is None:
            found.pop(key, None)
        else:
            found.setdefault(key, record)
    return found


async def _heartbeats(session: Session) -> dict[str, Heartbeat]:
    """The last heartbeat of each agent, of those not older than three of its intervals.

    Old and young are told apart by the broker's clock, which the last heartbeat of anybody shows.
    """
    partitions = partitions_of([await session.topic("heartbeats")])
    last: dict[str, tuple[int, Heartbeat]] = {}
    now_ms = 0
    async for record in scan(session.log, partitions):
        beat = decode(Heartbeat, record)
        now_ms = max(now_ms, record.timestamp_ms)
        if beat.agent:
            last[beat.agent] = (record.timestamp_ms, beat)
    return {
        agent: beat
        for agent, (at_ms, beat) in last.items()
        if now_ms - at_ms <= MISSED_MAX * beat.interval_ms
    }


def read_agent_card(path: Path) -> AgentCard:
    """A card of YAML or JSON with the fields of AgentCard in proto3 JSON. ConfigError says what to
    change.
    """
    try:
        fields = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read as a card: {error}") from error
    if isinstance(fields, dict) and isinstance(fields.get("skills"), dict):
        raise ConfigError(
            f"{path} is a card that Comitia runs itself: put it into the folder of agents and "
            "start `comitia up` again. `agents add` is for agents that you run yourself"
        )
    try:
        card = ParseDict(fields, AgentCard())
    except (ParseError, AttributeError, TypeError) as error:
        raise ConfigError(f"{path} is no agent card: {error}") from error
    if not AGENT_NAME.fullmatch(card.name):
        raise ConfigError(f"{path}: name {card.name!r}: use 1 to 64 characters of a-z 0-9 -")
    if card.version < 1:
        raise ConfigError(f"{path}: version: give a whole number from 1")
    if not 1 <= len(card.skills) <= CARD_SKILLS_MAX:
        raise ConfigError(f"{path}: skills: name 1 to {CARD_SKILLS_MAX}")
    if card.ByteSize() > CARD_BYTES_MAX:
        raise ConfigError(f"{path}: the card has {card.ByteSize()} bytes; at most {CARD_BYTES_MAX}")
    return card


async def add(session: Session, card: AgentCard) -> bool:
    """Make its inbox, or both, and publish the card; False when this very card is there already.

    ConfigError when another card has its name and version, or a higher version of it stands.
    """
    digest = digest_of(card)
    for known in await listed(session):
        if known.card.name != card.name:
            continue
        if known.card.version > card.version:
            raise ConfigError(
                f"agent {card.name} is already at version {known.card.version}: give your card "
                f"version {known.card.version + 1} or higher"
            )
        if known.card.version == card.version:
            if known.digest == digest:
                return False
            raise ConfigError(
                f"agent {card.name} version {card.version} is another card "
                f"({known.digest[:19]}...): give yours version {card.version + 1}, or another name"
            )
    replication = session.settings.replication
    inboxes = session.names.inbox_specs(card.name, replication, priority_lane=card.priority_lane)
    await session.log.create(inboxes)
    await publish_one(session, "agents", card_key(card), card)
    return True


async def remove(session: Session, name: str) -> None:
    """Withdraw every card of an agent, so that no panel seats it any more. Its inboxes stay.

    ConfigError when there is none, or when it still sends heartbeats.
    """
    known = {agent.card.name: agent for agent in await listed(session)}
    if name not in known:
        raise ConfigError(f"no agent is called {name!r}: `comitia agents` lists them")
    if known[name].alive and not known[name].card.no_heartbeat:
        raise ConfigError(f"agent {name} is running: stop it first, then remove it")
    for record in (await _standing(session)).values():
        if decode(AgentCard, record).name == name:
            await withdraw(session, record)
