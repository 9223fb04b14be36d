"""Alarms: what they ring at, and that looking at them never fails."""

import numpy as np
import pytest

from recloop.serving.alarms import ContextShift


@pytest.mark.parametrize("after", [(2, 2, 3, 3), (3, 3, 3, 3), (2, 2, 3)])
def test_contexts_of_another_width_are_a_shift_however_few_they_are(after):
    shift = ContextShift(size=2)
    for width in (2, 2, *after):
        shift.see(np.zeros(width))
    assert shift.largest_z == np.inf


def test_contexts_that_stay_as_they_were_are_no_shift(rng):
    shift = ContextShift(size=100)
    for context in rng.standard_normal((300, 3)):
        shift.see(context)
    assert 0.0 < shift.largest_z < 5.0  # of 3 columns; false alarms below 1 in 100,000
