"""The error tree: what went wrong, said so that the caller knows what to do about it.

    ComitiaError
    |-- Retryable     a passing fault (broker away, timeout): the same call may succeed later
    |   `-- Fenced    this writer lost its transactional id: only a new writer can go on
    |-- Poison        this message can never be processed: keep it in the dead letters and go on
    |-- Overloaded    no room now: refuse the work, do not queue it without bound
    |-- Superseded    another process may stand in this one's place: end, and start anew
    `-- ConfigError   a setting, a file or the environment is wrong: stop, and say what to change

Errors of third parties are turned into these at the edge, in the adapter that called the third
party. Each message says what is wrong and what to change; the program's name and a stack trace are
not part of it.
"""


class ComitiaError(Exception):
    """Base of every error that Comitia raises on purpose."""


class Retryable(ComitiaError):
    """A passing fault; the same call may succeed later."""


class Fenced(Retryable):
    """This writer is dead: its transactional id was taken over, or its transaction timed out.

    Close it, drop the state built on it, prove membership and take over again with a new writer.
    """


class Poison(ComitiaError):
    """A message that can never be processed.

    `reason` is short, stable and in capitals (UNREADABLE, TOO_LONG, DUPLICATE_ID, ...); it names
    the kind of dead letter. `attempts`: how often it was tried, at least 1.
    """

    def __init__(self, message: str, reason: str = "POISON", attempts: int = 1) -> None:
        super().__init__(message)
        self.reason = reason
        self.attempts = attempts


class Overloaded(ComitiaError):
    """A bound is reached; the work is refused rather than queued."""


class Superseded(ComitiaError):
    """The group gave this process's static membership up, or to another process of the same name.

    Going on would take it back from whoever has it now, who would take it back in turn: the process
    ends, and whoever runs it starts it again, or does not.
    """


class ConfigError(ComitiaError):
    """A setting, a file or the environment is wrong; the message says what to change."""
