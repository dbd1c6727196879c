"""Which settings of the wire belong together: protocol, SASL mechanism, TLS files, OAuth.

In comes what is set, out come sentences on what contradicts, each naming the variables and what to
change. Pure: files are not looked at, and no value but the protocol's and the mechanism's is seen,
so nothing secret can be repeated.
"""

from collections.abc import Iterator
from dataclasses import dataclass

PASSWORD_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_PASSWORD = ("sasl_username", "sasl_password", "sasl_password_file")
_OAUTH = (
    "oauth_token_endpoint", "oauth_client_id", "oauth_client_secret", "oauth_client_secret_file",
    "oauth_scope", "oauth_token_file",
)  # fmt: skip
_CLIENT = _OAUTH[1:5]
_TLS = ("tls_ca_file", "tls_certificate_file", "tls_key_file", "tls_key_password_file")


@dataclass(frozen=True, slots=True)
class Wire:
    """`given`: names of the settings (COMITIA_ left away, lower case) that are not empty."""

    protocol: str
    mechanism: str | None
    given: frozenset[str]

    @property
    def sasl(self) -> bool:
        return self.protocol.startswith("SASL_")

    @property
    def tls(self) -> bool:
        return self.protocol.endswith("SSL")


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return f"COMITIA_{name.upper()}"


def contradictions(wire: Wire) -> list[str]:
    """What is missing and what is too much; nothing when the settings can be used."""
    return [*_mechanism(wire), *_password(wire), *_oauth(wire), *_tls(wire)]


def _mechanism(wire: Wire) -> Iterator[str]:
    if wire.sasl and wire.mechanism is None:
        yield (
            f"COMITIA_SASL_MECHANISM is not set: COMITIA_SECURITY_PROTOCOL={wire.protocol} needs"
            " PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER or AWS_MSK_IAM"
        )
    if wire.mechanism is not None and not wire.sasl:
        yield (
            f"COMITIA_SASL_MECHANISM={wire.mechanism} has no effect with"
            f" COMITIA_SECURITY_PROTOCOL={wire.protocol}: set that to SASL_SSL, or leave the"
            " mechanism away"
        )
    if wire.mechanism == "AWS_MSK_IAM" and not wire.tls:
        yield "COMITIA_SASL_MECHANISM=AWS_MSK_IAM needs COMITIA_SECURITY_PROTOCOL=SASL_SSL"


def _password(wire: Wire) -> Iterator[str]:
    if wire.mechanism not in PASSWORD_MECHANISMS:
        yield from _unused(wire, _PASSWORD, "COMITIA_SASL_MECHANISM=PLAIN or SCRAM-SHA-...")
        return
    if "sasl_username" not in wire.given:
        yield f"COMITIA_SASL_USERNAME is not set: COMITIA_SASL_MECHANISM={wire.mechanism} needs it"
    yield from _one_of(wire, _PASSWORD[1], _PASSWORD[2])


def _oauth(wire: Wire) -> Iterator[str]:
    if wire.mechanism != "OAUTHBEARER":
        yield from _unused(wire, _OAUTH, "COMITIA_SASL_MECHANISM=OAUTHBEARER")
        return
    yield from _one_of(wire, "oauth_token_endpoint", "oauth_token_file")
    if "oauth_token_endpoint" not in wire.given:
        yield from _unused(wire, _CLIENT, "COMITIA_OAUTH_TOKEN_ENDPOINT")
        return
    if "oauth_client_id" not in wire.given:
        yield "COMITIA_OAUTH_CLIENT_ID is not set: COMITIA_OAUTH_TOKEN_ENDPOINT needs it"
    yield from _one_of(wire, "oauth_client_secret", "oauth_client_secret_file")


def _tls(wire: Wire) -> Iterator[str]:
    if not wire.tls:
        yield from _unused(wire, _TLS, "COMITIA_SECURITY_PROTOCOL=SSL or SASL_SSL")
        return
    _, certificate, key, password = _TLS
    for one, other in ((certificate, key), (key, certificate), (password, key)):
        if one in wire.given and other not in wire.given:
            yield f"{variable(one)} is set, but {variable(other)} is not: set both, or neither"


def _one_of(wire: Wire, one: str, other: str) -> Iterator[str]:
    found = len(wire.given & {one, other})
    if found != 1:
        state = "are both set: leave one away" if found else "are not set: one of them is needed"
        yield f"{variable(one)} and {variable(other)} {state}"


def _unused(wire: Wire, names: tuple[str, ...], needed: str) -> Iterator[str]:
    unused = [variable(name) for name in names if name in wire.given]
    if unused:
        verb = "has" if len(unused) == 1 else "have"
        yield f"{', '.join(unused)} {verb} no effect without {needed}: set that, or leave it away"
