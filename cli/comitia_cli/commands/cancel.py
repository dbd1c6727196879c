"""`comitia cancel`: ask that a task be stopped."""

import getpass
from typing import Annotated

import typer

from comitia.config import AggregatorSettings
from comitia.errors import ConfigError
from comitia.v1.cancel_pb2 import Cancel
from comitia.v1.command_pb2 import Command
from comitia_cli import options
from comitia_cli.client.sending import publish_one
from comitia_cli.output import Printer
from comitia_cli.shell import Shell, run, shell_of

# A decision shows so much of the reason.
CANCEL_BYTES_MAX = int(AggregatorSettings.model_fields["cancel_bytes_max"].default)


def cancel(
    ctx: typer.Context,
    task_id: Annotated[str, typer.Argument(metavar="TASK_ID")],
    because: Annotated[str, typer.Option(help="Why; it will stand in the decision.")],
    root: Annotated[
        str, typer.Option(help="Root id, where the task is part of a staged one.")
    ] = "",
    bootstrap: options.Bootstrap = None,
) -> None:
    """Stop a task.

    What is decided stays decided; `comitia explain TASK_ID` tells how it ended.
    """
    for name, text in (("--because", because), ("TASK_ID", task_id), ("--root", root)):
        if len(text.encode()) > CANCEL_BYTES_MAX:
            raise ConfigError(
                f"{name}: it has {len(text.encode())} bytes; at most {CANCEL_BYTES_MAX}"
            )
    command = Command(
        cancel=Cancel(task_id=task_id, root_id=root, reason=because, by=getpass.getuser())
    )
    run(_send(shell_of(ctx), bootstrap, command))
    printer = Printer()
    printer.emit(command)
    printer.show(f"asked to cancel {task_id}; how it ended: comitia explain {task_id}")


async def _send(shell: Shell, bootstrap: str | None, command: Command) -> None:
    async with shell.session(bootstrap) as session:
        await publish_one(session, "commands", command.cancel.task_id, command)
