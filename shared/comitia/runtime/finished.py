"""Which offsets above a committed one are finished, as text for the commit's metadata.

In come a low-water mark and offsets above it that were finished out of order; out comes a short
text, and from such a text the offsets. Who starts there repeats only what was unfinished. A text is
cut where it grows too long, and one of another kind says nothing: both only cost work done again.
"""

import re
from collections.abc import Iterable, Iterator

# Brokers keep 4,096 bytes unless told otherwise (offset.metadata.max.bytes).
CHARACTERS_MAX = 3_000
_KIND = "finished:"
# "+3" is one offset, counted from the low-water mark; "+3-7" all from the third to the seventh.
_RUN = re.compile(r"\+(\d{1,15})(?:-(\d{1,15}))?")
# More than one process ever has at hand: a text that claims more is not of this program.
_SPAN_MAX = 1_000_000


def to_text(low_water: int, offsets: Iterable[int]) -> str:
    """The offsets above `low_water`; "" when there are none."""
    text = ""
    for first, last in _runs(sorted(offset for offset in offsets if offset > low_water)):
        run = f"+{first - low_water}" + (f"-{last - low_water}" if last > first else "")
        if len(text) + len(run) > CHARACTERS_MAX:
            break
        text += run
    return _KIND + text if text else ""


def from_text(low_water: int, text: str) -> set[int]:
    """The offsets that `to_text` was given, as far as they went in; empty for any other text."""
    found: set[int] = set()
    if not text.startswith(_KIND):
        return found
    for first, last in _RUN.findall(text[: CHARACTERS_MAX + len(_KIND)]):
        start, stop = int(first), int(last or first)
        if stop - start + len(found) > _SPAN_MAX:
            break
        found.update(range(low_water + start, low_water + stop + 1))
    return found


def _runs(offsets: list[int]) -> Iterator[tuple[int, int]]:
    """First and last of each unbroken run of rising offsets."""
    first = None
    for position, offset in enumerate(offsets):
        first = offset if first is None else first
        if position + 1 == len(offsets) or offsets[position + 1] != offset + 1:
            yield first, offset
            first = None
