"""The version, on its own so that every module can state it."""

__version__ = "0.1.0"
