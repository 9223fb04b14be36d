"""Run settings refuse what makes no sense."""

import dataclasses
import re

import pytest

from recloop.errors import InvalidParameter
from recloop.training.settings import TrainingSettings


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"n_rounds": 0}, "n_rounds must be a whole number of at least 1, got 0."),
        ({"n_rounds": 2.0}, "n_rounds must be a whole number of at least 1, got 2.0."),
        ({"eval_freq": 0}, "eval_freq must be a whole number of at least 1, got 0."),
        ({"patience": -1}, "patience must be a whole number of at least 0, got -1."),
    ],
)
def test_a_setting_out_of_range_is_named(given, message):
    with pytest.raises(InvalidParameter, match=re.escape(f"TrainingSettings: {message}")):
        TrainingSettings(**{"n_rounds": 3, **given})


def test_settings_look_every_round_and_never_stop_early_by_default():
    settings = TrainingSettings(1)
    assert settings == TrainingSettings(n_rounds=1, eval_freq=1, metric="ndcg@10", patience=0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.n_rounds = 2
