"""How often planning is said to help where it cannot: the control world under many seeds.

    python benchmarks/worlds_control.py [--seeds 100] [--agents 1]

Runs configs/worlds/preference.yaml, in which Q-learning with a future is compared with Q-learning
without one, once for each seed, with so many trained agents a model. Nothing that is shown changes
anybody there, so that the verdict must be "no benefit"; at 95 % confidence about 5 of 100 may say
otherwise by chance, and 90 of 100 are asked for.
"""

import argparse
import tempfile
from collections import Counter
from pathlib import Path

from recloop.experiment import load_config, run_experiment

CONTROL = Path(__file__).resolve().parents[1] / "configs" / "worlds" / "preference.yaml"
LEAST = 0.9


def verdict(seed: int, n_agents: int) -> str:
    """What a run with this seed says of planning."""
    config = load_config(CONTROL, [f"seed={seed}", f"training.n_seeds={n_agents}"])
    with tempfile.TemporaryDirectory() as folder:
        results = run_experiment(config, Path(folder) / "out").metrics()
    return results["comparisons"][0]["verdict"]


def main() -> None:
    """Count verdicts; the exit code says whether enough of them are right."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--agents", type=int, default=1, help="trained with each seed")
    arguments = parser.parse_args()
    counts: Counter[str] = Counter()
    for seed in range(arguments.seeds):
        said = verdict(seed, arguments.agents)
        counts["no benefit" if said.startswith("no benefit") else said] += 1
        print(f"seed {seed}: {said}", flush=True)
    n_right = counts["no benefit"]
    print(f"'no benefit' in {n_right} of {arguments.seeds} seeds; {dict(counts)}")
    raise SystemExit(n_right < LEAST * arguments.seeds)


if __name__ == "__main__":
    main()
