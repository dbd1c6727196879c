"""Attribute sets for metrics, bounded in number however many inboxes or agents there are."""

from functools import lru_cache

from comitia.telemetry.histograms import Buckets
from comitia.telemetry.metrics import STAGE_DURATION
from comitia.telemetry.names import (
    HIGH_INBOX_TEMPLATE,
    INBOX_TEMPLATE,
    SYSTEM,
    Attribute,
    Operation,
)
from comitia.telemetry.setup import Telemetry

_INBOX = "comitia.inbox."


@lru_cache(maxsize=256)
def messaging(topic: str, operation: Operation) -> dict[str, str]:
    """Attributes of a record counter. Inboxes share a template for each lane; do not change the
    dict.
    """
    return {
        Attribute.MESSAGING_SYSTEM: SYSTEM,
        Attribute.MESSAGING_OPERATION_NAME: operation.value,
        **destination(topic),
    }


@lru_cache(maxsize=256)
def destination(topic: str) -> dict[str, str]:
    """The attribute that names a topic, or the template of an inbox. Do not change the dict."""
    before, inbox, rest = topic.partition(_INBOX)
    if inbox:
        # After the agent's name, which has no dot in it.
        template = HIGH_INBOX_TEMPLATE if ".high." in rest else INBOX_TEMPLATE
        return {Attribute.MESSAGING_DESTINATION_TEMPLATE: before + template}
    return {Attribute.MESSAGING_DESTINATION_NAME: topic}


def stage(telemetry: Telemetry, name: str) -> Buckets:
    """Where one stage of tasks is recorded, in seconds."""
    return telemetry.buckets(STAGE_DURATION, {Attribute.COMITIA_STAGE: name})
