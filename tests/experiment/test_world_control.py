"""The control world, where nothing can be gained, is reported as such."""

from pathlib import Path

import pytest

from recloop.experiment import load_config, run_experiment

CONTROL = Path(__file__).parents[2] / "configs" / "worlds" / "preference.yaml"


@pytest.mark.slow
def test_planning_is_no_benefit_where_nothing_can_be_planned(tmp_path):
    """Of 20 seeds, 5 or more wrong have a probability of 0.3 % where 5 % are.

    `benchmarks/worlds_control.py` runs 100.
    """
    said = []
    for seed in range(20):
        config = load_config(CONTROL, [f"seed={seed}", "training.n_seeds=1"])
        results = run_experiment(config, tmp_path / str(seed)).metrics()
        said.append(results["comparisons"][0]["verdict"])
    assert sum(one.startswith("no benefit") for one in said) >= 16, said
