"""python -m recloop.cli: the same as the `recloop` command."""

from recloop.cli import main

if __name__ == "__main__":
    main()
