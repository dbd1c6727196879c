"""`comitia policy check`: are policies in files ones that can be carried out?"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from comitia.errors import ConfigError
from comitia.policy.files import read_policies, read_policy
from comitia.v1.format_pb2 import AnswerFormat
from comitia.v1.policy_pb2 import Policy
from comitia_cli import exits, options
from comitia_cli.output import Printer
from comitia_router.limits import Limits
from comitia_router.policies import policy_problems

app = typer.Typer(help="Policies in files.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Policies in files."""


@app.command()
def check(
    paths: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Files, or folders of them.")
    ],
    json: options.AsJson = False,
) -> None:
    """Say what is wrong with policies, as a router would that is given them.

    Ends with 2 when one of them cannot be carried out.
    """
    printer = Printer(json)
    failed = False
    for path in paths:
        try:
            found = read_policies(path, _problems) if path.is_dir() else _one(path)
        except ConfigError as error:
            failed = True
            for line in str(error).splitlines():
                exits.say(line)
            printer.emit({"path": str(path), "ok": False, "problems": str(error).splitlines()})
            continue
        for skill in found:
            printer.emit({"path": str(path), "skill": skill, "ok": True})
            printer.show(f"{skill}: ok")
    if failed:
        raise typer.Exit(exits.USAGE)


def _one(path: Path) -> dict[str, Policy]:
    return {path.stem: read_policy(path, _problems)}


def _problems(policy: Policy, answers: AnswerFormat) -> Iterable[str]:
    return policy_problems(policy, answers, Limits())
