"""The command `comitia`: what a person does with a panel, from starting it to asking it."""

__version__ = "0.1.0"
