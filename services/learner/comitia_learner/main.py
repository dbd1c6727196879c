"""Entry point `comitia-learner`: gives the fold to the loop that leads; nothing is learned here."""

import sys

from comitia.config import LearnerSettings
from comitia.runtime.leader import run_leader
from comitia.runtime.leader_spec import LeaderSpec
from comitia.runtime.service import Service, run_service
from comitia_learner.handler import Learner, Rules
from comitia_learner.measures import Measures
from comitia_learner.skill import Bounds

# Rules that are settings of the same name.
RULED = (
    "skills_max",
    "weights_versions_max",
    "publish_interval_ms",
    "snapshot_interval_ms",
)
ENTITIES = ("feedback", "decisions", "weights", "dead-letters")


async def compose(service: Service[LearnerSettings]) -> None:
    """Wire and start. ConfigError when the topics cannot be used."""
    settings, names = service.settings, service.names
    await service.ensure_topics(ENTITIES)
    rules = Rules(
        names.topic("weights"),
        Bounds(settings.examples_max, settings.voters_max),
        **{name: getattr(settings, name) for name in RULED},
    )
    spec = LeaderSpec(
        group=names.group("learner"),
        learning=lambda: Learner(rules),
        told=Measures(service.runtime.telemetry).published,
    )
    service.heartbeats()
    service.start(run_leader(service.runtime, spec), "leader")


def main() -> None:
    """Run until a signal; the exit code says how it ended."""
    sys.exit(run_service("learner", LearnerSettings, compose))


if __name__ == "__main__":
    main()
