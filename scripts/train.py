"""Train every model of a configuration: python scripts/train.py --config configs/default.yaml."""

import sys

from recloop.cli import main

if __name__ == "__main__":
    main(["train", *sys.argv[1:]])
