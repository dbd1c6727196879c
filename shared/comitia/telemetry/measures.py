"""Attribute sets for metrics, bounded in number however many inboxes there are."""

from functools import lru_cache

from comitia.telemetry.names import INBOX_TEMPLATE, SYSTEM, Attribute, Operation

_INBOX = "comitia.inbox."


@lru_cache(maxsize=256)
def messaging(topic: str, operation: Operation) -> dict[str, str]:
    """Attributes of a record counter. Inboxes share one template; do not change the dict."""
    attributes: dict[str, str] = {
        Attribute.MESSAGING_SYSTEM: SYSTEM,
        Attribute.MESSAGING_OPERATION_NAME: operation.value,
    }
    before, inbox, _ = topic.partition(_INBOX)
    if inbox:
        attributes[Attribute.MESSAGING_DESTINATION_TEMPLATE] = before + INBOX_TEMPLATE
    else:
        attributes[Attribute.MESSAGING_DESTINATION_NAME] = topic
    return attributes
