"""The environment's `COMITIA_` variables, held against the settings there are, at the start.

In: the environment. Out: a ConfigError that names what no service could use, and the names that are
nobody's setting, which services pass over without a word.
"""

from collections.abc import Mapping
from difflib import get_close_matches

from comitia.config import (
    AgentSettings,
    AggregatorSettings,
    ExportSettings,
    LearnerSettings,
    RouterSettings,
    Settings,
    WireSettings,
    load,
)
from comitia.errors import ConfigError
from comitia_cli.system.broker import EmbeddedSettings

PREFIX = "COMITIA_"
# By service, with a stand-in for what it gets from elsewhere.
_SERVICES: tuple[tuple[type[Settings], Mapping[str, object]], ...] = (
    (RouterSettings, {}),
    (AggregatorSettings, {}),
    (LearnerSettings, {}),
    (AgentSettings, {"agent_cards": "given by the plan"}),
)
_ALL: tuple[type[Settings], ...] = (
    *(settings for settings, _ in _SERVICES),
    EmbeddedSettings,
    ExportSettings,
)


def check(*, embedded: bool) -> None:
    """ConfigError, naming every variable, when one has a value that a service cannot use; with the
    `embedded` broker, also when they demand more of it than it has.
    """
    wrong: dict[str, None] = {}
    load(EmbeddedSettings)
    for settings, given in _SERVICES:
        try:
            load(settings, {"bootstrap": "given by the plan", **given})
        except ConfigError as error:
            wrong.update(dict.fromkeys(str(error).split("; ")))
    if wrong:
        raise ConfigError("; ".join(wrong))
    protocol = load(WireSettings).security_protocol
    if embedded and protocol != "PLAINTEXT":
        raise ConfigError(
            f"COMITIA_SECURITY_PROTOCOL is {protocol}, but the embedded Apache Kafka has PLAINTEXT"
            " on loopback alone: name your cluster with --bootstrap, or unset it"
        )


def unknown(env: Mapping[str, str]) -> Mapping[str, str]:
    """Variables of `env` that look like settings and are none, with the nearest name that is one;
    "" where none is near.
    """
    known = {name.upper() for one in _ALL for name in one.model_fields}
    nearest = {}
    for name in sorted(env):
        own = name.upper().removeprefix(PREFIX)
        if own != name.upper() and own not in known:
            near = get_close_matches(own, sorted(known), 1)
            nearest[name] = PREFIX + near[0] if near else ""
    return nearest
