"""Compare saved models: python scripts/evaluate.py --models_dir outputs --test_data FILE."""

import sys

from recloop.cli import main

if __name__ == "__main__":
    main(["evaluate", *sys.argv[1:]])
