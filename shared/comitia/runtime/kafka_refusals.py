"""Why a connection to a broker failed, in one sentence that names the variable to change.

In comes what aiokafka or Python's TLS raised while one connection was made, out goes ConfigError
where a person has to change something, Retryable where the address may answer later.
"""

import ssl
from collections.abc import Iterator

from aiokafka import errors as kafka

from comitia.config import WireSettings
from comitia.errors import ComitiaError, ConfigError, Retryable

# OpenSSL's X509_V_ERR_...: of the broker's certificate.
_EXPIRED = (9, 10)
_OTHER_NAME = (62, 64)
# Alerts by which a broker refuses ours, or the lack of one.
_OURS = (
    "CERTIFICATE_REQUIRED", "BAD_CERTIFICATE", "UNKNOWN_CA", "CERTIFICATE_UNKNOWN",
    "CERTIFICATE_EXPIRED", "CERTIFICATE_REVOKED", "UNSUPPORTED_CERTIFICATE", "HANDSHAKE_FAILURE",
)  # fmt: skip


def in_words(error: BaseException, address: str, settings: WireSettings) -> ComitiaError:
    """The error to tell of a connection to `address` (host:port)."""
    if isinstance(error, ComitiaError):
        return error
    for cause in _chain(error):
        sentence = _sentence(cause, address, settings)
        if sentence:
            return ConfigError(sentence)
    name = type(error).__name__
    # aiokafka's own texts begin with the name already.
    said = str(error) if name in str(error) else f"{name}: {error}".rstrip(": ")
    if isinstance(error, kafka.KafkaConnectionError | ConnectionResetError):
        # It was open, and closed before the first answer.
        hint = (
            "does the address speak TLS? Then set COMITIA_SECURITY_PROTOCOL to SSL or SASL_SSL"
            if not settings.security_protocol.endswith("SSL")
            else f"does it speak {settings.security_protocol} (COMITIA_SECURITY_PROTOCOL)?"
        )
        return Retryable(f"{address} closes the connection; {hint} ({said})")
    return Retryable(f"{address} does not answer ({said})")


def _chain(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _sentence(error: BaseException, address: str, settings: WireSettings) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _untrusted(error, address)
    if isinstance(error, ssl.SSLError):
        return _tls(error, address, settings)
    if isinstance(error, kafka.SaslAuthenticationFailed | ValueError) and settings.sasl_mechanism:
        return f"{address} refuses {_who(settings)}: {error}"
    if isinstance(error, kafka.UnsupportedSaslMechanismError):
        return (
            f"{address} does not offer {settings.sasl_mechanism}: set COMITIA_SASL_MECHANISM to one"
            " of its listener's sasl.enabled.mechanisms"
        )
    if isinstance(error, kafka.IllegalSaslStateError):
        plain = settings.security_protocol.removeprefix("SASL_")
        return f"{address} does not use SASL: set COMITIA_SECURITY_PROTOCOL to {plain}"
    return ""


def _who(settings: WireSettings) -> str:
    if settings.sasl_mechanism == "AWS_MSK_IAM":
        return "this process's IAM identity (its policy needs kafka-cluster:Connect)"
    if settings.sasl_mechanism == "OAUTHBEARER":
        source = "FILE" if settings.oauth_token_file else "ENDPOINT"
        return f"the token of COMITIA_OAUTH_TOKEN_{source}"
    password = "COMITIA_SASL_PASSWORD" + ("_FILE" if settings.sasl_password_file else "")
    return f"COMITIA_SASL_USERNAME {settings.sasl_username} with {password}"


def _untrusted(error: ssl.SSLCertVerificationError, address: str) -> str:
    said = f"the certificate of {address}"
    if error.verify_code in _EXPIRED:
        return f"{said} does not hold now ({error.verify_message}): renew it, or set the clock"
    if error.verify_code in _OTHER_NAME:
        return (
            f"{said} is not made out to that name ({error.verify_message}): name the brokers in"
            " COMITIA_BOOTSTRAP and advertised.listeners as their certificates do"
        )
    return (
        f"{said} is not trusted ({error.verify_message}): COMITIA_TLS_CA_FILE must hold the CA that"
        " signed it"
    )


def _tls(error: ssl.SSLError, address: str, settings: WireSettings) -> str:
    reason = error.reason or ""
    if not any(alert in reason for alert in _OURS):
        return (
            f"{address} does not speak TLS as we do ({reason or error}): see that"
            f" COMITIA_SECURITY_PROTOCOL ({settings.security_protocol}) is that of its listener"
        )
    if settings.tls_certificate_file is None:
        return (
            f"{address} wants a certificate ({reason}): set COMITIA_TLS_CERTIFICATE_FILE and"
            " COMITIA_TLS_KEY_FILE"
        )
    return (
        f"{address} refuses our certificate ({reason}): COMITIA_TLS_CERTIFICATE_FILE must be signed"
        " by a CA that its listener trusts"
    )
