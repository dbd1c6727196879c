"""TLS for connections to the cluster: a context made of PEM files, and again when they change.

In come the settings of the wire, out comes an ssl.SSLContext that verifies the broker's certificate
and its name; files that cannot be used are ConfigErrors that name the variable. Rotated files hold
for the next connection, without a restart.
"""

import ssl
from pathlib import Path

from comitia.config import WireSettings
from comitia.errors import ConfigError
from comitia.wire import variable

_FILES = ("tls_ca_file", "tls_certificate_file", "tls_key_file", "tls_key_password_file")


def read_text(path: Path, name: str) -> str:
    """A file named by the setting `name`, without the line's end. ConfigError when it cannot be
    read or is empty; what it holds is not part of any message.
    """
    try:
        text = path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{variable(name)}: cannot read {path}: {_why(error)}") from error
    if not text:
        raise ConfigError(f"{variable(name)}: {path} is empty")
    return text


class Tls:
    """The present context. `settings.security_protocol` is SSL or SASL_SSL."""

    def __init__(self, settings: WireSettings) -> None:
        self._settings = settings
        self._made: tuple[tuple[object, ...], ssl.SSLContext] | None = None

    def context(self) -> ssl.SSLContext:
        """As the files are now. Takes milliseconds, and next to nothing while they stay."""
        state = tuple(self._state(name) for name in _FILES)
        if self._made is None or self._made[0] != state:
            self._made = (state, self._make())
        return self._made[1]

    def _state(self, name: str) -> tuple[int, ...] | None:
        path: Path | None = getattr(self._settings, name)
        if path is None:
            return None
        try:
            found = path.stat()
        except OSError as error:
            raise ConfigError(f"{variable(name)}: cannot read {path}: {_why(error)}") from error
        return (found.st_mtime_ns, found.st_size, found.st_ino)

    def _make(self) -> ssl.SSLContext:
        ca, certificate = self._settings.tls_ca_file, self._settings.tls_certificate_file
        try:
            context = ssl.create_default_context(cafile=None if ca is None else str(ca))
        except (ssl.SSLError, OSError) as error:
            raise ConfigError(
                f"COMITIA_TLS_CA_FILE: {ca} holds no certificate in PEM form ({_why(error)})"
            ) from error
        if certificate is not None:
            self._present(context, certificate)
        return context

    def _present(self, context: ssl.SSLContext, certificate: Path) -> None:
        """Our own certificate: mTLS."""
        key, secret = self._settings.tls_key_file, self._settings.tls_key_password_file
        password = "" if secret is None else read_text(secret, "tls_key_password_file")
        try:
            # A function, as OpenSSL would otherwise ask for the password on the terminal.
            context.load_cert_chain(certificate, key, lambda: password)
        except (ssl.SSLError, OSError) as error:
            raise ConfigError(
                f"COMITIA_TLS_CERTIFICATE_FILE {certificate} and COMITIA_TLS_KEY_FILE {key} cannot"
                f" be used ({_why(error)}): they must be PEM and belong together, and an encrypted"
                " key needs the right password in COMITIA_TLS_KEY_PASSWORD_FILE"
            ) from error


def _why(error: OSError | ValueError) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or "not PEM"
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else "not text"
