"""The topics of a cluster against the catalogue: created where they are missing, refused where they
differ in what the rules rest on.

In come the names of the topics that a service needs; out come their specifications as found.
"""

from collections.abc import Iterable, Mapping, Sequence

from comitia.errors import ConfigError, Retryable
from comitia.ports import Log, TopicSpec
from comitia.topics import Names

# Rule 2: an aggregator owns the same partition of both.
_SHARED_PARTITIONS = ("panel-events", "decisions")


def wanted(
    names: Names, entities: Iterable[str], inboxes: Iterable[str], replication: int
) -> list[TopicSpec]:
    """Specifications of the named topics of the catalogue and of agents' inboxes."""
    chosen = {names.topic(entity) for entity in entities}
    specs = [spec for spec in names.specs(replication) if spec.name in chosen]
    return specs + [names.inbox_spec(agent, replication) for agent in inboxes]


async def ensure(
    log: Log, names: Names, specs: Sequence[TopicSpec], create: bool
) -> Mapping[str, TopicSpec]:
    """The topics as they are, by full name.

    Missing ones are made when `create`, else they are differences. Raises ConfigError that lists
    the differences, Retryable when the broker is away or has not told of a new topic yet.
    """
    found = await log.describe([spec.name for spec in specs])
    missing = [spec for spec in specs if spec.name not in found]
    if missing and create:
        await log.create(missing)
        found = await log.describe([spec.name for spec in specs])
        unseen = [spec.name for spec in specs if spec.name not in found]
        if unseen:
            raise Retryable(f"just created, not visible yet: {', '.join(unseen)}")
    problems = differences(names, specs, found)
    if problems:
        raise ConfigError("topics differ from the catalogue: " + "; ".join(problems))
    return found


def differences(
    names: Names, specs: Sequence[TopicSpec], found: Mapping[str, TopicSpec]
) -> list[str]:
    """What is wrong, for a person; each says what to change."""
    problems = []
    for spec in specs:
        actual = found.get(spec.name)
        if actual is None:
            problems.append(f"{spec.name} does not exist: create it (`comitia topics`)")
            continue
        problems += refused(spec, actual).values()
    events, decisions = (found.get(names.topic(entity)) for entity in _SHARED_PARTITIONS)
    if events and decisions and events.partitions != decisions.partitions:
        problems.append(
            f"{events.name} has {events.partitions} partitions and {decisions.name}"
            f" {decisions.partitions}: give both the same number"
        )
    return problems


def refused(spec: TopicSpec, actual: TopicSpec) -> dict[str, str]:
    """What no service starts on: setting -> what to change. Other differences, of retention or in
    the number of partitions, are the operator's to choose.
    """
    problems = {}
    for setting in ("message.timestamp.type", "cleanup.policy"):
        value = actual.config.get(setting)
        if value is not None and value != spec.config[setting]:
            problems[setting] = f"{spec.name}: {setting} is {value}, set {spec.config[setting]}"
    size, least = actual.config.get("max.message.bytes"), spec.config["max.message.bytes"]
    if size is not None and int(size) < int(least):
        problems["max.message.bytes"] = (
            f"{spec.name}: max.message.bytes is {size}, set at least {least}"
        )
    return problems
