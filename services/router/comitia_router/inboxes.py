"""Inboxes of the agents whose cards the router knows: made where they are missing, so that no card
leads work into nowhere.

An agent's own process makes its inbox before it publishes its card; agents of other people may not.
One publisher without an inbox would hold up every task of the router that seats it, therefore
nobody is seated before the inbox is there.
"""

import logging
from dataclasses import dataclass

from comitia.ports import Log
from comitia.topics import Names
from comitia_router.agents import AgentTable

_LOG = logging.getLogger("comitia.router")


@dataclass(frozen=True, slots=True)
class Inboxes:
    """`create`: whether topics may be made. `replication`: of new ones, -1 leaves it to the
    broker.
    """

    log: Log
    names: Names
    agents: AgentTable
    create: bool
    replication: int

    async def refresh(self) -> None:
        """Look for the inboxes that are not known yet. Raises Retryable when the broker is away."""
        wanted = self.agents.without_inbox()
        if not wanted:
            return
        specs = {
            (name, high): self.names.inbox_spec(name, self.replication, high=high)
            for name, high in wanted
        }
        found = await self.log.describe([spec.name for spec in specs.values()])
        missing = [spec for spec in specs.values() if spec.name not in found]
        if missing and self.create:
            await self.log.create(missing)
            found = await self.log.describe([spec.name for spec in specs.values()])
        for (name, high), spec in specs.items():
            if spec.name in found:
                self.agents.open_inbox(name, high=high)
                said = "has a priority lane" if high else "can be seated"
                _LOG.info("agent %s %s", name, said, extra={"event": "agent", "agent": name})
