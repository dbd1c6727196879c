"""Exit codes, and how an error becomes one line on standard error.

In: exceptions that leave a command. Out: a sentence that says what to change, and the code that
docs/cli.md lists.
"""

import os
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from comitia.errors import ComitiaError, ConfigError, Poison, Retryable

OK = 0
FAILED = 1
# Wrong usage, settings or files: the message says what to change.
USAGE = 2
# The task ended, but not DECIDED.
UNDECIDED = 3
# No decision came in time.
NO_DECISION = 4
BROKER_AWAY = 5
# Some lines of a file were not tasks; all others were published.
SOME_REFUSED = 6
INTERRUPTED = 130


def say(message: str) -> None:
    """One line on standard error."""
    sys.stderr.write(f"comitia: {' '.join(message.split())}\n")


def code_of(error: ComitiaError) -> int:
    """The exit code for an error of Comitia's own."""
    if isinstance(error, Retryable):
        return BROKER_AWAY
    return USAGE if isinstance(error, ConfigError | Poison) else FAILED


class Commands(TyperGroup):
    """The group of all commands: ends each with one line and a code instead of a stack trace."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except ComitiaError as error:
            say(str(error))
            raise typer.Exit(code_of(error)) from error
        except KeyboardInterrupt as error:
            say("interrupted")
            raise typer.Exit(INTERRUPTED) from error
        except BrokenPipeError as error:
            # The reader of our output has gone (`| head`): nobody is left to tell, and Python must
            # not try at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(OK) from error
