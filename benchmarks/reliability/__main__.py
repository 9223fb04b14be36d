"""All tests, one after the other; with --planted, all builds that must be found out.

python -m benchmarks.reliability
python -m benchmarks.reliability --planted
"""

import argparse
import importlib
import sys

TESTS = ("load", "mixed", "kill", "power", "swap", "full_disk", "slow_disk", "orders", "drain")


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seed", default="0")
    options.add_argument("--planted", action="store_true")
    options.add_argument("--folder", help="where to put temporary files (a real disk)")
    found = options.parse_args()
    arguments = ["--seed", found.seed]
    if found.planted:
        arguments.append("--planted")
    if found.folder:
        arguments += ["--folder", found.folder]
    failed = []
    for name in TESTS:
        print(f"\n== {name}", flush=True)
        if importlib.import_module(f"benchmarks.reliability.{name}").main(arguments):
            failed.append(name)
    print(f"\nfailed: {', '.join(failed)}" if failed else "\nall pass")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
