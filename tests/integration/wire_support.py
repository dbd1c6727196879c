"""A broker that demands something: certificates, listeners with TLS and SASL, an authorizer with
ACLs, and a token endpoint. In come a folder and ports; out come a running Apache Kafka and the
settings with which one of its users connects.

Listeners: PLAINTEXT for the broker itself and for the test, whose anonymous user is a super user;
SECURE is SASL_SSL with every mechanism, MUTUAL is TLS with a client's certificate, CLEAR is SASL
without TLS. All else needs an ACL.
"""

import base64
import contextlib
import datetime
import ipaddress
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from comitia.broker import HOST, BrokerSettings, EmbeddedBroker
from tests.conftest import free_ports

SECURITY = "org.apache.kafka.common.security"
USERS = (
    "admin", "router", "aggregator", "learner", "librarian", "publisher", "operator", "nobody",
)  # fmt: skip
KEY_PASSWORD = "key-secret"
_CURVE = ec.SECP256R1()
# Sessions end with their token at the latest, as on Amazon MSK: then the client logs in again.
REAUTHENTICATE_MS = 3_000


def password(user: str) -> str:
    """Of a user, for PLAIN and SCRAM. With what a properties file or a URL would trip over."""
    return f"{user}:=s3cret%"


@dataclass(frozen=True)
class Authority:
    """A CA and what it signs, as PEM files in one folder."""

    folder: Path
    name: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(_CURVE))

    @property
    def ca_file(self) -> Path:
        return self.folder / f"{self.name}.pem"

    def found(self) -> "Authority":
        self._write(self.ca_file, self.certificate(self.name, self.key, ca=True))
        return self

    def certificate(
        self, name: str, key: ec.EllipticCurvePrivateKey, *, ca: bool = False, days: int = 2
    ) -> x509.Certificate:
        """Signed by this authority; of the broker's address and of `name` alike."""
        now = datetime.datetime.now(datetime.UTC)
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address(HOST))]
        use = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = (
            x509.CertificateBuilder()
            .subject_name(_subject(name))
            .issuer_name(_subject(self.name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=3))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca, None), critical=True)
        )
        if not ca:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
            builder = builder.add_extension(x509.ExtendedKeyUsage(use), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, name: str, *, encrypted: bool = False, days: int = 2) -> tuple[Path, Path]:
        """Certificate and key files of `name`."""
        key = ec.generate_private_key(_CURVE)
        certificate, key_file = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        self._write(certificate, self.certificate(name, key, days=days))
        locked = serialization.BestAvailableEncryption(KEY_PASSWORD.encode())
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                locked if encrypted else serialization.NoEncryption(),
            )
        )
        return certificate, key_file

    @staticmethod
    def _write(path: Path, certificate: x509.Certificate) -> None:
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


@dataclass(frozen=True)
class Demanding:
    """The running broker. `bootstrap` is the test's own address, without any demand."""

    authority: Authority
    port: int

    @property
    def bootstrap(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def secure(self) -> str:
        return f"{HOST}:{self.port + 2}"

    @property
    def mutual(self) -> str:
        return f"{HOST}:{self.port + 3}"

    @property
    def clear(self) -> str:
        return f"{HOST}:{self.port + 4}"

    def sasl(self, user: str, mechanism: str = "SCRAM-SHA-512") -> dict[str, str]:
        """COMITIA_ variables of a user of SECURE."""
        return {
            "COMITIA_BOOTSTRAP": self.secure,
            "COMITIA_SECURITY_PROTOCOL": "SASL_SSL",
            "COMITIA_SASL_MECHANISM": mechanism,
            "COMITIA_SASL_USERNAME": user,
            "COMITIA_SASL_PASSWORD": password(user),
            "COMITIA_TLS_CA_FILE": str(self.authority.ca_file),
        }

    def oauth(self, **given: str) -> dict[str, str]:
        """COMITIA_ variables of SECURE with tokens; `given` says where those come from."""
        shared = self.sasl("", "OAUTHBEARER")
        del shared["COMITIA_SASL_USERNAME"], shared["COMITIA_SASL_PASSWORD"]
        return shared | {f"COMITIA_OAUTH_{name.upper()}": value for name, value in given.items()}

    def mtls(self, user: str, *, encrypted: bool = False) -> dict[str, str]:
        """COMITIA_ variables of a user of MUTUAL, with a certificate made for them."""
        certificate, key = self.authority.issue(user, encrypted=encrypted)
        found = {
            "COMITIA_BOOTSTRAP": self.mutual,
            "COMITIA_SECURITY_PROTOCOL": "SSL",
            "COMITIA_TLS_CA_FILE": str(self.authority.ca_file),
            "COMITIA_TLS_CERTIFICATE_FILE": str(certificate),
            "COMITIA_TLS_KEY_FILE": str(key),
        }
        if encrypted:
            secret = self.authority.folder / "key-password"
            secret.write_text(KEY_PASSWORD + "\n")
            found["COMITIA_TLS_KEY_PASSWORD_FILE"] = str(secret)
        return found


@contextlib.contextmanager
def demanding(state: Path, cache_dir: Path, certificates: Path) -> Iterator[Demanding]:
    """Apache Kafka with all listeners and the StandardAuthorizer."""
    authority = Authority(certificates, "ca").found()
    found = Demanding(authority, free_ports(5))
    scram = tuple(
        f'SCRAM-SHA-{bits}=[name="{user}",password="{password(user)}"]'
        for user in USERS
        for bits in (256, 512)
    )
    settings = BrokerSettings(
        state, cache_dir, found.port, extra=_properties(found, authority), scram=scram
    )
    with EmbeddedBroker(settings):
        yield found


def _properties(found: Demanding, authority: Authority) -> dict[str, str]:
    certificate, key = authority.issue("broker")
    both = authority.folder / "broker.pem"
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    own = f"PLAINTEXT://{found.bootstrap}"
    others = f"SECURE://{found.secure},MUTUAL://{found.mutual},CLEAR://{found.clear}"
    plain = "".join(f' user_{user}="{password(user)}"' for user in USERS)
    secure = "listener.name.secure"
    return {
        "listeners": f"{own},CONTROLLER://{HOST}:{found.port + 1},{others}",
        "advertised.listeners": f"{own},{others}",
        "listener.security.protocol.map": (
            "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL,MUTUAL:SSL,"
            "CLEAR:SASL_PLAINTEXT"
        ),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS;User:admin",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(both),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(authority.ca_file),
        "ssl.principal.mapping.rules": "RULE:^CN=(.*)$/$1/",
        "listener.name.mutual.ssl.client.auth": "required",
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
        "listener.name.clear.sasl.enabled.mechanisms": "SCRAM-SHA-512",
        f"{secure}.plain.sasl.jaas.config": f"{SECURITY}.plain.PlainLoginModule required{plain};",
        **{
            f"{listener}.scram-sha-{bits}.sasl.jaas.config": (
                f"{SECURITY}.scram.ScramLoginModule required;"
            )
            for listener in (secure, "listener.name.clear")
            for bits in (256, 512)
        },
        f"{secure}.oauthbearer.sasl.jaas.config": (
            f"{SECURITY}.oauthbearer.OAuthBearerLoginModule required"
            ' unsecuredLoginStringClaim_sub="admin";'
        ),
        f"{secure}.oauthbearer.connections.max.reauth.ms": str(REAUTHENTICATE_MS),
    }


def token(subject: str, lasts_s: int = 3600) -> str:
    """An unsecured JWS (RFC 7515, appendix A.5), which Kafka's own validator takes."""
    now = datetime.datetime.now(datetime.UTC).timestamp()
    claims = {"sub": subject, "iat": now, "exp": now + lasts_s}
    parts = ({"alg": "none"}, claims)
    return ".".join(_base64(json.dumps(part).encode()) for part in parts) + "."


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


@dataclass
class TokenEndpoint:
    """An OAuth server of one client, which counts. `lasts_s`: of each token; `status`: of every
    answer; `port` 0: a free one.
    """

    subject: str = "admin"
    client_id: str = "comitia/1"
    secret: str = "client:secret"
    lasts_s: int = 3600
    status: int = 200
    port: int = 0
    asked: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.asked.append(form)
        # RFC 6749, 2.3.1: both are form-encoded before they go into the header.
        known = base64.b64encode(b"comitia%2F1:client%3Asecret").decode()
        if request.headers.get("Authorization") != f"Basic {known}":
            return web.json_response({"error": "invalid_client"}, status=401)
        if self.status != 200:
            return web.Response(status=self.status, text="not now")
        made = {"access_token": token(self.subject, self.lasts_s), "expires_in": self.lasts_s}
        return web.json_response(made | {"token_type": "Bearer"})

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator["TokenEndpoint"]:
        app = web.Application()
        app.router.add_post("/token", self.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, HOST, self.port)
        await site.start()
        self.url = f"http://{HOST}:{runner.addresses[0][1]}/token"
        try:
            yield self
        finally:
            await runner.cleanup()

    def settings(self) -> dict[str, str]:
        return {
            "token_endpoint": self.url,
            "client_id": self.client_id,
            "client_secret": self.secret,
            "scope": "kafka",
        }
