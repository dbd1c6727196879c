"""Whether this process may be given work: named conditions, each fulfilled or with a reason why
not.

Loops set conditions; the server of /readyz reads them. One line goes to the log whenever a
condition begins or ceases to hold, however often its reason changes meanwhile.
"""

import logging

_LOG = logging.getLogger("comitia.health")


class Health:
    """Not ready until every condition that was ever named is fulfilled."""

    def __init__(self) -> None:
        self._reasons: dict[str, str | None] = {}

    def set(self, condition: str, reason: str | None) -> None:
        """`reason` says, for a person, why `condition` does not hold; None: it does."""
        before = self._reasons.get(condition)
        self._reasons[condition] = reason
        if reason is not None and before is None:
            told = {"event": "not_ready", "condition": condition, "reason": reason}
            _LOG.warning("not ready: %s: %s", condition, reason, extra=told)
        elif reason is None and before is not None:
            told = {"event": "ready" if self.ready else "done", "condition": condition}
            _LOG.info("%s: %s", condition, told["event"], extra=told)

    @property
    def ready(self) -> bool:
        # An exporter's thread asks, too.
        return not any(tuple(self._reasons.values()))

    def reasons(self) -> list[str]:
        """`condition: reason` of everything that does not hold."""
        return [f"{name}: {reason}" for name, reason in self._reasons.items() if reason]
