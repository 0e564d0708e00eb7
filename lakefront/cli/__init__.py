"""The ``lakefront`` command. Subcommands are loaded when they are called, so that ``lakefront status`` imports no Spark."""

from lakefront.cli.main import main

__all__ = ["main"]
