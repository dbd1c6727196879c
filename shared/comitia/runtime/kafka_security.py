"""Who we are and how connections are protected: the one place from which every client of aiokafka,
admin, consumer and producer, takes it.

In come the settings of the wire, out come aiokafka's options and, for each new connection, the
password, certificates or token as they are then. aiokafka 0.14.0 takes them once and only logs why
a connection failed; `create_conn`, which all of its clients call, is therefore replaced here by a
function that does as before for others' clients, and for ours reads secrets anew and keeps what
went wrong in words, until a connection to the same address succeeds.
"""

import asyncio
import logging
import ssl
from collections.abc import Mapping
from typing import Any

from aiokafka import client as aiokafka_client
from aiokafka.abc import AbstractTokenProvider
from aiokafka.conn import AIOKafkaConnection, OAuthAuthenticator, create_conn
from aiokafka.errors import KafkaConnectionError, KafkaError, SaslAuthenticationFailed

from comitia.config import WireSettings
from comitia.errors import ComitiaError, ConfigError, Retryable
from comitia.runtime.kafka_refusals import in_words
from comitia.runtime.kafka_tls import Tls, read_text
from comitia.runtime.kafka_tokens import tokens
from comitia.wire import PASSWORD_MECHANISMS

_REFUSAL_MAX = 300


class Security(AbstractTokenProvider):  # type: ignore[misc]
    """Of one KafkaLog. ConfigError where the settings cannot be used at all."""

    def __init__(self, settings: WireSettings | None = None) -> None:
        # Without the environment: PLAINTEXT.
        self._settings = settings or WireSettings.model_construct()
        self.protocol = self._settings.security_protocol
        self.mechanism = self._settings.sasl_mechanism
        self._tls = Tls(self._settings) if self.protocol.endswith("SSL") else None
        self._tokens = tokens(self._settings)
        self._failures: dict[str, ComitiaError] = {}

    @property
    def principal(self) -> str:
        """As a sentence may call us; with a password, as Kafka's authorizer does by default."""
        if self.mechanism in PASSWORD_MECHANISMS:
            return f"User:{self._settings.sasl_username}"
        if self.mechanism is not None:
            return "the token's user"
        if self._settings.tls_certificate_file is not None:
            return "the user of COMITIA_TLS_CERTIFICATE_FILE"
        return "User:ANONYMOUS"

    @property
    def words(self) -> str:
        """Protocol and mechanism, for a person: "SASL_SSL, SCRAM-SHA-512 as User:alice"."""
        if self.mechanism is not None:
            return f"{self.protocol}, {self.mechanism} as {self.principal}"
        return f"{self.protocol} as {self.principal}"

    def options(self) -> dict[str, Any]:
        """For the constructors of aiokafka's clients. Secrets are stand-ins: `connect` fills them
        in.
        """
        if self.protocol == "PLAINTEXT":
            return {"sasl_oauth_token_provider": self}
        found: dict[str, Any] = {
            "security_protocol": self.protocol,
            "ssl_context": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if self._tls else None,
            "sasl_oauth_token_provider": self,
        }
        if self.mechanism is not None:
            found["sasl_mechanism"] = "OAUTHBEARER" if self._tokens else self.mechanism
            found["sasl_plain_username"] = self._settings.sasl_username
            found["sasl_plain_password"] = ""
        return found

    async def token(self) -> str:
        """Called by aiokafka for each login with OAUTHBEARER."""
        assert self._tokens is not None
        return await self._tokens.token()

    async def connect(self, host: str, port: int, options: Mapping[str, Any]) -> AIOKafkaConnection:
        """A connection with secrets as they are now. KafkaConnectionError: `failure` says why."""
        address = f"{host}:{port}"
        try:
            connection = _Connection(host, port, **{**options, **self._secrets()})
            await connection.connect()
        # A wrong signature of the broker's is a ValueError of aiokafka.
        except (ComitiaError, KafkaError, OSError, TimeoutError, ValueError) as error:
            failure = in_words(error, address, self._settings)
            self._failures[address] = failure
            raise KafkaConnectionError(str(failure)) from error
        # What failed before may be mended, or be of a broker that is gone; it is met again if not.
        self._failures.clear()
        return connection

    def _secrets(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self._tls is not None:
            found["ssl_context"] = self._tls.context()
        if self.mechanism in PASSWORD_MECHANISMS:
            path = self._settings.sasl_password_file
            found["sasl_plain_password"] = (
                self._settings.sasl_password.get_secret_value()
                if path is None
                else read_text(path, "sasl_password_file")
            )
        return found

    def failure(self) -> ComitiaError | None:
        """Why connections fail, as the last attempts tell; ConfigErrors first."""
        found = list(self._failures.values())
        wrong = [error for error in found if isinstance(error, ConfigError)]
        return next(iter(wrong or found), None)

    def not_started(self, doing: str) -> ComitiaError:
        """What to raise when no address could be used while `doing`."""
        failure = self.failure()
        if isinstance(failure, ConfigError):
            return failure
        why = failure or (
            "connections are accepted and then closed; if that lasts, the listener may want SASL:"
            f" COMITIA_SECURITY_PROTOCOL is {self.protocol}"
        )
        return Retryable(f"{doing}: {why}")

    def blamed(self, error: ComitiaError) -> ComitiaError:
        """A passing fault with what is known of its cause; others as they are."""
        failure = self.failure()
        if type(error) is not Retryable or failure is None or str(failure) in str(error):
            return error
        return Retryable(f"{error}; {failure}")

    def grant(self, operation: str, resource: str, name: str) -> str:
        """What an operator is to do about a missing ACL."""
        return f"grant {self.principal} the operation {operation} on {resource} {name}"


class _Authenticator(OAuthAuthenticator):  # type: ignore[misc]
    """RFC 7628, 3.2.3: a server says in its answer that it refuses a token, and waits. aiokafka
    does not look at it and would go on as if it was let in.
    """

    async def step(self, payload: bytes | None) -> tuple[bytes, bool] | None:
        if payload:
            raise SaslAuthenticationFailed(payload.decode(errors="replace")[:_REFUSAL_MAX])
        step: tuple[bytes, bool] | None = await super().step(payload)
        return step


class _Connection(AIOKafkaConnection):  # type: ignore[misc]
    def authenticator_oauth(self) -> _Authenticator:
        return _Authenticator(sasl_oauth_token_provider=self._sasl_oauth_token_provider)

    def close(self, reason: Any = None, exc: BaseException | None = None) -> asyncio.Future[None]:
        """At once, also with TLS: what was sent is answered or given up by now, and a broker that
        stands still or is cut off would not say goodbye for half a minute.
        """
        writer = self._writer
        closed: asyncio.Future[None] = super().close(reason, exc)
        if writer is not None and self._ssl_context is not None:
            writer.transport.abort()
        return closed


async def _connect(host: str, port: int, **options: Any) -> AIOKafkaConnection:
    security = options.get("sasl_oauth_token_provider")
    if isinstance(security, Security):
        return await security.connect(host, port, options)
    return await create_conn(host, port, **options)


def _holds_no_secret(record: logging.LogRecord) -> bool:
    """aiokafka's log at DEBUG shows what is sent, passwords and tokens included."""
    values = record.args if isinstance(record.args, tuple) else ()
    return not any("SaslAuthenticate" in type(value).__name__ for value in values)


aiokafka_client.create_conn = _connect
logging.getLogger("aiokafka.conn").addFilter(_holds_no_secret)
