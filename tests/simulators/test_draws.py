"""Chance by counter: even, independent between keys and numbers, the same everywhere."""

import subprocess
import sys

import numpy as np
import pytest

from recloop.simulators.draws import Draws, session_keys
from recloop.testing import chi_square_p_value


def draws_of(n, seed=0, first=0):
    keys = session_keys(np.random.default_rng(seed), n)
    return Draws(keys, np.full(n, first))


def test_uniform_draws_are_even():
    found = draws_of(200).uniform(2000).ravel()
    assert found.min() >= 0.0
    assert found.max() < 1.0
    counts = np.bincount((found * 50).astype(int), minlength=50)
    assert chi_square_p_value(counts, np.full(50, 1 / 50)) > 1e-4
    assert found.mean() == pytest.approx(0.5, abs=5 / np.sqrt(12 * len(found)))


def test_normal_draws_have_the_moments_of_a_normal_number():
    found = draws_of(200).normal(2000).ravel()
    n = len(found)
    for power, wanted, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert (found**power).mean() == pytest.approx(wanted, abs=5 * np.sqrt(variance / n))


def test_neither_numbers_nor_keys_know_of_each_other():
    found = draws_of(1000).uniform(400) - 0.5
    n = found.size
    for one, other in (
        (found[:, :-1], found[:, 1:]),
        (found[:-1], found[1:]),
        (found[:, : found.shape[1] // 2], found[:, found.shape[1] // 2 :]),
    ):
        assert abs((one * other).mean() * 12) < 5 / np.sqrt(n / 2)
    # keys that follow one another differ in one bit; their draws must not
    near = Draws(np.arange(1000, dtype=np.uint64), np.zeros(1000, dtype=np.int64)).uniform(100)
    assert abs(np.corrcoef(near[:-1].ravel(), near[1:].ravel())[0, 1]) < 5 / np.sqrt(near.size)


def test_a_draw_is_its_key_and_its_number():
    whole = draws_of(5).uniform(10)
    assert (draws_of(5, first=3).uniform(4) == whole[:, 3:7]).all()
    assert (draws_of(5).uniform(4, at=3) == whole[:, 3:7]).all()
    one = draws_of(5)
    alone = Draws(one.keys[2:3], one.first[2:3])
    assert (alone.uniform(10)[0] == whole[2]).all()
    assert (alone.normal(3, at=2)[0] == draws_of(5).normal(3, at=2)[2]).all()


def test_the_numbers_are_those_of_splitmix64():
    # the first outputs of SplitMix64 seeded with 1234567, as published with the algorithm
    words = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    found = Draws(np.array([1234567], dtype=np.uint64), np.zeros(1, dtype=np.int64)).uniform(3)
    assert found[0].tolist() == [(word >> 11) * 2.0**-53 for word in words]


def test_another_process_draws_the_same_bytes():
    program = (
        "import numpy as np; from recloop.simulators.draws import *; np.random.seed(7);"
        "d = Draws(session_keys(np.random.default_rng(0), 20), np.zeros(20, dtype=np.int64));"
        "print(d.uniform(9).tobytes().hex() + d.normal(9).tobytes().hex())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    mine = draws_of(20)
    assert done.stdout.strip() == mine.uniform(9).tobytes().hex() + mine.normal(9).tobytes().hex()
