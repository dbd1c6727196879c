"""Settings: the environment, read once at start into frozen objects.

Every variable begins with `COMITIA_`; the classes below are the whole list. A value that cannot be
used ends the start with a ConfigError that names the variable; what is secret is not repeated in
it. Paths of state and cache follow the XDG base directory specification.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from comitia.errors import ConfigError
from comitia.topics import PREFIX
from comitia.wire import Wire, contradictions

S = TypeVar("S", bound="Settings")
# Set to nothing, as templates do, is not set.
OptionalFile = Annotated[Path | None, BeforeValidator(lambda value: value or None)]


def _xdg(variable: str, fallback: str) -> Path:
    base = os.environ.get(variable) or str(Path.home() / fallback)
    return Path(base) / "comitia"


class Settings(BaseSettings):
    """Base: `COMITIA_<FIELD>` sets a field; unknown `COMITIA_` variables of other services are left
    alone.
    """

    model_config = SettingsConfigDict(
        env_prefix="COMITIA_", frozen=True, extra="ignore", hide_input_in_errors=True
    )


class DirectorySettings(Settings):
    """Where Comitia keeps things on this machine."""

    state_dir: Path = Field(default_factory=lambda: _xdg("XDG_STATE_HOME", ".local/state"))
    cache_dir: Path = Field(default_factory=lambda: _xdg("XDG_CACHE_HOME", ".cache"))


class ExportSettings(Settings):
    """What building models needs beyond their cards."""

    # A Python that has optimum-onnx; without it an environment is made in the cache.
    export_python: Path | None = None


class WireSettings(Settings):
    """How connections to the cluster are protected, and as whom; comitia.wire tells which belong
    together. Files are read again for every new connection, so what is rotated needs no restart.
    """

    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Annotated[
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "AWS_MSK_IAM"] | None,
        BeforeValidator(lambda value: value or None),
    ] = None
    sasl_username: str = ""
    sasl_password: SecretStr = SecretStr("")
    sasl_password_file: OptionalFile = None
    # PEM files. Without a CA the system's are trusted; a certificate of one's own is mTLS.
    tls_ca_file: OptionalFile = None
    tls_certificate_file: OptionalFile = None
    tls_key_file: OptionalFile = None
    tls_key_password_file: OptionalFile = None
    # OAUTHBEARER by client credentials (RFC 6749, section 4.4), or by a token in a file.
    oauth_token_endpoint: str = Field("", pattern=r"^(https?://\S+)?$")
    oauth_client_id: str = ""
    oauth_client_secret: SecretStr = SecretStr("")
    oauth_client_secret_file: OptionalFile = None
    oauth_scope: str = ""
    oauth_token_file: OptionalFile = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        given = frozenset(name for name in WireSettings.model_fields if _given(getattr(self, name)))
        wrong = contradictions(Wire(self.security_protocol, self.sasl_mechanism, given))
        if wrong:
            raise ValueError("; ".join(wrong))
        return self


def _given(value: object) -> bool:
    return bool(value.get_secret_value() if isinstance(value, SecretStr) else value)


class KafkaSettings(WireSettings):
    """Which cluster, and under which names."""

    bootstrap: str = Field(min_length=1, description="host:port, several separated by commas")
    prefix: str = Field("", pattern=f"^{PREFIX.pattern}$")
    # Empty: dynamic membership. A pod's name makes restarts cheap.
    instance_id: str = ""
    session_timeout_ms: int = Field(10_000, ge=1_000)
    create_topics: bool = True
    # -1: the broker's default replication factor.
    replication: int = Field(-1, ge=-1)


class LogSettings(Settings):
    """How a service logs, on stderr."""

    # auto: text on a terminal, JSON elsewhere.
    log_format: Literal["auto", "json", "text"] = "auto"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


class ServiceSettings(KafkaSettings, LogSettings):
    """What every service has."""

    # Port of /healthz, /readyz and /metrics. 0 takes a free one and logs it.
    http_port: int = Field(0, ge=0, le=65_535)
    http_host: str = "127.0.0.1"
    # After SIGTERM, work in flight has this long to finish.
    grace_ms: int = Field(10_000, ge=0)
    heartbeat_interval_ms: int = Field(2_000, ge=100)
    commit_interval_ms: int = Field(500, ge=10)
    # A storm of dead letters ends the service: more than so many within a minute, or more than this
    # fraction of the last thousand records that it read.
    dead_letters_per_minute_max: int = Field(10_000, ge=1)
    dead_letters_fraction_max: float = Field(0.5, gt=0, le=1)


class RouterSettings(ServiceSettings):
    """The router's bounds and defaults, checked where tasks come in. docs/limits.md tells what
    happens beyond each.
    """

    seats_default: int = Field(7, ge=1, le=100)
    seats_max: int = Field(100, ge=1)
    samples_max: int = Field(16, ge=1)
    timeout_ms_max: int = Field(3_600_000, ge=1)
    input_bytes_max: int = Field(256 * 1024, ge=1)
    # Every topic on a task's way takes so much and what the way adds to it.
    task_bytes_max: int = Field(512 * 1024, ge=1, le=3 * 1024 * 1024)
    command_bytes_max: int = Field(256 * 1024, ge=1, le=3 * 1024 * 1024)
    options_max: int = Field(100, ge=2)
    option_id_bytes_max: int = Field(128, ge=1)
    skill_characters_max: int = Field(64, ge=1)
    tenant_characters_max: int = Field(64, ge=0)
    session_characters_max: int = Field(128, ge=0)
    # The table of agents: of one card, of all agents, and processes of one agent.
    card_bytes_max: int = Field(64 * 1024, ge=1)
    card_skills_max: int = Field(1_000, ge=1)
    agents_max: int = Field(10_000, ge=1)
    instances_max: int = Field(1_000, ge=1)
    # Folder of policies, one SKILL.yaml each, of tasks that name none; "" for no such policies.
    policies: str = ""


class AggregatorSettings(ServiceSettings):
    """How the aggregator delivers, and its bounds."""

    # exactly-once needs a broker with transactions; at-least-once may publish a decision twice
    # after a crash. Every decision names the one that it was published under.
    delivery: Literal["exactly-once", "at-least-once"] = "exactly-once"
    duplicate_window_ms: int = Field(3_600_000, ge=0)
    decided_max: int = Field(1_000_000, ge=1)
    open_tasks_max: int = Field(100_000, ge=1)
    open_bytes_max: int = Field(512 * 1024 * 1024, ge=1)
    # No deadline is believed that lies further ahead; the router's setting of the same name.
    timeout_ms_max: int = Field(3_600_000, ge=1)
    # How long a cancel waits for its panel.
    cancel_keep_ms: int = Field(600_000, ge=1)
    # What of one answer counts, and what of its prose a decision holds.
    answer_bytes_max: int = Field(256 * 1024, ge=1)
    rationale_bytes_max: int = Field(16 * 1024, ge=0)
    detail_bytes_max: int = Field(1024, ge=0)
    # Of a refusal's reason, and of who cancelled and why.
    reason_bytes_max: int = Field(4096, ge=1)
    cancel_bytes_max: int = Field(1024, ge=1)
    # Room for one that says only that it does not fit is always left.
    decision_bytes_max: int = Field(1024 * 1024, ge=16 * 1024, le=4 * 1024 * 1024)
    # Answers of one task that are held before its panel has come.
    early_max: int = Field(2_000, ge=0)


class LearnerSettings(ServiceSettings):
    """How often the learner publishes weights, and how much it remembers of a skill."""

    # Least time between two versions that feedback makes necessary.
    publish_interval_ms: int = Field(1_000, ge=10)
    # What was learned of agreement alone, and is not yet worth a version, is written at least so
    # often: a restarted learner reads again what came since.
    snapshot_interval_ms: int = Field(60_000, ge=10)
    # Judged tasks that weights are fitted to, of each skill; the newest stay. They take up to
    # 512 KiB.
    examples_max: int = Field(2_000, ge=1)
    # Agents, each as one model, of each skill; those that were heard last stay.
    voters_max: int = Field(200, ge=1, le=500)
    # Further skills have no weights.
    skills_max: int = Field(1_000, ge=1)
    # Versions kept of each skill, for whoever decides anew with one of them.
    weights_versions_max: int = Field(100, ge=1)


class AgentSettings(ServiceSettings, DirectorySettings):
    """Which agents this process serves and how much work it takes at once."""

    # Paths of agent cards (YAML), separated by the platform's path separator (":"); all of one
    # model.
    agent_cards: str = Field(min_length=1)
    # Folder of model cards.
    models_dir: Path = Path("models")
    # Of the model's operators; 0: as many as the process may use, by its affinity and its quota.
    threads: int = Field(0, ge=0)
    # How long such a thread waits busily for the next operator before it sleeps: longer is faster
    # on cores that nobody else uses. 0 where a quota gives less than a core to each.
    engine_spin_us: int = Field(100, ge=0, le=1_000_000)
    # What the model runs on. cuda needs onnxruntime-gpu, and fails where it is not active; auto
    # takes it where that is possible, else the cpu, and says why.
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    # Texts that a decoder works on together, and the memory for their keys and values; 0: room for
    # 512 tokens of each.
    engine_rows: int = Field(16, ge=1, le=1024)
    engine_cache_mib: int = Field(0, ge=0)
    # Assignments of all agents of this process together. 0: what the model's engine works on
    # together, and a quarter more that wait there.
    in_flight_max: int = Field(0, ge=0)
    # Orders to stop are read from so long ago; the router's setting of the same name.
    timeout_ms_max: int = Field(3_600_000, ge=1)
    answer_bytes_max: int = Field(256 * 1024, ge=1)


def load(settings: type[S], overrides: Mapping[str, object] | None = None) -> S:
    """Read `settings` from the environment; `overrides` win. ConfigError names every variable that
    is wrong.
    """
    try:
        return settings(**dict(overrides or {}))
    except ValidationError as error:
        raise ConfigError("; ".join(map(_in_words, error.errors()))) from None


def _in_words(detail: ErrorDetails) -> str:
    if not detail["loc"]:
        # Of several settings together, which it names itself.
        return detail["msg"].removeprefix("Value error, ")
    name = f"COMITIA_{'_'.join(str(part) for part in detail['loc']).upper()}"
    if detail["type"] == "missing":
        return f"{name} is not set"
    return f"{name}: {detail['msg']} (it is {detail['input']!r})"
