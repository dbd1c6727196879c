"""Which samplings can be: a Sampling in, a ConfigError out where it cannot be done."""

from comitia.errors import ConfigError
from comitia.ports import Sampling


def check(sampling: Sampling) -> None:
    """Raise ConfigError for values out of their range."""
    if (
        sampling.tokens_max < 1
        or not 0.0 <= sampling.temperature < float("inf")
        or "" in sampling.stop
    ):
        raise ConfigError(
            f"Cannot sample with {sampling}: tokens_max >= 1, temperature >= 0, no empty stop "
            "string."
        )
