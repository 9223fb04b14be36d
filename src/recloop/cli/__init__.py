"""The command line: parse, call, print."""

from recloop.cli.app import main

__all__ = ["main"]
