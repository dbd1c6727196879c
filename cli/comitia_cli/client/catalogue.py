"""The catalogue of topics against what a cluster has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from comitia.ports import TopicSpec
from comitia.runtime.catalogue import differences
from comitia.topics import Names
from comitia_cli.client import agents
from comitia_cli.shell import Session


@dataclass(frozen=True)
class Comparison:
    """A topic as it should be and as it is. `found` None: it does not exist.

    `differs`: setting -> (wanted, found), "partitions" among them.
    """

    wanted: TopicSpec
    found: TopicSpec | None
    differs: Mapping[str, tuple[str, str]]


def compare(wanted: TopicSpec, found: TopicSpec | None) -> Comparison:
    """What of a topic is not as the catalogue says. The replication factor counts only where it was
    set.
    """
    if found is None:
        return Comparison(wanted, None, {})
    differs = {
        name: (value, found.config.get(name, ""))
        for name, value in wanted.config.items()
        if found.config.get(name, "") != value
    }
    if found.partitions != wanted.partitions:
        differs["partitions"] = (str(wanted.partitions), str(found.partitions))
    if wanted.replication > 0 and found.replication != wanted.replication:
        differs["replication"] = (str(wanted.replication), str(found.replication))
    return Comparison(wanted, found, differs)


def refused(names: Names, found: Sequence[Comparison]) -> list[str]:
    """What no service starts on, of topics that exist, with what to change."""
    existing = {one.found.name: one.found for one in found if one.found is not None}
    specs = [one.wanted for one in found if one.found is not None]
    return differences(names, specs, existing)


HIGH = ".high"


async def wanted(session: Session, inboxes: Sequence[str] = ()) -> list[TopicSpec]:
    """Every topic of the catalogue, the inboxes of every agent that has a card, and those of
    `inboxes`: names of agents, with HIGH behind it for the inbox of its priority lane.
    """
    replication = session.settings.replication
    specs = session.names.specs(replication)
    for inbox in inboxes:
        name = inbox.removesuffix(HIGH)
        specs.append(session.names.inbox_spec(name, replication, high=inbox != name))
    registry = session.names.topic("agents")
    if registry in await session.log.describe([registry]):
        for agent in await agents.listed(session):
            card = agent.card
            specs += session.names.inbox_specs(
                card.name, replication, priority_lane=card.priority_lane
            )
    return list({spec.name: spec for spec in specs}.values())


async def comparisons(session: Session, inboxes: Sequence[str] = ()) -> list[Comparison]:
    """All topics, in the catalogue's order; `inboxes` as in `wanted`."""
    specs = await wanted(session, inboxes)
    found = await session.log.describe([spec.name for spec in specs])
    return [compare(spec, found.get(spec.name)) for spec in specs]
