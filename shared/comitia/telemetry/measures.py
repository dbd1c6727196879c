"""Attribute sets for metrics, bounded in number however many inboxes there are."""

from functools import lru_cache

from comitia.telemetry.names import (
    HIGH_INBOX_TEMPLATE,
    INBOX_TEMPLATE,
    SYSTEM,
    Attribute,
    Operation,
)

_INBOX = "comitia.inbox."


@lru_cache(maxsize=256)
def messaging(topic: str, operation: Operation) -> dict[str, str]:
    """Attributes of a record counter. Inboxes share a template for each lane; do not change the
    dict.
    """
    attributes: dict[str, str] = {
        Attribute.MESSAGING_SYSTEM: SYSTEM,
        Attribute.MESSAGING_OPERATION_NAME: operation.value,
    }
    before, inbox, rest = topic.partition(_INBOX)
    if inbox:
        # After the agent's name, which has no dot in it.
        template = HIGH_INBOX_TEMPLATE if ".high." in rest else INBOX_TEMPLATE
        attributes[Attribute.MESSAGING_DESTINATION_TEMPLATE] = before + template
    else:
        attributes[Attribute.MESSAGING_DESTINATION_NAME] = topic
    return attributes
