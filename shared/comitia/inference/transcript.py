"""Tokens to text as they come: what can be said already, and where a stop string ends it.

Held back are the bytes of a character that is not complete, and what may still become a stop
string. Each token costs the same however long the text is.
"""

from comitia.inference.text import REPLACEMENT, Text

# A character is four bytes at most; so many tokens without one will not make one any more.
_CUT_TOKENS_MAX = 16


class Transcript:
    """The text of one generation. What `add` and `close` return, joined, is `text`."""

    def __init__(self, text: Text, stop: tuple[str, ...]) -> None:
        self._text, self._stop = text, stop
        self._said: list[str] = []
        # Not said yet: it may be the beginning of a stop string.
        self._held = ""
        # The tokens since the character before the last complete one, `_read` of them of complete
        # ones, and how many characters of their text are taken: a decoder may treat the beginning
        # of a text in a way of its own, so new tokens are decoded behind older ones.
        self._window: list[int] = []
        self._read = 0
        self._taken = 0
        self.stopped = False

    @property
    def text(self) -> str:
        """All that was said."""
        return "".join(self._said)

    def add(self, token: int) -> str:
        """What can be said with one more token; `stopped` once a stop string is complete."""
        if token in self._text.special:
            return ""
        return self._say(self._decode(token))

    def close(self, *, cut: bool = True) -> str:
        """The rest of the text. `cut`: without a character that is not complete."""
        rest = self._held
        if not cut:
            rest += self._text.decode_all(self._window)[self._taken :]
        self._held = ""
        self._said.append(rest)
        return rest

    def _decode(self, token: int) -> str:
        window = self._window
        window.append(token)
        whole = self._text.decode_all(window)
        ready = whole
        if len(window) - self._read < _CUT_TOKENS_MAX:
            ready = whole.rstrip(REPLACEMENT)
        new = ready[self._taken :]
        self._taken = max(self._taken, len(ready))
        if len(ready) == len(whole):
            del window[: self._read]
            self._read = len(window)
            self._taken = len(self._text.decode_all(window))
        return new

    def _say(self, new: str) -> str:
        ready = self._held + new
        places = [place for place in map(ready.find, self._stop) if place >= 0]
        if places:
            self.stopped = True
            ready, self._held = ready[: min(places)], ""
        else:
            end = len(ready) - max((_begun(ready, stop) for stop in self._stop), default=0)
            ready, self._held = ready[:end], ready[end:]
        self._said.append(ready)
        return ready


def _begun(text: str, stop: str) -> int:
    """How many characters at the end of `text` begin `stop`."""
    sizes = range(min(len(stop) - 1, len(text)), 0, -1)
    return next((size for size in sizes if text.endswith(stop[:size])), 0)
