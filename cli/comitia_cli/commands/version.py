"""`comitia version`."""

import platform

import comitia_cli
from comitia_cli import options
from comitia_cli.output import Printer


def version(json: options.AsJson = False) -> None:
    """The version of Comitia, and of the Python it runs on."""
    printer = Printer(json)
    python = platform.python_version()
    printer.emit({"comitia": comitia_cli.__version__, "python": python})
    printer.show(f"comitia {comitia_cli.__version__}, Python {python}")
