"""Many comparisons at once can still find what is there."""

import numpy as np
import pytest

from recloop.experiment import ExperimentConfig
from recloop.experiment.build import Entry
from recloop.experiment.comparisons import compare_all, n_resamples_for, n_resamples_in_words
from recloop.experiment.measure import Measured

N_PEOPLE = 60


def _case(n_models: int, n_resamples: int = 100, confidence: float = 0.95):
    """A baseline, a learner that is better for everyone, and others that are only noise."""
    config = ExperimentConfig.model_validate(
        {"evaluation": {"n_resamples": n_resamples, "confidence": confidence}}
    )
    rng = np.random.default_rng(5)
    base = rng.random(N_PEOPLE)
    values = {"control": base, "m0": base + 0.1 + 0.05 * rng.random(N_PEOPLE)}
    values |= {f"m{i}": base + 0.1 * rng.normal(size=N_PEOPLE) for i in range(1, n_models)}
    modes = {name: "fit" if name == "control" else "logged" for name in values}
    rows = [Entry(name, "popular", {}, mode, 1, 1, ()) for name, mode in modes.items()]
    users = [str(user) for user in range(N_PEOPLE)]
    measured = [
        Measured({"name": name}, users, {"ndcg@10": one}, N_PEOPLE) for name, one in values.items()
    ]
    return config, rows, measured


@pytest.mark.parametrize(("n_models", "confidence"), [(30, 0.95), (12, 0.99), (60, 0.9)])
def test_better_is_within_reach_however_many_are_compared(n_models, confidence):
    config, rows, measured = _case(n_models, confidence=confidence)
    compared, n_resamples = compare_all(config, rows, measured)
    assert len(compared) == n_models
    assert (n_resamples + 1) * (1 - confidence) >= n_models
    assert compared[0]["verdict"] == "better"
    assert compared[0]["n_comparisons"] == n_models
    again, _ = compare_all(config, rows, measured)
    assert again == compared


def test_few_comparisons_take_as_many_resamples_as_asked_for():
    config, rows, measured = _case(3, n_resamples=150)
    assert compare_all(config, rows, measured)[1] == 150
    assert n_resamples_in_words(config, 150, 3) == []


def test_more_resamples_than_asked_for_are_said_in_words():
    config, _, _ = _case(1)
    assert n_resamples_for(config, 30) == 600
    assert n_resamples_in_words(config, 600, 30) == [
        "Comparisons: 600 resamples instead of evaluation.n_resamples = 100: with fewer no p value "
        "corrected for 30 comparisons could reach 0.05."
    ]
