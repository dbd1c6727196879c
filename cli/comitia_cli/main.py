"""The command `comitia`: all commands in one table, and errors as one line.

Composition root of the command line: tests call `app` with a Shell of their own.
"""

import signal
import sys
from collections.abc import Callable
from types import FrameType

import typer
from typer import TyperException

from comitia_cli import exits
from comitia_cli.commands import (
    agents,
    ask,
    cancel,
    conflicts,
    demo,
    dlq,
    doctor,
    down,
    explain,
    feedback,
    model,
    policy,
    publish,
    redecide,
    settle,
    tail,
    topics,
    up,
    version,
)

app = typer.Typer(
    name="comitia",
    cls=exits.Commands,
    help="A panel of transformer agents on Apache Kafka: ask it, and see how it decided.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)

COMMANDS: dict[str, Callable[..., None]] = {
    "up": up.up,
    "down": down.down,
    "ask": ask.ask,
    "publish": publish.publish,
    "tail": tail.tail,
    "explain": explain.explain,
    "conflicts": conflicts.conflicts,
    "settle": settle.settle,
    "feedback": feedback.feedback,
    "redecide": redecide.redecide,
    "cancel": cancel.cancel,
    "topics": topics.topics,
    "doctor": doctor.doctor,
    "demo": demo.demo,
    "version": version.version,
}
GROUPS = {"agents": agents.app, "model": model.app, "policy": policy.app, "dlq": dlq.app}

for name, command in COMMANDS.items():
    app.command(name)(command)
for name, group in GROUPS.items():
    app.add_typer(group, name=name)


def _terminate(number: int, frame: FrameType | None) -> None:
    del frame
    sys.exit(128 + number)


def main() -> None:
    """Entry point. Exit codes are those of `comitia_cli.exits`."""
    # As an exception, so that a command that is told to end stops what it started.
    signal.signal(signal.SIGTERM, _terminate)
    try:
        status = app(standalone_mode=False)
    except TyperException as error:
        # Without any argument the help has been shown already, and there is nothing to add.
        if error.format_message():
            exits.say(f"{error.format_message()} (see `comitia --help`)")
        sys.exit(exits.USAGE)
    except typer.Abort:
        exits.say("given up")
        sys.exit(exits.INTERRUPTED)
    sys.exit(status if isinstance(status, int) else exits.OK)


if __name__ == "__main__":
    main()
