"""Tokens for SASL OAUTHBEARER: from a token endpoint, from a file, or signed for Amazon MSK.

In come the settings of the wire, out come tokens, asked for once per new connection. Those of an
endpoint and of the signer are kept until a fifth of their time is left; a file is read each time.
No token or secret is part of a message.
"""

import asyncio
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import aiohttp

from comitia.config import WireSettings
from comitia.errors import ComitiaError, ConfigError, Retryable
from comitia.runtime.kafka_tls import read_text

_TIMEOUT_S = 10.0
_KEPT = 0.8
_DETAIL_MAX = 200


class Tokens(ABC):
    """Where tokens come from."""

    @abstractmethod
    async def token(self) -> str:
        """One that holds now. Retryable when its source does not answer, ConfigError when it
        refuses us.
        """


class TokenFile(Tokens):
    """A token that somebody else renews, such as one that Kubernetes mounts."""

    def __init__(self, settings: WireSettings) -> None:
        assert settings.oauth_token_file is not None
        self._path = settings.oauth_token_file

    async def token(self) -> str:
        return read_text(self._path, "oauth_token_file").strip()


class Kept(Tokens):
    """Keeps a token for most of its time; connections that open together share one request."""

    def __init__(self) -> None:
        self._token = ""
        self._until_s = 0.0
        self._asking = asyncio.Lock()

    async def token(self) -> str:
        async with self._asking:
            loop = asyncio.get_running_loop()
            if not self._token or loop.time() >= self._until_s:
                began_s = loop.time()
                self._token, lasts_s = await self.ask()
                self._until_s = began_s + _KEPT * lasts_s
            return self._token

    @abstractmethod
    async def ask(self) -> tuple[str, float]:
        """A new token, and for how many seconds it holds."""


class ClientCredentials(Kept):
    """Client credentials grant, the client named by HTTP Basic (RFC 6749, 2.3.1 and 4.4). The
    endpoint's certificate is verified by the system's CAs, or those of SSL_CERT_FILE.
    """

    def __init__(self, settings: WireSettings) -> None:
        super().__init__()
        self._settings = settings

    async def ask(self) -> tuple[str, float]:
        endpoint = self._settings.oauth_token_endpoint
        form = {"grant_type": "client_credentials", "scope": self._settings.oauth_scope}
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, trust_env=True) as session,
                session.post(
                    endpoint,
                    data={name: value for name, value in form.items() if value},
                    auth=self._client(),
                    headers={"Accept": "application/json"},
                    allow_redirects=False,
                ) as reply,
            ):
                status = reply.status
                fields = await _fields(reply)
        except aiohttp.ClientSSLError as error:
            raise ConfigError(
                f"COMITIA_OAUTH_TOKEN_ENDPOINT {endpoint}: its certificate is not trusted: name its"
                f" CA with SSL_CERT_FILE ({type(error).__name__})"
            ) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            why = type(error).__name__
            raise Retryable(
                f"COMITIA_OAUTH_TOKEN_ENDPOINT {endpoint} gives no answer ({why})"
            ) from error
        token = fields.get("access_token")
        if status != 200 or not isinstance(token, str) or not token:
            raise self._refused(endpoint, status, fields)
        lasts = fields.get("expires_in")
        try:
            return token, float(lasts or 0)
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"COMITIA_OAUTH_TOKEN_ENDPOINT {endpoint} answers expires_in {str(lasts)[:40]!r}:"
                " it must be a number of seconds"
            ) from error

    def _client(self) -> aiohttp.BasicAuth:
        settings, path = self._settings, self._settings.oauth_client_secret_file
        secret = settings.oauth_client_secret.get_secret_value()
        if path is not None:
            secret = read_text(path, "oauth_client_secret_file")
        return aiohttp.BasicAuth(quote(settings.oauth_client_id, ""), quote(secret, ""))

    def _refused(self, endpoint: str, status: int, fields: Mapping[str, Any]) -> ComitiaError:
        detail = ": ".join(
            str(fields[name])[:_DETAIL_MAX]
            for name in ("error", "error_description")
            if fields.get(name)
        )
        said = f"COMITIA_OAUTH_TOKEN_ENDPOINT {endpoint} answers {status}"
        said += f", {detail}" if detail else ""
        if status >= 500 or status == 429:
            return Retryable(said)
        return ConfigError(
            f"{said}: check it, COMITIA_OAUTH_CLIENT_ID ({self._settings.oauth_client_id}), its"
            " secret and COMITIA_OAUTH_SCOPE"
        )


class MskIam(Kept):
    """Signed by the IAM identity of this process, as botocore finds it; AWS_REGION is the
    cluster's.
    """

    def __init__(self) -> None:
        super().__init__()
        self._region = os.environ.get("AWS_REGION", "")
        if not self._region:
            raise ConfigError("AWS_REGION is not set: COMITIA_SASL_MECHANISM=AWS_MSK_IAM needs it")
        try:
            from aws_msk_iam_sasl_signer import MSKAuthTokenProvider
        except ImportError as error:
            raise ConfigError(
                "COMITIA_SASL_MECHANISM=AWS_MSK_IAM needs aws-msk-iam-sasl-signer-python: install"
                " comitia[msk]"
            ) from error
        self._signer = MSKAuthTokenProvider

    async def ask(self) -> tuple[str, float]:
        try:
            # It may ask the instance's metadata service, and waits for that; botocore's errors
            # share no base class.
            token, _ = await asyncio.to_thread(self._signer.generate_auth_token, self._region)
        except Exception as error:
            raise Retryable(
                f"AWS_MSK_IAM: no credentials to sign with ({type(error).__name__}): give this"
                " process an IAM role"
            ) from error
        return token, float(self._signer.DEFAULT_TOKEN_EXPIRY_SECONDS)


async def _fields(reply: aiohttp.ClientResponse) -> Mapping[str, Any]:
    """The JSON object of a reply; none where it is something else."""
    try:
        found = await reply.json(content_type=None)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def tokens(settings: WireSettings) -> Tokens | None:
    """As the settings say; None for a mechanism without tokens."""
    if settings.sasl_mechanism == "AWS_MSK_IAM":
        return MskIam()
    if settings.sasl_mechanism != "OAUTHBEARER":
        return None
    return TokenFile(settings) if settings.oauth_token_file else ClientCredentials(settings)
