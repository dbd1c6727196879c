"""Every way to connect, against Apache Kafka that demands it: a round through topics, a group and a
transaction over each; and every refusal, in one sentence that names what to change.
"""

import contextlib
import logging
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest

from comitia.config import KafkaSettings, load
from comitia.errors import ConfigError, Retryable
from comitia.ports import Committed, Outgoing, ReaderSpec, TopicPartition, TopicSpec
from comitia.runtime.inspect import inspect
from comitia.runtime.kafka_log import KafkaLog
from tests.integration.wire_support import (
    Authority,
    Demanding,
    TokenEndpoint,
    password,
    token,
)

FETCHES_MAX = 60
# Of a tenth of a second each, while sessions end after two seconds.
ROUNDS_MAX = 1_000


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Callable[[Mapping[str, str]], KafkaSettings]:
    """Settings as a service reads them."""

    def set_(variables: Mapping[str, str]) -> KafkaSettings:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return load(KafkaSettings)

    return set_


Environment = Callable[[Mapping[str, str]], KafkaSettings]


@contextlib.asynccontextmanager
async def opened(settings: KafkaSettings) -> AsyncIterator[KafkaLog]:
    log = await KafkaLog.open(settings, "test")
    try:
        yield log
    finally:
        await log.close()


async def around(log: KafkaLog) -> None:
    """Create, write in a transaction, read in a group, commit."""
    topic = f"t{uuid.uuid4().hex}"
    tp = TopicPartition(topic, 0)
    await log.create([TopicSpec(topic, 1, 1, {})])
    writer = await log.writer(f"{topic}.0")
    await writer.begin()
    await (await writer.send(Outgoing(topic, b"in a transaction", b"k")))
    await writer.commit()
    await writer.close()
    reader = await log.reader(ReaderSpec((topic,), group=topic))
    for _ in range(FETCHES_MAX):
        found = await reader.fetch(10, 500)
        if found:
            break
    await reader.commit({tp: Committed(1)})
    assert [record.value for record in found] == [b"in a transaction"]
    assert await reader.committed(tp) == Committed(1)
    await reader.close()


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_a_password_in_the_environment(
    mechanism: str, demands: Demanding, environment: Environment
) -> None:
    async with opened(environment(demands.sasl("admin", mechanism))) as log:
        await around(log)


async def test_a_password_without_tls(demands: Demanding, environment: Environment) -> None:
    given = demands.sasl("admin") | {"COMITIA_SECURITY_PROTOCOL": "SASL_PLAINTEXT"}
    del given["COMITIA_TLS_CA_FILE"]
    async with opened(environment(given | {"COMITIA_BOOTSTRAP": demands.clear})) as log:
        await around(log)


@pytest.mark.parametrize("encrypted", [False, True])
async def test_a_certificate_of_our_own(
    encrypted: bool, demands: Demanding, environment: Environment
) -> None:
    async with opened(environment(demands.mtls("admin", encrypted=encrypted))) as log:
        await around(log)


async def test_a_token_of_an_endpoint_is_asked_for_once_for_all_connections(
    demands: Demanding, environment: Environment
) -> None:
    async with TokenEndpoint().serve() as endpoint:
        async with opened(environment(demands.oauth(**endpoint.settings()))) as log:
            await around(log)
        assert endpoint.asked == [{"grant_type": "client_credentials", "scope": "kafka"}]


async def test_sessions_end_with_their_token_and_open_clients_go_on_with_the_next(
    demands: Demanding, environment: Environment
) -> None:
    topic = f"t{uuid.uuid4().hex}"
    async with (
        TokenEndpoint(lasts_s=2).serve() as endpoint,
        opened(environment(demands.oauth(**endpoint.settings()))) as log,
    ):
        await log.create([TopicSpec(topic, 1, 1, {})])
        writer = await log.writer(f"{topic}.0")
        reader = await log.reader(ReaderSpec((topic,), group=topic))
        written = read = 0
        while (len(endpoint.asked) < 4 or read < written) and written < ROUNDS_MAX:
            await writer.begin()
            await (await writer.send(Outgoing(topic, str(written).encode(), b"k")))
            await writer.commit()
            written += 1
            for record in await reader.fetch(100, 200):
                assert record.value == str(read).encode()
                read += 1
            if read:
                await reader.commit({TopicPartition(topic, 0): Committed(read)})
        await reader.close()
        await writer.close()
        assert len(endpoint.asked) >= 4, f"after {written} transactions"
        assert read == written


async def test_a_token_of_a_file_is_read_anew_for_each_login(
    demands: Demanding, environment: Environment, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text(token("admin", lasts_s=-60) + "\n")
    settings = environment(demands.oauth(token_file=str(file)))
    with pytest.raises(ConfigError, match="the token of COMITIA_OAUTH_TOKEN_FILE"):
        await KafkaLog.open(settings, "test")
    file.write_text(token("admin") + "\n")
    async with opened(settings) as log:
        await around(log)


async def test_a_password_that_is_rotated_in_its_file_holds_for_new_connections(
    demands: Demanding, environment: Environment, tmp_path: Path
) -> None:
    file = tmp_path / "password"
    file.write_text(password("admin") + "\n")
    given = demands.sasl("admin") | {"COMITIA_SASL_PASSWORD_FILE": str(file)}
    del given["COMITIA_SASL_PASSWORD"]
    async with opened(environment(given)) as log:
        await around(log)
        file.write_text("rotated too early")
        with pytest.raises(Retryable, match="COMITIA_SASL_USERNAME admin") as caught:
            await log.writer()
        assert "rotated too early" not in str(caught.value)
        file.write_text(password("admin"))
        await around(log)


async def refused(settings: KafkaSettings, kind: type[Exception] = ConfigError) -> str:
    """What is said; the same by doctor."""
    with pytest.raises(kind) as caught:
        await KafkaLog.open(settings, "test")
    with pytest.raises(ConfigError) as told:
        await inspect(settings)
    said = str(caught.value)
    assert kind is not ConfigError or str(told.value) == said
    assert "s3cret" not in said + str(told.value)
    return said


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
async def test_a_wrong_password_names_user_and_variable_and_never_itself(
    mechanism: str,
    demands: Demanding,
    environment: Environment,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    given = demands.sasl("router", mechanism) | {"COMITIA_SASL_PASSWORD": "wrong:s3cret"}
    settings = environment(given)
    said = await refused(settings)
    assert demands.secure in said
    assert "COMITIA_SASL_USERNAME router" in said
    assert "COMITIA_SASL_PASSWORD" in said
    assert "s3cret" not in caplog.text + repr(settings) + repr(settings.model_dump())


async def test_a_ca_that_did_not_sign_the_brokers_certificate(
    demands: Demanding, environment: Environment, tmp_path: Path
) -> None:
    other = Authority(tmp_path, "other").found()
    given = demands.sasl("admin") | {"COMITIA_TLS_CA_FILE": str(other.ca_file)}
    said = await refused(environment(given))
    assert f"the certificate of {demands.secure} is not trusted" in said
    assert "COMITIA_TLS_CA_FILE" in said


@pytest.mark.parametrize("signed_by", ["nobody", "another CA", "ours, long ago"])
async def test_a_listener_that_wants_another_certificate_than_ours(
    signed_by: str, demands: Demanding, environment: Environment, tmp_path: Path
) -> None:
    given = demands.mtls("admin")
    if signed_by == "nobody":
        del given["COMITIA_TLS_CERTIFICATE_FILE"], given["COMITIA_TLS_KEY_FILE"]
        expected = "wants a certificate"
    else:
        theirs = Authority(tmp_path, "other").found()
        signer = theirs if signed_by == "another CA" else demands.authority
        certificate, key = signer.issue("late", days=2 if signer is theirs else -1)
        given["COMITIA_TLS_CERTIFICATE_FILE"] = str(certificate)
        given["COMITIA_TLS_KEY_FILE"] = str(key)
        expected = "refuses our certificate"
    said = await refused(environment(given))
    assert f"{demands.mutual} {expected}" in said
    assert "COMITIA_TLS_CERTIFICATE_FILE" in said


@pytest.mark.parametrize("listener", ["bootstrap", "clear"])
async def test_tls_where_the_listener_has_none(
    listener: str, demands: Demanding, environment: Environment
) -> None:
    address = getattr(demands, listener)
    given = demands.sasl("admin") | {"COMITIA_BOOTSTRAP": address}
    said = await refused(environment(given), Retryable)
    assert f"{address} closes the connection; does it speak SASL_SSL" in said
    assert "COMITIA_SECURITY_PROTOCOL" in said


async def test_a_listener_without_sasl_or_without_the_mechanism(
    demands: Demanding, environment: Environment
) -> None:
    given = demands.sasl("admin") | {"COMITIA_SECURITY_PROTOCOL": "SASL_PLAINTEXT"}
    del given["COMITIA_TLS_CA_FILE"]
    said = await refused(environment(given | {"COMITIA_BOOTSTRAP": demands.bootstrap}))
    assert f"{demands.bootstrap} does not use SASL" in said
    assert "COMITIA_SECURITY_PROTOCOL to PLAINTEXT" in said
    plain = {"COMITIA_BOOTSTRAP": demands.clear, "COMITIA_SASL_MECHANISM": "PLAIN"}
    said = await refused(environment(given | plain))
    assert f"{demands.clear} does not offer PLAIN: set COMITIA_SASL_MECHANISM" in said


@pytest.mark.parametrize("address", ["secure", "clear"])
async def test_a_listener_with_sasl_asked_without(
    address: str, demands: Demanding, environment: Environment
) -> None:
    given = {"COMITIA_BOOTSTRAP": getattr(demands, address)}
    said = await refused(environment(given), Retryable)
    assert "COMITIA_SECURITY_PROTOCOL" in said


async def test_a_token_endpoint_that_refuses_or_is_away(
    demands: Demanding, environment: Environment
) -> None:
    async with TokenEndpoint().serve() as endpoint:
        given = endpoint.settings() | {"client_secret": "wrong s3cret"}
        said = await refused(environment(demands.oauth(**given)))
        assert f"{endpoint.url} answers 401, invalid_client" in said
        assert "COMITIA_OAUTH_CLIENT_ID (comitia/1)" in said
        endpoint.status = 503
        said = await refused(environment(demands.oauth(**endpoint.settings())), Retryable)
        assert "answers 503" in said
    said = await refused(environment(demands.oauth(**endpoint.settings())), Retryable)
    assert f"COMITIA_OAUTH_TOKEN_ENDPOINT {endpoint.url} gives no answer" in said
