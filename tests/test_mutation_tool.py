"""What a sample of changes says about all of them."""

import importlib.util
from pathlib import Path

import pytest

FILE = Path(__file__).parent.parent / "tools" / "mutation" / "sampling.py"


@pytest.fixture(scope="module")
def sampling():
    spec = importlib.util.spec_from_file_location("sampling", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_sample_keeps_the_order_repeats_nothing_and_depends_on_its_seed(sampling):
    drawn = sampling.sample(range(1000), 50, "loaders 1")
    assert len(set(drawn)) == 50
    assert drawn == sorted(drawn)
    assert drawn == sampling.sample(range(1000), 50, "loaders 1")
    assert drawn != sampling.sample(range(1000), 50, "loaders 2")


@pytest.mark.parametrize("n", [None, 3, 4])
def test_without_a_size_or_with_one_too_large_the_sample_is_everything(sampling, n):
    assert sampling.sample("abc", n, "any 0") == ["a", "b", "c"]


def test_every_place_is_drawn_as_often_as_any_other(sampling):
    """Counts of 2,000 draws of 3 in 10 are 600 +- 20.5: within 5 of these, false alarm 6e-6."""
    counts = [0] * 10
    for seed in range(2000):
        for place in sampling.sample(range(10), 3, f"fair {seed}"):
            counts[place] += 1
    assert all(abs(count - 600) < 103 for count in counts)


def test_the_interval_of_wilson_is_the_worked_one(sampling):
    # n = 10, 9 killed, z = 1.96: z2/n = 0.38416; middle 0.9 + 0.19208 = 1.09208;
    # half sqrt(0.0345744 + 0.0368947) = 0.2673371; both over 1.38416.
    assert sampling.wilson(9, 10) == pytest.approx((0.5958436, 0.9821243), abs=1e-6)


def test_nothing_tried_says_nothing(sampling):
    assert sampling.wilson(0, 0) == (0.0, 1.0)
