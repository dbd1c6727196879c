"""Each right that comitia.acls lists is needed: with all of them everything a principal does works,
with one less something fails, in a sentence that says what to grant.

The steps are those of the services, through the same log: topics looked at, written, read whole,
read in a group with a commit, written in a transaction.
"""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import pytest

from comitia import acls
from comitia.acls import Acl
from comitia.config import KafkaSettings, load
from comitia.errors import ConfigError
from comitia.ports import Committed, Outgoing, ReaderSpec, TopicPartition
from comitia.runtime import catalogue
from comitia.runtime.kafka_log import KafkaLog
from comitia.topics import TOPICS, Names
from comitia_aggregator import main as aggregator_main
from comitia_cli.commands.doctor import _cluster
from comitia_cli.shell import Shell
from comitia_learner import main as learner_main
from comitia_router import main as router_main
from tests.integration.wire_acls import Acls
from tests.integration.wire_support import Demanding

AGENT = "librarian"
FETCHES_MAX = 60
ALWAYS = ("heartbeats", "dead-letters")


class Closable(Protocol):
    async def close(self) -> None: ...


@dataclass(frozen=True)
class Doing:
    """What a principal does. Entities of the catalogue; inboxes and groups in full."""

    user: str
    acls: Sequence[Acl]
    looks_at: Sequence[str]
    writes: Sequence[str]
    tables: Sequence[str]
    grouped: Sequence[tuple[str, Sequence[str]]] = ()
    in_transactions: Sequence[str] = ()
    inboxes: Sequence[str] = ()
    writes_to_inboxes: bool = False


def doing(names: Names) -> dict[str, Doing]:
    """Of each principal, from what its service declares where it does."""
    inbox, high = names.inbox(AGENT), names.inbox(AGENT, high=True)
    return {
        "router": Doing(
            "router", acls.router(names), (*router_main.ENTITIES, *ALWAYS),
            writes=("panel-events", *ALWAYS), tables=("agents", "weights", "heartbeats"),
            grouped=[
                ("router", [names.topic(e) for e in ("tasks", "commands", "stages", "agents")])
            ],
            inboxes=(inbox, high), writes_to_inboxes=True,
        ),
        "aggregator": Doing(
            "aggregator", acls.aggregator(names), (*aggregator_main.ENTITIES, *ALWAYS),
            writes=("panel-events", *ALWAYS), tables=("decisions", "weights"),
            grouped=[("aggregator", [names.topic("panel-events")])],
            in_transactions=("decisions", "stages", "feedback", "control"),
            inboxes=(inbox, high), writes_to_inboxes=True,
        ),
        "learner": Doing(
            "learner", acls.learner(names), (*learner_main.ENTITIES, *ALWAYS),
            writes=ALWAYS, tables=("feedback", "decisions", "weights"),
            grouped=[("learner", [names.topic("weights")])],
            in_transactions=("weights", "dead-letters"),
        ),
        "agent": Doing(
            AGENT, acls.agent(names, AGENT, priority_lane=True),
            ("agents", "control", "panel-events", *ALWAYS),
            writes=("agents", "panel-events", *ALWAYS), tables=("agents", "control"),
            grouped=[(f"agent.{AGENT}", [inbox]), (f"agent.{AGENT}.high", [high])],
            inboxes=(inbox, high),
        ),
        "publisher": Doing(
            "publisher", acls.publisher(names), ("tasks", "commands", "feedback", "decisions"),
            writes=("tasks", "commands", "feedback"), tables=("decisions",),
        ),
        "operator": Doing(
            "operator", [a for a in acls.operator(names) if a.resource == "topic"], tuple(TOPICS),
            writes=("tasks", "commands", "feedback", "agents", "panel-events", "dead-letters"),
            tables=tuple(TOPICS), inboxes=(inbox, high), writes_to_inboxes=True,
        ),
    }  # fmt: skip


async def do(log: KafkaLog, names: Names, what: Doing) -> None:
    """All of it, the quick things first."""
    specs = catalogue.wanted(names, what.looks_at, (), -1)
    await catalogue.ensure(log, names, specs, create=False)
    found = await log.describe(what.inboxes)
    assert set(found) == set(what.inboxes)
    if what.user == "operator":
        await log.create([names.inbox_spec(f"a{uuid.uuid4().hex[:8]}")])
    written = [names.topic(entity) for entity in what.writes]
    await write(log, None, [*written, *(what.inboxes if what.writes_to_inboxes else ())])
    if what.in_transactions:
        own = names.transactional_id(what.user, 0)
        await write(log, own, [names.topic(entity) for entity in what.in_transactions])
    for entity in what.tables:
        await read(log, ReaderSpec((names.topic(entity),)))
    for service, topics in what.grouped:
        await read(log, ReaderSpec(tuple(topics), group=names.group(service)))


async def write(log: KafkaLog, transactional_id: str | None, topics: Sequence[str]) -> None:
    async with closing(await log.writer(transactional_id)) as writer:
        if transactional_id is not None:
            await writer.begin()
        for topic in topics:
            await (await writer.send(Outgoing(topic, b"", b"k")))
        if transactional_id is not None:
            await writer.commit()


async def read(log: KafkaLog, spec: ReaderSpec) -> None:
    """Until every topic has given a record; in a group, commit behind one."""
    missing = set(spec.topics)
    async with closing(await log.reader(spec)) as reader:
        for _ in range(FETCHES_MAX):
            for record in await reader.fetch(500, 300):
                missing.discard(record.topic)
                if spec.group is not None:
                    tp = TopicPartition(record.topic, record.partition)
                    await reader.commit({tp: Committed(0)})
            if not missing:
                return
    raise AssertionError(f"nothing came of {missing}")


@contextlib.asynccontextmanager
async def closing(opened: Closable) -> AsyncIterator[Any]:
    try:
        yield opened
    finally:
        await opened.close()


@pytest.fixture(scope="module")
def names() -> Names:
    return Names(f"t{uuid.uuid4().hex[:8]}.")


@pytest.fixture(scope="module")
def allowed(demands: Demanding, names: Names) -> Acls:
    """Topics with a record in each partition, and all rights of everybody."""
    own = Acls(demands.bootstrap)
    asyncio.run(prepare(demands, names, own))
    return own


async def prepare(demands: Demanding, names: Names, own: Acls) -> None:
    settings = load(KafkaSettings, {"bootstrap": demands.bootstrap})
    specs = [*names.specs(), *names.inbox_specs(AGENT, priority_lane=True)]
    async with closing(await KafkaLog.open(settings, "test")) as admin:
        await admin.create(specs)
        async with closing(await admin.writer()) as writer:
            for spec in specs:
                for number in range(spec.partitions):
                    await (await writer.send(Outgoing(spec.name, b"", b"k", partition=number)))
    for what in doing(names).values():
        await own.allow(what.user, what.acls)


@contextlib.asynccontextmanager
async def opened(demands: Demanding, user: str, patch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    for name, value in demands.sasl(user).items():
        patch.setenv(name, value)
    async with closing(await KafkaLog.open(load(KafkaSettings), "test")) as log:
        yield log


@pytest.mark.parametrize("principal", doing(Names()))
async def test_with_all_its_rights_everything_works(
    principal: str, allowed: Acls, demands: Demanding, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    what = doing(names)[principal]
    async with opened(demands, what.user, monkeypatch) as log:
        await do(log, names, what)


def each_right() -> Iterator[Any]:
    for principal, what in doing(Names()).items():
        for number, acl in enumerate(what.acls):
            for operation in acl.operations:
                words = f"{principal}: {operation} {acl.resource} {acl.name}"
                yield pytest.param((principal, number, operation), id=words)


@pytest.mark.parametrize("right", each_right())
async def test_with_one_right_less_something_fails_and_says_which(
    right: tuple[str, int, acls.Operation],
    allowed: Acls,
    demands: Demanding,
    names: Names,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    principal, number, operation = right
    what = doing(names)[principal]
    acl = what.acls[number]
    less = [replace(acl, operations=(operation,))]
    await allowed.take(what.user, less)
    try:
        async with opened(demands, what.user, monkeypatch) as log:
            with pytest.raises(ConfigError) as caught:
                await do(log, names, what)
    finally:
        await allowed.allow(what.user, less)
    # Without its only right but DescribeConfigs a topic cannot even be seen.
    said = str(caught.value)
    sentences = [
        f"grant User:{what.user} the operation {one} on {acl.resource} {acl.name}"
        for one in ((operation, "Describe") if acl.resource == "topic" else (operation,))
    ]
    assert any(sentence in said for sentence in sentences), said


async def test_doctor_says_what_it_may_not_look_at(
    allowed: Acls, demands: Demanding, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator's rights other than those on topics, which the steps above need."""
    rights = {a.resource: a for a in acls.operator(names) if a.resource != "topic"}
    await allowed.allow("operator", list(rights.values()))
    for name, value in (demands.sasl("operator") | {"COMITIA_PREFIX": names.prefix}).items():
        monkeypatch.setenv(name, value)

    async def told() -> str:
        return "\n".join(finding.words for finding in await _cluster(Shell(), demands.secure))

    everything = await told()
    assert "takes the operation" not in everything
    assert "grant" not in everything
    for operation in rights["cluster"].operations:
        less = [replace(rights["cluster"], operations=(operation,))]
        await allowed.take("operator", less)
        assert f"takes the operation {operation} on the cluster" in await told()
        await allowed.allow("operator", less)
    await allowed.take("operator", [rights["transactional-id"]])
    own = rights["transactional-id"].name
    assert f"grant User:operator the operation Write on transactional-id {own}" in await told()
