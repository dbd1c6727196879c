"""The router: seats a panel of agents for every task and hands each its assignment."""

__version__ = "0.1.0"
