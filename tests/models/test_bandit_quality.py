"""What bandits earn, by the benchmark's own functions at a smaller size; fixed seeds."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

from recloop.models.registry import build_model
from recloop.training.streams import ClassificationStream


def loaded(name):
    file = Path(__file__).parents[2] / "benchmarks" / f"{name}.py"
    spec = spec_from_file_location(f"benchmark_{name}", file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


quality = loaded("bandit_quality")
SEEDS = range(5)
LIN_UCB = ("lin_ucb", {"alpha": 0.3})
CONTEXT_FREE = (
    ("epsilon_greedy", {"epsilon": 0.02}),
    ("ucb1", {"c": 0.1}),
    ("kl_ucb", {}),
    ("gaussian_thompson", {"scale": 0.2}),
)


def test_the_interval_of_a_ratio_is_that_of_its_logarithm():
    ratio, low, high = quality.ratio_interval(200, 1000, 100, 1000)
    assert ratio == pytest.approx(2.0)
    assert low == pytest.approx(2.0 * np.exp(-1.96 * np.sqrt(0.8 / 200 + 0.9 / 100)))
    assert low * high == pytest.approx(4.0)


def test_a_replay_counts_a_twentieth_of_a_uniform_log():
    log = quality.uniform_log(0, 4000)
    counted = quality.replayed(*LIN_UCB, 0, log)
    # 200 matches expected, 5 standard deviations: a false alarm in a million
    assert abs(len(counted) - 200) < 5 * np.sqrt(200 * 0.95)
    assert set(np.unique(counted)) <= {0.0, 1.0}


def test_what_a_change_costs_is_told_before_and_after_it():
    before, after = quality.change(0, {}, n_before=2000)
    assert 0 < before < after < 2000


@pytest.mark.slow
def test_lin_ucb_earns_an_eighth_more_than_the_best_context_free_bandit_live():
    def rates(policy):
        return [quality.live(*policy, seed, 50_000)[0].mean() for seed in SEEDS]

    ratios = np.array(rates(LIN_UCB)) / np.max([rates(policy) for policy in CONTEXT_FREE], axis=0)
    assert ratios.mean() > 1.125
    assert ratios.min() > 1.0


@pytest.mark.slow
def test_lin_ucb_earns_an_eighth_more_than_the_best_context_free_bandit_in_replay():
    logs = [quality.uniform_log(seed, 600_000) for seed in SEEDS]
    counted = {
        name: [quality.replayed(name, params, seed, logs[seed]) for seed in SEEDS]
        for name, params in (LIN_UCB, *CONTEXT_FREE)
    }
    own = np.concatenate(counted.pop("lin_ucb"))
    rivals = [np.concatenate(found) for found in counted.values()]
    best = max(rivals, key=np.mean)
    ratio, low, _ = quality.ratio_interval(own.sum(), len(own), best.sum(), len(best))
    assert ratio > 1.125
    assert low > 1.05


@pytest.mark.slow
@pytest.mark.parametrize("policy", [LIN_UCB, ("lin_thompson", {})], ids=lambda p: p[0])
def test_four_times_the_visitors_cost_a_linear_bandit_less_than_2_6_times_the_regret(policy):
    growth = []
    for seed in SEEDS:
        _, regrets = quality.live(*policy, seed)
        growth.append(regrets.sum() / regrets[: len(regrets) // 4].sum())
    assert np.mean(growth) < 2.6


@pytest.mark.slow
@pytest.mark.parametrize("memory", [{"discount": 0.9995}, {"window": 4000}], ids=str)
def test_forgetting_halves_the_regret_after_a_change(memory):
    seeds = range(20)
    stationary = sum(quality.change(seed, {})[1] for seed in seeds)
    assert sum(quality.change(seed, memory)[1] for seed in seeds) < 0.5 * stationary


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "params", "least"),
    [
        ("lin_ucb", {"alpha": 0.3}, 0.85),
        ("lin_thompson", {"scale": 0.1}, 0.85),
        ("lin_square_cb", {}, 0.85),
        ("lin_epsilon_greedy", {"epsilon": 0.02}, 0.78),
        ("logistic_thompson", {"regularization": 10, "scale": 0.3}, 0.85),
        ("neural_linear", {"hidden": (64,), "scale": 0.25}, 0.82),
    ],
)
def test_a_pass_over_handwritten_digits_teaches_most_of_them(real_data, name, params, least):
    contexts, labels = quality.read_set(real_data / "uci-classification" / "optdigits.csv.gz")
    width = contexts.shape[1]
    model = build_model(name, 1, labels.max() + 1, context_dim=width, **params)
    assert ClassificationStream(contexts, labels).run(model).mean > least
    assert quality.logistic_accuracy(contexts, labels) > 0.97
