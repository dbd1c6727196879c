"""ACLs set and taken away on a running broker. In come rights as comitia.acls lists them; out comes
an authorizer that has exactly those.
"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from comitia.acls import Acl

_RESOURCES = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional-id": ResourceType.TRANSACTIONAL_ID,
    "cluster": ResourceType.BROKER,
}
_OPERATIONS = {
    "Read": AclOperation.READ,
    "Write": AclOperation.WRITE,
    "Create": AclOperation.CREATE,
    "Describe": AclOperation.DESCRIBE,
    "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS,
}
_PATTERNS = {"literal": ResourcePatternType.LITERAL, "prefixed": ResourcePatternType.PREFIXED}


class Acls:
    """The authorizer of one broker, asked over its own listener. The controller answers before the
    broker has heard of a change; it has once its own list shows it.
    """

    def __init__(self, bootstrap: str) -> None:
        self._admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})

    async def allow(self, user: str, acls: Sequence[Acl]) -> None:
        """Add these, for `User:<user>` from everywhere."""
        made = self._admin.create_acls([AclBinding(*each) for each in _each(user, acls)])
        for future in made.values():
            await asyncio.wrap_future(future)
        await self._listed(user, acls, present=True)

    async def take(self, user: str, acls: Sequence[Acl]) -> None:
        """Take these away."""
        taken = self._admin.delete_acls([AclBindingFilter(*each) for each in _each(user, acls)])
        for future in taken.values():
            assert len(await asyncio.wrap_future(future)) == 1
        await self._listed(user, acls, present=False)

    async def _listed(self, user: str, acls: Sequence[Acl], *, present: bool) -> None:
        for each in _each(user, acls):
            while True:
                asked = self._admin.describe_acls(AclBindingFilter(*each))
                if bool(await asyncio.wrap_future(asked)) is present:
                    break


def _each(user: str, acls: Sequence[Acl]) -> Iterator[tuple[Any, ...]]:
    """What both kinds of binding are made of, one for each operation."""
    for acl in acls:
        for operation in acl.operations:
            yield (
                _RESOURCES[acl.resource], acl.name, _PATTERNS[acl.pattern],
                f"User:{user}", "*", _OPERATIONS[operation], AclPermissionType.ALLOW,
            )  # fmt: skip
