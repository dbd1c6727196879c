"""The learner: what the agents' votes weigh, from feedback and from their agreement."""

__version__ = "0.1.0"
