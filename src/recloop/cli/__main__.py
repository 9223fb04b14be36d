"""python -m recloop.cli: the same as the `recloop` command."""

from recloop.cli import main

main()
