"""What a metric is: the shape of the entries of the catalogue (metrics.py and its parts)."""

from dataclasses import dataclass
from typing import Literal

from comitia.telemetry.names import Attribute

# An attribute, and what its values are.
Label = tuple[Attribute, str]


@dataclass(frozen=True, slots=True)
class Metric:
    """One instrument. `services`: who measures it. `labels`: all that its points may carry.
    `bounds`: a histogram's buckets, each with its upper end.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    unit: str
    services: str
    description: str
    labels: tuple[Label, ...] = ()
    bounds: tuple[float, ...] = ()

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        return tuple(attribute for attribute, _ in self.labels)
