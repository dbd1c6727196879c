"""The aggregator: folds what is said about a task and publishes its one decision."""

__version__ = "0.1.0"
