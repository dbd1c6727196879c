"""Comitia: what more than one service needs, from the contracts to the runtime and the models."""

__version__ = "0.1.0"
