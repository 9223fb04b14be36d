"""The state `observation`: binned by hand, learned by hand, waiting as it was seen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recloop.errors import InvalidParameter
from recloop.models import QLearningRecommender, SARSARecommender
from recloop.models.states import binned_rows, n_state_rows
from recloop.types import Transitions

GIVEN = {"state": "observation", "bins": (2, 3), "learning_rate": 0.5, "discount_factor": 0.5}
LOW, HIGH = [0.1, 0.1], [0.9, 0.9]  # rows 0 and 5


def test_observations_are_cut_into_equal_parts():
    seen = np.array([[0.0, 0.0], [0.49, 0.34], [0.5, 0.34], [1.0, 1.0], [-1.0, 7.0]])
    assert binned_rows(seen, (2, 3)).tolist() == [0, 1, 4, 5, 2]
    assert binned_rows(np.array([[0.1, 0.6, 0.99]]), (2, 3, 4)).tolist() == [0 * 12 + 1 * 4 + 3]
    assert n_state_rows("observation", 9, 9, 9, (2, 3, 4)) == 24


@given(st.lists(st.integers(1, 7), min_size=1, max_size=4), st.integers(0, 1000))
def test_every_cell_has_a_row_of_its_own(bins, seed):
    cells = np.stack(np.meshgrid(*map(np.arange, bins), indexing="ij"), axis=-1).reshape(
        -1, len(bins)
    )
    inside = np.random.default_rng(seed).uniform(0.01, 0.99, cells.shape)
    rows = binned_rows((cells + inside) / np.array(bins), bins)
    assert rows.tolist() == list(range(len(cells)))


def test_q_learning_goes_from_what_was_seen_to_what_is_seen_next():
    model = QLearningRecommender(2, 3, **GIVEN)
    model.update(0, 1, 1.0, context=np.array(HIGH), discount=0.0)
    assert model.scores(np.array([1]), context=np.array([HIGH]))[0].tolist() == [0, 0.5, 0]
    assert model.scores(np.array([0]), context=np.array([LOW]))[0].tolist() == [0, 0, 0]
    # 0.5 * (1 + 0.5 * 0.5) from the state above
    model.update(1, 2, 1.0, context=np.array(LOW), next_context=np.array(HIGH))
    assert model.scores(np.array([0]), context=np.array([LOW]))[0].tolist() == [0, 0, 0.625]
    assert model.recommend(0, 1, context=np.array(LOW), explore=False) == [2]


def test_without_a_next_context_the_person_looks_as_before():
    model = QLearningRecommender(1, 2, **GIVEN)
    model.update_batch(
        Transitions(np.array([0, 0]), np.array([0, 0]), np.ones(2), contexts=np.array([LOW, LOW]))
    )
    # 0.5, then 0.5 + 0.5 * (1 + 0.25 - 0.5)
    assert model.scores(np.array([0]), context=np.array([LOW]))[0].tolist() == [0.875, 0]


def test_sarsa_waits_with_what_it_saw(tmp_path):
    model = SARSARecommender(2, 3, **GIVEN)
    model.update(0, 0, 1.0, context=np.array(LOW))
    assert not model.scores(np.array([0]), context=np.array([LOW])).any()
    model.save(tmp_path / "m.npz")
    for one in (model, SARSARecommender.load(tmp_path / "m.npz")):
        one.update(0, 1, 4.0, context=np.array(HIGH), discount=0.0)
        # the step that waited is learned first: next action 1 in HIGH was worth 0
        assert one.scores(np.array([0]), context=np.array([LOW]))[0].tolist() == [0.5, 0, 0]
        assert one.scores(np.array([0]), context=np.array([HIGH]))[0].tolist() == [0, 2.0, 0]


def test_dense_and_hashed_tables_agree(rng):
    models = [QLearningRecommender(3, 4, **GIVEN, table=kind) for kind in ("dense", "hashed")]
    seen = rng.random((50, 2))
    steps = Transitions(
        rng.integers(0, 3, 50), rng.integers(0, 4, 50), rng.random(50),
        contexts=seen, next_contexts=rng.random((50, 2)),
    )  # fmt: skip
    scores = []
    for model in models:
        model.update_batch(steps)
        scores.append(model.scores(np.zeros(50, dtype=int), context=seen))
    assert (scores[0] == scores[1]).all()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"state": "observation"}, "bins must say into how many parts"),
        ({"bins": (3,)}, "bins must say.*be empty otherwise"),
        ({"state": "observation", "bins": (0,)}, "bins must be a whole number of at least 1"),
        ({"state": "observation", "bins": (5000, 5000)}, "at most 16,777,216 observations"),
    ],
)
def test_bins_are_checked(params, message):
    with pytest.raises(InvalidParameter, match=message):
        QLearningRecommender(2, 3, **params)


def test_an_observation_must_be_there_and_have_its_width():
    model = QLearningRecommender(2, 3, **GIVEN)
    with pytest.raises(InvalidParameter, match="context must be given"):
        model.recommend(0, 1)
    with pytest.raises(InvalidParameter, match=r"context must have shape \(1, 2\)"):
        model.scores(np.array([0]), context=np.array([[0.5]]))
    with pytest.raises(InvalidParameter, match="contexts must be finite numbers, got nan"):
        model.update_batch(
            Transitions(
                np.array([0]), np.array([0]), np.ones(1), contexts=np.array([[0.5, np.nan]])
            )
        )
