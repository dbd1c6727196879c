"""What the checker looks at, as plain values: records of all topics, offset commits, the
publisher's manifest; and what it says of them.

Nothing here knows Kafka, so a test makes evidence by hand.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

EXAMPLES_MAX = 5
HOUR_MS = 3_600_000
# The agents of a chaos run leave so many of a thousand assignments unanswered, drawn by their name.
SILENT_PERMILLE = 20


class Place(NamedTuple):
    """Where a record stands."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Seen:
    """A record as read. `message` None: its value is not the message that the topic carries.

    `at_ms`: append time, milliseconds since 1970-01-01 UTC.
    """

    place: Place
    at_ms: int
    key: bytes | None
    value: bytes | None
    message: Any
    headers: tuple[tuple[str, bytes | None], ...] = ()

    @property
    def offset(self) -> int:
        return self.place.offset


@dataclass(frozen=True, slots=True)
class OffsetCommit:
    """One commit of a group, as `__consumer_offsets` keeps it. `at_ms`: the coordinator's time."""

    group: str
    topic: str
    partition: int
    offset: int
    metadata: str
    at_ms: int


@dataclass(slots=True)
class Evidence:
    """Everything that was read, each list in log order per partition.

    `prefix` begins the names of topics and groups. `partitions`: of panel-events. `window_ms`: how
    long ids are remembered after their decision. `silent_permille`: assignments that the agents
    were told not to answer. `plain_decisions`: batches of `decisions` outside
    any transaction, None where nobody looked at the brokers' files. `hidden`: topic and partition
    -> records behind a transaction that is still open.
    """

    prefix: str = ""
    partitions: int = 4
    window_ms: int = HOUR_MS
    silent_permille: int = SILENT_PERMILLE
    tasks: list[Seen] = field(default_factory=list)
    commands: list[Seen] = field(default_factory=list)
    inboxes: list[Seen] = field(default_factory=list)
    events: list[Seen] = field(default_factory=list)
    decisions: list[Seen] = field(default_factory=list)
    control: list[Seen] = field(default_factory=list)
    letters: list[Seen] = field(default_factory=list)
    commits: list[OffsetCommit] = field(default_factory=list)
    manifest: Sequence[Mapping[str, Any]] = ()
    plain_decisions: int | None = None
    hidden: Mapping[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Report:
    """Violations by name with their first examples, and what was counted."""

    violations: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    facts: Counter[str] = field(default_factory=Counter)

    def violated(self, name: str, detail: str) -> None:
        """Note one violation; only the first few of a name are told in words."""
        self.violations[name] += 1
        told = self.examples.setdefault(name, [])
        if len(told) < EXAMPLES_MAX:
            told.append(detail)

    @property
    def ok(self) -> bool:
        return not self.violations
