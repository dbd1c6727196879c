"""Settings of the wire: what contradicts is named with what to change, secrets are never shown, and
files are read when they are needed.
"""

import asyncio
import base64
import json
import ssl
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import pytest

from comitia.config import KafkaSettings, WireSettings, load
from comitia.errors import ConfigError
from comitia.runtime.kafka_security import Security
from comitia.runtime.kafka_tls import Tls, read_text
from comitia.runtime.kafka_tokens import Kept, tokens

SECRET = "s3cret"
SCRAM = {
    "security_protocol": "SASL_SSL", "sasl_mechanism": "SCRAM-SHA-512", "sasl_username": "alice",
    "sasl_password": SECRET,
}  # fmt: skip
OAUTH = {
    "security_protocol": "SASL_SSL", "sasl_mechanism": "OAUTHBEARER", "oauth_client_id": "alice",
    "oauth_token_endpoint": "https://id.example/token", "oauth_client_secret": SECRET,
}  # fmt: skip


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"security_protocol": "SASL_SSL"}, ["SASL_MECHANISM is not set"]),
        ({"sasl_mechanism": "PLAIN", "sasl_username": "a", "sasl_password": SECRET},
         ["SASL_MECHANISM=PLAIN has no effect with COMITIA_SECURITY_PROTOCOL=PLAINTEXT"]),
        ({"sasl_username": "a", "sasl_password": SECRET},
         ["SASL_USERNAME, COMITIA_SASL_PASSWORD have no effect"]),
        (SCRAM | {"sasl_username": ""}, ["SASL_USERNAME is not set"]),
        (SCRAM | {"sasl_password": ""},
         ["SASL_PASSWORD and COMITIA_SASL_PASSWORD_FILE are not set"]),
        (SCRAM | {"sasl_password_file": "/p"},
         ["SASL_PASSWORD and COMITIA_SASL_PASSWORD_FILE are both set"]),
        (SCRAM | {"security_protocol": "SSL"}, ["SASL_MECHANISM=SCRAM-SHA-512 has no effect"]),
        (SCRAM | {"security_protocol": "SASL_PLAINTEXT", "tls_ca_file": "/ca"},
         ["TLS_CA_FILE has no effect without COMITIA_SECURITY_PROTOCOL=SSL"]),
        (SCRAM | {"oauth_scope": "x"}, ["OAUTH_SCOPE has no effect"]),
        (OAUTH | {"oauth_token_file": "/t"}, ["OAUTH_TOKEN_FILE are both set"]),
        (OAUTH | {"oauth_token_endpoint": "", "oauth_token_file": "/t"},
         ["OAUTH_CLIENT_ID, COMITIA_OAUTH_CLIENT_SECRET have no effect"]),
        (OAUTH | {"oauth_client_id": "", "oauth_client_secret": ""},
         ["OAUTH_CLIENT_ID is not set", "OAUTH_CLIENT_SECRET_FILE are not set"]),
        ({"security_protocol": "SSL", "tls_certificate_file": "/c"}, ["TLS_KEY_FILE is not"]),
        ({"security_protocol": "SSL", "tls_key_password_file": "/c"}, ["TLS_KEY_FILE is not"]),
        ({"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "AWS_MSK_IAM"},
         ["AWS_MSK_IAM needs COMITIA_SECURITY_PROTOCOL=SASL_SSL"]),
        ({"security_protocol": "TLS"}, ["SECURITY_PROTOCOL: ", "'SASL_SSL' (it is 'TLS')"]),
    ],
)  # fmt: skip
def test_what_contradicts_is_named(given: dict[str, str], names: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(KafkaSettings, {"bootstrap": "b:1", **given})
    said = str(caught.value)
    for name in names:
        assert name in said
    assert said.startswith("COMITIA_")
    assert SECRET not in said
    # What a log of the exception in full would show.
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("given", [{}, SCRAM, OAUTH])
def test_what_belongs_together_is_taken_and_its_secrets_are_hidden(given: dict[str, str]) -> None:
    nothing = {"sasl_password_file": "", "tls_ca_file": "", "oauth_token_file": ""}
    if not given:
        nothing["sasl_mechanism"] = ""
    settings = load(KafkaSettings, {"bootstrap": "b:1", **nothing, **given})
    assert SECRET not in repr(settings) + str(settings.model_dump())


def test_the_principal_is_named_where_it_is_known() -> None:
    assert Security(load(WireSettings, SCRAM)).words == "SASL_SSL, SCRAM-SHA-512 as User:alice"
    assert Security(load(WireSettings, OAUTH)).words == "SASL_SSL, OAUTHBEARER as the token's user"
    assert Security().words == "PLAINTEXT as User:ANONYMOUS"


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff"])
def test_a_secret_file_that_holds_nothing_is_named(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "password"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"^COMITIA_SASL_PASSWORD_FILE: .*password"):
        read_text(path, "sasl_password_file")
    path.write_text(f"{SECRET} \r\n")
    assert read_text(path, "sasl_password_file") == f"{SECRET} "


@pytest.mark.parametrize(
    ("field", "says"),
    [
        ("tls_ca_file", "COMITIA_TLS_CA_FILE: .* no certificate"),
        ("tls_certificate_file", "COMITIA_TLS_CERTIFICATE_FILE .* cannot be used"),
    ],
)
def test_a_file_that_is_no_certificate_is_named(field: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "file.pem"
    given: dict[str, object] = {"security_protocol": "SSL", field: file}
    if field == "tls_certificate_file":
        given["tls_key_file"] = file
    tls = Tls(load(WireSettings, given))
    with pytest.raises(ConfigError, match=f"{field.upper()}: cannot read .*file.pem"):
        tls.context()
    file.write_text("not a certificate")
    with pytest.raises(ConfigError, match=says):
        tls.context()


def test_a_context_is_made_anew_when_a_file_changes_and_only_then(tmp_path: Path) -> None:
    authorities = ssl.create_default_context().get_ca_certs(binary_form=True)
    if len(authorities) < 2:
        pytest.skip("this system trusts no CA whose certificate could be used here")
    file = tmp_path / "ca.pem"
    file.write_text(ssl.DER_cert_to_PEM_cert(authorities[0]))
    tls = Tls(load(WireSettings, {"security_protocol": "SSL", "tls_ca_file": file}))
    first = tls.context()
    assert tls.context() is first
    assert first.check_hostname
    other = tmp_path / "next.pem"
    other.write_text(ssl.DER_cert_to_PEM_cert(authorities[1]))
    other.replace(file)
    assert tls.context().get_ca_certs(binary_form=True) == [authorities[1]]


class Counted(Kept):
    """Tokens "1", "2", ... of so many seconds each."""

    def __init__(self, lasts_s: float) -> None:
        super().__init__()
        self.asked, self._lasts_s = 0, lasts_s

    async def ask(self) -> tuple[str, float]:
        self.asked += 1
        await asyncio.sleep(0)
        return str(self.asked), self._lasts_s


async def test_connections_that_open_together_share_a_token() -> None:
    long = Counted(60)
    assert set(await asyncio.gather(*(long.token() for _ in range(9)))) == {"1"}
    unknown = Counted(0)
    assert [await unknown.token(), await unknown.token()] == ["1", "2"]


async def test_msk_tokens_are_signed_for_the_cluster_without_asking_anybody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    given = {"security_protocol": "SASL_SSL", "sasl_mechanism": "AWS_MSK_IAM"}
    settings = load(WireSettings, given)
    signed = tokens(settings)
    assert signed is not None
    token = await signed.token()
    url = urlparse(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode())
    assert url.hostname == "kafka.eu-central-1.amazonaws.com"
    assert parse_qs(url.query)["Action"] == ["kafka-cluster:Connect"]
    assert SECRET not in json.dumps(parse_qs(url.query))
    assert Security(settings).options()["sasl_mechanism"] == "OAUTHBEARER"
    monkeypatch.delenv("AWS_REGION")
    with pytest.raises(ConfigError, match="AWS_REGION is not set"):
        tokens(settings)
