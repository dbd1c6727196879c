"""The agent: answers assignments with a transformer model, as its card says."""

__version__ = "0.1.0"
