"""Strict reading of one mapping of a card: every value is asked for by kind, and what nobody asked
for is refused.

A parsed YAML mapping goes in; typed values come out. Each fault is a ConfigError that names the
file, the key and the rule.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NoReturn

from comitia.errors import ConfigError

_NAME = re.compile(r"[a-z0-9A-Z][a-z0-9A-Z._-]{0,79}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Fields:
    """A mapping `data` found at `place` (dotted, "" at the top) of `file`."""

    def __init__(self, file: str, place: str, data: object) -> None:
        self._file, self._place = file, place
        if not isinstance(data, dict):
            raise ConfigError(f"{file}: {place or 'the card'} must be a mapping of keys to values.")
        self._data: dict[object, object] = data
        self._asked: set[str] = set()

    def fail(self, key: str, rule: str) -> NoReturn:
        """Raise the ConfigError for one key."""
        where = f"{self._place}.{key}" if self._place else key
        raise ConfigError(f"{self._file}: '{where}' {rule}.")

    def given(self, key: str) -> bool:
        """Whether an optional key is there."""
        self._asked.add(key)
        return key in self._data

    def _get(self, key: str) -> object:
        if not self.given(key):
            self.fail(key, "is missing")
        return self._data[key]

    def text(self, key: str) -> str:
        """A string that is not blank."""
        value = self._get(key)
        if not isinstance(value, str) or not value.strip():
            self.fail(key, f"must be text (in quotes where it looks like a number), not {value!r}")
        return value.strip()

    def name(self, key: str) -> str:
        """Letters, digits, dot, dash and underscore, up to 80: safe as a file name."""
        value = self.text(key)
        if not _NAME.fullmatch(value):
            self.fail(
                key, f"must be up to 80 letters, digits, dots, dashes or underscores, not {value!r}"
            )
        return value

    def digest(self, key: str) -> str:
        """A sha256 in lower-case hexadecimal."""
        value = self.text(key)
        if not _DIGEST.fullmatch(value):
            self.fail(key, f"must be a sha256 of 64 lower-case hexadecimal digits, not {value!r}")
        return value

    def digests(self, key: str) -> tuple[tuple[str, str], ...]:
        """An optional mapping of file names to sha256, in order of name."""
        if not self.given(key):
            return ()
        inner = self.inner(key)
        return tuple((name, inner.digest(name)) for name in sorted(map(str, inner._data)))

    def number(self, key: str, low: int, high: int) -> int:
        """A whole number from `low` to `high`."""
        value = self._get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            self.fail(key, f"must be a whole number from {low} to {high}, not {value!r}")
        return value

    def share(self, key: str, low: float, high: float) -> float:
        """A number from `low` to `high`."""
        value = self._get(key)
        if (
            not isinstance(value, (int, float))
            or isinstance(value, bool)
            or not low <= value <= high
        ):
            self.fail(key, f"must be a number from {low:g} to {high:g}, not {value!r}")
        return float(value)

    def choice(self, key: str, allowed: Sequence[str]) -> str:
        """One of the words of `allowed`."""
        value = self._get(key)
        if not isinstance(value, str) or value not in allowed:
            self.fail(key, f"must be one of {', '.join(allowed)}, not {value!r}")
        return value

    def inner(self, key: str) -> "Fields":
        """A mapping below this one."""
        value = self._get(key)
        return Fields(self._file, f"{self._place}.{key}" if self._place else key, value)

    def each(self, key: str) -> Iterator["Fields"]:
        """The mappings of a list that is not empty."""
        value = self._get(key)
        if not isinstance(value, list) or not value:
            self.fail(key, "must be a list with at least one entry")
        for number, entry in enumerate(value):
            yield Fields(self._file, f"{self._place}.{key}[{number}]".lstrip("."), entry)

    def done(self) -> None:
        """Raise ConfigError for a key that was not asked for."""
        for key in self._data:
            if key not in self._asked:
                self.fail(
                    str(key), f"is not known here; known are {', '.join(sorted(self._asked))}"
                )
