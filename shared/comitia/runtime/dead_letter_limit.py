"""How many dead letters are too many: a storm of them stops the service.

In come the records that a process reads and the letters that it is about to write; out comes
Overloaded when the letters are no longer the exception. Without it a wrong deployment would move a
whole topic into the dead letters, each task of it decided FAILED, before anybody looks. The idea is
that of arroyo's DlqLimit (a fraction and a count); here the fraction looks at the last thousand
records, however slowly they come, and the count at the last minute.
"""

from collections import deque

from comitia.effects import DeadLetter
from comitia.errors import Overloaded

MINUTE_MS = 60_000
# Of how many of the last records a fraction is taken: at least so many, at most twice as many.
RECORDS = 1_000
# After a start it is taken of so many, though fewer were read: a process that is started over and
# over in a storm puts little aside each time.
RECORDS_AT_FIRST = 200


class DeadLetterLimit:
    """One process's. `per_minute_max` and `fraction_max` are settings of every service; None bounds
    nothing.
    """

    def __init__(
        self, per_minute_max: int | None = None, fraction_max: float | None = None
    ) -> None:
        self._per_minute_max = per_minute_max
        self._fraction_max = fraction_max
        self._kept_ms: deque[float] = deque(maxlen=per_minute_max)
        self._records = 0.0
        self._letters = 0.0

    def read(self, records: int) -> None:
        """Count records that were read and may turn into letters."""
        self._records += records
        while self._records >= 2 * RECORDS:
            # Old records fade rather than leave a window one by one.
            self._records /= 2
            self._letters /= 2

    def admit(self, letter: DeadLetter, now_ms: float) -> None:
        """Count a letter that is about to be written at `now_ms` (monotonic milliseconds).

        Raises Overloaded instead when it would be one too many.
        """
        kept = self._kept_ms
        if self._per_minute_max is not None:
            full = len(kept) >= self._per_minute_max
            if full and (not kept or now_ms - kept[0] < MINUTE_MS):
                raise _storm(
                    f"{self._per_minute_max} records within a minute",
                    f"COMITIA_DEAD_LETTERS_PER_MINUTE_MAX is {self._per_minute_max}",
                    letter,
                )
            kept.append(now_ms)
        if self._fraction_max is not None:
            records = max(self._records, RECORDS_AT_FIRST)
            if self._letters + 1 > self._fraction_max * records:
                raise _storm(
                    f"{self._letters:.0f} of the last {records:.0f} records",
                    f"COMITIA_DEAD_LETTERS_FRACTION_MAX is {self._fraction_max:g}",
                    letter,
                )
            self._letters += 1


def _storm(many: str, setting: str, letter: DeadLetter) -> Overloaded:
    return Overloaded(
        f"{many} went to the dead letters, and the next one would too ({letter.reason}:"
        f" {letter.error[:300]}): stopping rather than putting the whole topic aside. See `comitia"
        f" dlq list`, mend the cause and start again, or raise the limit: {setting}"
    )
