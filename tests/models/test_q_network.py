"""The network in numpy: by hand where it is small, against differences where it is not."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recloop.models import adam
from recloop.models.q_network import embedding_rows, loss
from recloop.models.q_network.contract import Lesson, LossTerms, NetworkShape, States
from recloop.models.q_network.embedding_rows import RowGradient
from recloop.models.q_network.numpy_network import NumpyQNetwork
from recloop.models.q_network.weights import WeightStore, dropout_masks, initial_weights
from recloop.utils.seeding import stream

# The loss in the values


def terms(kind="squared", td=0.0, negative=0.0, conservative=0.0):
    return LossTerms(kind, td, negative, conservative)


def of_all(errors, q_taken, q_others, is_taken, n_items, wanted):
    arrays = (np.array(values, dtype=np.float64) for values in (errors, q_taken, q_others))
    return loss.gradient_of_all(*arrays, is_taken, n_items, wanted)


def test_the_slope_of_huber_is_cut_off():
    errors = np.array([-3.0, -1.0, 0.5, 2.0])
    assert loss.slope(errors, "huber").tolist() == [-1.0, -1.0, 0.5, 1.0]
    assert loss.slope(errors, "squared").tolist() == [-3.0, -1.0, 0.5, 2.0]


def test_the_taken_items_share_the_weight_of_the_first_term():
    errors = np.array([2.0, -0.5])
    gradient = loss.gradient_of_taken(errors, terms("huber", td=3.0))
    assert gradient.taken.tolist() == [1.5, -0.75]  # 3 / 2 times 1 and -0.5
    assert gradient.others is None
    assert gradient.row_sums().tolist() == [1.5, -0.75]
    squared = loss.gradient_of_taken(errors, terms("squared", td=3.0))
    assert squared.taken.tolist() == [3.0, -0.75]


def test_all_others_are_pulled_to_zero():
    index = (np.array([0]), np.array([0]))
    squared = of_all([0], [0.5], [[0.5, 2.0, -0.25]], index, 3, terms(negative=6.0))
    assert squared.others.tolist() == [[0.0, 6.0, -0.75]]  # 6 / (3 - 1) times Q
    assert squared.taken.tolist() == [0.0]
    huber = of_all([0], [0.5], [[0.5, 2.0, -0.25]], index, 3, terms("huber", negative=6.0))
    assert huber.others.tolist() == [[0.0, 3.0, -0.75]]
    assert huber.row_sums().tolist() == [2.25]


def test_the_conservative_term_is_softmax_minus_what_was_taken():
    # exp Q = 1, 1, 2: shares 1/4, 1/4, 1/2
    q = [0.0, 0.0, np.log(2.0)]
    gradient = of_all([0], [q[2]], [q], (np.array([0]), np.array([2])), 3, terms(conservative=8.0))
    assert gradient.taken == pytest.approx([8 * (0.5 - 1)])
    assert gradient.others == pytest.approx(np.array([[2.0, 2.0, 0.0]]))


def test_items_drawn_stand_for_all_others():
    # N = 4, two drawn, so each counts twice; the second row's taken item was drawn itself
    is_taken = np.array([[False, False], [False, True]])
    q_others = np.array([[0.0, 0.0], [0.5, 9.0]])
    softmax = of_all([0, 0], [0, 0.5], q_others.copy(), is_taken, 4, terms(conservative=1.0))
    # first: exp 1 of 1 + 2 (1 + 1) = 5; second: e^.5 of e^.5 + 2 e^.5
    assert softmax.taken == pytest.approx([(1 / 5 - 1) / 2, (1 / 3 - 1) / 2])
    assert softmax.others == pytest.approx(np.array([[1 / 5, 1 / 5], [1 / 3, 0]]))
    pulled = of_all([0, 0], [0, 0.5], q_others.copy(), is_taken, 4, terms(negative=6.0))
    # 6 * 2 / 3 / 2 rows = 2 times Q
    assert pulled.others.tolist() == [[0.0, 0.0], [1.0, 0.0]]


def test_the_terms_add_up():
    def gradient(**weights):
        index = (np.array([0]), np.array([1]))
        return of_all([0.7], [1.0], [[0.2, 1.0, -0.4]], index, 3, terms("huber", **weights))

    whole = gradient(td=2.0, negative=3.0, conservative=5.0)
    parts = [gradient(td=2.0), gradient(negative=3.0), gradient(conservative=5.0)]
    assert whole.taken == pytest.approx(sum(part.taken for part in parts))
    assert whole.others == pytest.approx(sum(part.others for part in parts))


def test_large_values_do_not_overflow():
    gradient = of_all(
        [0], [900.0], [[900.0, 800.0]], (np.array([0]), np.array([0])), 2, terms(conservative=1.0)
    )
    assert gradient.taken == pytest.approx([0.0], abs=1e-30)
    assert np.isfinite(gradient.others).all()


# Rows of tables


def test_recent_items_weigh_less_the_older_they_are():
    places = embedding_rows.place_weights(3, 0.5, np.float64)
    assert places.tolist() == [1.0, 0.5, 0.25]
    histories = np.array([[4, 2, 7], [4, 2, -1], [-1, -1, -1], [-1, 3, -1]])
    weights = embedding_rows.recent_weights(histories, places)
    assert weights == pytest.approx(
        np.array([[4 / 7, 2 / 7, 1 / 7], [2 / 3, 1 / 3, 0], [0, 0, 0], [0, 1, 0]])
    )


def test_inputs_are_person_recent_mean_and_context():
    users, items = np.array([[1.0], [2.0]]), np.array([[10.0, 99.0], [20.0, 99.0]])
    histories = np.array([[1, 0], [-1, -1]])
    states = States(np.array([1, 0]), histories, np.array([[7.0], [8.0]]))
    recent = np.array([[0.75, 0.25], [0.0, 0.0]])
    inputs = embedding_rows.gather(states, recent, users, items, 1)
    # 0.75 * 20 + 0.25 * 10 = 17.5; the items' second column, their bias, is no input
    assert inputs.tolist() == [[2.0, 17.5, 7.0], [1.0, 0.0, 8.0]]


@given(
    st.lists(st.lists(st.integers(-1, 4), min_size=2, max_size=2), max_size=8),
    st.integers(0, 2**31),
)
def test_row_gradients_add_like_plain_loops(rows, seed):
    rng = np.random.default_rng(seed)
    codes = np.array(rows, dtype=np.int64).reshape(-1, 2)
    values, weights = rng.random((len(codes), 3)), rng.random(codes.shape)
    gradient = RowGradient(np.zeros((5, 4)))
    gradient.add(codes, values, weights)
    expected = np.zeros((5, 4))
    for b, place in product(range(len(codes)), range(2)):
        if codes[b, place] >= 0:
            expected[codes[b, place], :3] += weights[b, place] * values[b]
    assert gradient.values == pytest.approx(expected)
    assert sorted(gradient.touched().tolist()) == sorted(set(codes[codes >= 0].tolist()))


def test_a_cleared_row_gradient_is_empty():
    gradient = RowGradient(np.zeros((3, 1)))
    gradient.add(np.array([[2], [2]]), np.ones((2, 1)), np.ones((2, 1)))
    assert gradient.values.tolist() == [[0], [0], [2]]
    assert gradient.cleared() is gradient
    assert gradient.values.tolist() == [[0], [0], [0]]
    assert gradient.touched().tolist() == []
    gradient.add(np.array([[1]]), np.ones((1, 1)), np.ones((1, 1)))
    assert gradient.touched().tolist() == [1]


def test_adding_everywhere_touches_every_row_once():
    gradient = RowGradient(np.zeros((3, 2)))
    gradient.add(np.array([[1]]), np.ones((1, 2)), np.ones((1, 1)))
    gradient.add_everywhere(np.array([1.0, 2.0]))
    assert gradient.values.tolist() == [[1, 2], [2, 3], [1, 2]]
    assert gradient.touched().tolist() == [0, 1, 2]
    gradient.add(np.array([[0]]), np.ones((1, 2)), np.ones((1, 1)))
    assert gradient.touched().tolist() == [0, 1, 2]
    assert gradient.cleared().values.tolist() == [[0, 0]] * 3
    assert gradient.touched().tolist() == []


# Adam


def test_steps_of_adam_by_hand():
    weights, gradient = np.array([[1.0]]), np.array([[0.5]])
    moments = adam.Moments(np.zeros((1, 1)), np.zeros((1, 1)))
    rows = np.array([0])
    adam.descend(weights, moments, gradient, rows, adam.factors(adam.step_size(0.1, 0, 1), float))
    # m = .05, v = .00025; corrected .5 and .25: one step of rate * .5 / sqrt(.25)
    assert moments.first[0, 0] == pytest.approx(0.05)
    assert moments.second[0, 0] == pytest.approx(0.00025)
    assert weights[0, 0] == pytest.approx(0.9)
    gradient[0, 0] = -1.0
    adam.descend(weights, moments, gradient, rows, adam.factors(adam.step_size(0.1, 0, 2), float))
    # m = .9 * .05 - .1 = -.055, v = .999 * .00025 + .001 = .00124975
    step = 0.1 * (-0.055 / 0.19) / np.sqrt(0.00124975 / (1 - 0.999**2))
    assert weights[0, 0] == pytest.approx(0.9 - step)


def test_a_row_without_a_gradient_keeps_still_whatever_it_remembers():
    weights, first, second = (np.full((3, 2), value) for value in (1.0, 0.3, 0.2))
    gradient = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    by = adam.factors(adam.step_size(0.1, 0.5, 3), np.float64)
    adam.descend(weights, adam.Moments(first, second), gradient, np.array([0, 1]), by)
    assert (weights[0].tolist(), first[0].tolist()) == ([1.0, 1.0], [0.3, 0.3])
    assert (weights[1] != 1.0).all()  # one number of the row has a gradient, so all of it moves
    assert weights[2].tolist() == [1.0, 1.0]  # not among the rows


def test_weight_decay_shrinks_apart_from_the_gradient():
    by = adam.step_size(0.1, 0.5, 1)
    assert by.kept == pytest.approx(0.95)
    weights, gradient = np.array([[2.0]]), np.array([[1e-3]])
    moments = adam.Moments(np.zeros((1, 1)), np.zeros((1, 1)))
    adam.descend(weights, moments, gradient, np.array([0]), adam.factors(by, np.float64))
    assert weights[0, 0] == pytest.approx(0.95 * 2 - 0.1, abs=1e-5)


# The network


def hand_made(dueling: bool = False) -> NumpyQNetwork:
    """Two people, three items, embeddings of one number, one hidden number."""
    shape = NetworkShape(
        2, 3, embedding_dim=1, hidden=(1,), n_recent=2, recent_decay=0.5, dueling=dueling
    )
    weights = {
        "users": np.array([[1.0], [-1.0]]),
        "items": np.array([[3.0, 0.5], [-3.0, 0.0], [6.0, 1.0]]),  # embedding, bias
        "layer_0": np.array([[2.0], [1.0]]),
        "layer_0_bias": np.array([0.5]),
        "layer_1": np.array([[4.0]]),
        "layer_1_bias": np.array([-1.0]),
    }
    if dueling:
        weights |= {"value": np.array([10.0]), "value_bias": np.array([0.25])}
    return NumpyQNetwork(shape, weights, stream(0, "dropout"))


STATES = States(np.array([0, 1]), np.array([[0, 2], [1, -1]]))


def test_values_by_hand():
    # person 0: recent (2 * 3 + 6) / 3 = 4; h = relu(2 * 1 + 4 + .5) = 6.5;
    #           query = 4 * 6.5 - 1 + 4 = 29; Q = 87.5, -87, 175
    # person 1: recent -3; h = relu(-2 - 3 + .5) = 0; query = -1 - 3 = -4; Q = -11.5, 12, -23
    values = hand_made().q_values(STATES)
    assert values == pytest.approx(np.array([[87.5, -87.0, 175.0], [-11.5, 12.0, -23.0]]))
    assert hand_made().q_taken(STATES, np.array([2, 1])) == pytest.approx([175.0, 12.0])


def test_dueling_values_by_hand():
    # V = 65.25 and 0.25; means of A: 58.5 and -7.5
    expected = np.array([[94.25, -80.25, 181.75], [-3.75, 19.75, -15.25]])
    network = hand_made(dueling=True)
    assert network.q_values(STATES) == pytest.approx(expected)
    assert network.q_taken(STATES, np.array([0, 1])) == pytest.approx([94.25, 19.75])
    assert network.q_values(STATES).mean(axis=1) == pytest.approx([65.25, 0.25])


def test_the_gradient_by_hand():
    network = hand_made()
    lesson = Lesson(STATES, np.array([2, 1]), np.array([174.0, 14.0]))
    errors, gradient = network.gradients(lesson, LossTerms("squared"))
    assert errors == pytest.approx([1.0, -2.0])
    # dL/dQ = errors / 2 = .5 and -1; dquery = .5 * 6 = 3 and -1 * -3 = 3
    assert gradient["layer_1"] == pytest.approx(np.array([[3 * 6.5 + 3 * 0]]))
    assert gradient["layer_1_bias"] == pytest.approx([6.0])
    # dh = 3 * 4 = 12 and 0 (the second is cut off by relu); inputs of the first: 1 and 4
    assert gradient["layer_0"] == pytest.approx(np.array([[12.0], [48.0]]))
    assert gradient["layer_0_bias"] == pytest.approx([12.0])
    assert gradient["users"] == pytest.approx(np.array([[24.0], [0.0]]))  # 12 * 2
    # recent of person 0: 12 * 1 + 3 = 15, shared 2/3 to item 0 and 1/3 to item 2
    # recent of person 1: 3, all to item 1; head: item 2 gets .5 (29, 1), item 1 gets -1 (-4, 1)
    expected = np.array([[10.0, 0.0], [3.0 + 4.0, -1.0], [5.0 + 14.5, 0.5]])
    assert gradient["items"] == pytest.approx(expected)


CASES = {
    "plain": {},
    "no hidden layer": {"hidden": ()},
    "two hidden layers": {"hidden": (4, 3)},
    "context": {"context_dim": 2},
    "no history": {"n_recent": 0},
    "equal weights": {"recent_decay": 1.0},
    "newest only": {"recent_decay": 0.0},
    "dueling": {"dueling": True},
    "dueling, no hidden layer, context": {"dueling": True, "hidden": (), "context_dim": 2},
}
LOSSES = {
    "td": LossTerms("squared"),
    "huber": LossTerms("huber"),
    "negatives": LossTerms("squared", 1.0, 5.0),
    "huber negatives": LossTerms("huber", 1.0, 5.0),
    "conservative": LossTerms("squared", 1.0, 0.0, 2.0),
    "everything": LossTerms("huber", 0.5, 3.0, 2.0),
    "cross-entropy": LossTerms("squared", 0.0, 0.0, 1.0),
}
BASE = NetworkShape(3, 4, embedding_dim=2, hidden=(3,), n_recent=2)


def made(shape: NetworkShape, rng, dtype=np.float64) -> NumpyQNetwork:
    """A network of weights far from their start, so that no gradient vanishes."""
    weights = {
        name: (rng.standard_normal(array.shape) * 0.7).astype(dtype)
        for name, array in initial_weights(shape, rng).items()
    }
    return NumpyQNetwork(shape, weights, stream(0, "dropout"))


def lesson_for(shape: NetworkShape, rng, others=None, n_rows: int = 5) -> Lesson:
    states = States(
        rng.integers(shape.n_users, size=n_rows),
        rng.integers(-1, shape.n_items, size=(n_rows, shape.n_recent)),
        rng.standard_normal((n_rows, shape.context_dim)) if shape.context_dim else None,
    )
    targets = rng.standard_normal(n_rows)
    return Lesson(states, rng.integers(shape.n_items, size=n_rows), targets, others)


def value_of_loss(network: NumpyQNetwork, lesson: Lesson, wanted: LossTerms) -> float:
    """L as the docstring of `loss` writes it, one row and one item at a time."""

    def penalty(error):
        if wanted.kind == "huber" and abs(error) > 1:
            return abs(error) - 0.5
        return error**2 / 2

    total, n_items = 0.0, network.shape.n_items
    others = range(n_items) if lesson.others is None else lesson.others
    for row, q in enumerate(network.q_values(lesson.states)):
        taken = lesson.items[row]
        rest = [q[other] for other in others if other != taken]
        per_drawn = n_items / len(others)
        total += wanted.td_weight * penalty(q[taken] - lesson.targets[row])
        pulled = per_drawn * sum(map(penalty, rest))
        total += wanted.negative_weight / (n_items - 1) * pulled
        exponentials = np.exp(q[taken]) + per_drawn * np.exp(rest).sum()
        total += wanted.conservative_weight * (np.log(exponentials) - q[taken])
    return total / len(lesson.items)


@pytest.mark.parametrize("others", [None, [0, 3, 3]], ids=["all others", "others drawn"])
@pytest.mark.parametrize("wanted", LOSSES.values(), ids=LOSSES.keys())
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_gradient_is_that_of_the_loss(case, wanted, others, rng):
    shape = replace(BASE, **case)
    network = made(shape, rng)
    lesson = lesson_for(shape, rng, None if others is None else np.array(others))
    errors, gradient = network.gradients(lesson, wanted)
    taken = network.q_values(lesson.states)[np.arange(5), lesson.items]
    assert errors == pytest.approx(taken - lesson.targets)
    for name, found in gradient.items():
        weights = network.weights[name]
        for place in np.ndindex(weights.shape):
            kept, by = weights[place], 1e-5
            weights[place] = kept + by
            above = value_of_loss(network, lesson, wanted)
            weights[place] = kept - by
            below = value_of_loss(network, lesson, wanted)
            weights[place] = kept
            difference = (above - below) / (2 * by)
            assert found[place] == pytest.approx(difference, abs=1e-6), (name, place)


def test_all_items_drawn_once_are_the_whole_catalogue(rng):
    shape = replace(BASE, dueling=True)
    network, wanted = made(shape, rng), LossTerms("huber", 1.0, 4.0, 2.0)
    lesson = lesson_for(shape, rng)
    _, gradient = network.gradients(lesson, wanted)
    whole = {name: array.copy() for name, array in gradient.items()}
    drawn = lesson._replace(others=np.array([2, 0, 3, 1]))
    _, gradient = network.gradients(drawn, wanted)
    for name, array in gradient.items():
        assert array == pytest.approx(whole[name]), name


def test_a_step_goes_down_the_gradient_and_touches_no_other_row(rng):
    network = made(BASE, rng)
    lesson = lesson_for(BASE, rng)._replace(
        states=States(np.array([1]), np.array([[2, -1]])),
        items=np.array([0]),
        targets=np.array([3.0]),
    )
    before = {name: array.copy() for name, array in network.weights.items()}
    errors = network.fit_step(lesson, LossTerms("squared"), 0.01)
    after = network.q_taken(lesson.states, lesson.items) - lesson.targets
    assert np.abs(after) < np.abs(errors)
    moved = (network.weights["items"] != before["items"]).any(axis=1)
    assert moved.tolist() == [True, False, True, False]
    moved = (network.weights["users"] != before["users"]).any(axis=1)
    assert moved.tolist() == [False, True, False]
    assert (network.weights["layer_0"] != before["layer_0"]).any()


def test_the_first_step_of_every_weight_is_the_learning_rate(rng):
    network = made(BASE, rng)
    lesson = lesson_for(BASE, rng)
    _, gradient = network.gradients(lesson, LossTerms("squared", 1.0, 3.0))
    signs = {name: np.sign(array) for name, array in gradient.items()}
    before = {name: array.copy() for name, array in network.weights.items()}
    network.fit_step(lesson, LossTerms("squared", 1.0, 3.0), 0.01)
    for name, array in network.weights.items():
        assert before[name] - array == pytest.approx(0.01 * signs[name], abs=1e-6), name


def test_dropout_leaves_out_the_stated_share(rng):
    shape = replace(BASE, hidden=(50, 40), dropout=0.25)
    masks = dropout_masks(shape, 200, rng)
    assert [mask.shape for mask in masks] == [(200, 4), (200, 50), (200, 40)]
    values = np.concatenate([mask.ravel() for mask in masks])
    assert set(np.unique(values).tolist()) == {0.0, np.float32(1 / 0.75)}
    # 18,800 draws, standard deviation of the share 0.0032
    assert abs((values == 0).mean() - 0.25) < 0.016
    assert masks[1].dtype == np.float32


def test_without_dropout_nothing_is_drawn(rng):
    before = rng.bit_generator.state
    assert dropout_masks(BASE, 5, rng) == []
    assert rng.bit_generator.state == before


def test_what_is_dropped_has_no_part_in_a_step(rng, monkeypatch):
    network = made(replace(BASE, dropout=0.5), rng)
    nothing = [np.zeros((5, width)) for width in (4, 3)]
    monkeypatch.setattr("recloop.models.q_network.numpy_network.dropout_masks", lambda *_: nothing)
    _, gradient = network.gradients(lesson_for(network.shape, rng), LossTerms("squared"))
    assert not gradient["users"].any()
    assert not gradient["layer_0"].any()
    assert not gradient["layer_1"].any()
    assert gradient["layer_1_bias"].any()  # the query is its bias and the residual


def test_looking_drops_nothing_out(rng):
    network = made(replace(BASE, dropout=0.5), rng)
    states = lesson_for(BASE, rng).states
    assert np.array_equal(network.q_values(states), network.q_values(states))
    plain = NumpyQNetwork(BASE, network.weights, stream(0, "dropout"))
    assert np.array_equal(network.q_values(states), plain.q_values(states))


def test_a_copy_is_equal_and_apart(rng):
    first, second = made(BASE, rng), made(BASE, rng)
    second.copy_from(first)
    lesson = lesson_for(BASE, rng)
    assert np.array_equal(first.q_values(lesson.states), second.q_values(lesson.states))
    first.fit_step(lesson, LossTerms("squared"), 0.1)
    assert not np.array_equal(first.q_values(lesson.states), second.q_values(lesson.states))


def test_a_network_continues_from_its_arrays(rng):
    network, again = made(BASE, rng), made(BASE, rng)
    wanted = LossTerms("squared", 1.0, 2.0)
    for _ in range(3):
        network.fit_step(lesson_for(BASE, rng), wanted, 0.1)
    again.take(
        {name: array.copy() for name, array in network.arrays().items()},
        {name: array.copy() for name, array in network.moments().items()},
    )
    assert int(again.moments()["n_steps"]) == 3
    lesson = lesson_for(BASE, rng)
    for one in (network, again):
        one.fit_step(lesson, wanted, 0.1)
    for name, array in network.arrays().items():
        assert np.array_equal(array, again.arrays()[name]), name
    for name, array in network.moments().items():
        assert np.array_equal(array, again.moments()[name]), name


def test_taking_weights_alone_forgets_the_moments(rng):
    network = made(BASE, rng)
    network.fit_step(lesson_for(BASE, rng), LossTerms("squared"), 0.1)
    network.take(network.arrays(), {})
    assert int(network.moments()["n_steps"]) == 0
    assert not network.moments()["first.layer_0"].any()


def test_initial_weights_are_small_centred_and_of_the_seed():
    shape = NetworkShape(40, 50, embedding_dim=8, hidden=(16,), context_dim=4, dueling=True)
    weights = initial_weights(shape, stream(1, "start"))
    again = initial_weights(shape, stream(1, "start"))
    assert all(np.array_equal(weights[name], again[name]) for name in weights)
    assert {name: array.shape for name, array in weights.items()} == {
        "users": (40, 8),
        "items": (50, 9),
        "layer_0": (20, 16),
        "layer_0_bias": (16,),
        "layer_1": (16, 8),
        "layer_1_bias": (8,),
        "value": (16,),
        "value_bias": (1,),
    }
    assert all(array.dtype == np.float32 for array in weights.values())
    assert not weights["items"][:, -1].any()
    # 320 draws of deviation 0.1: the mean's is 0.0056, the deviation's 0.004
    assert abs(weights["users"].mean()) < 0.03
    assert abs(weights["users"].std() - 0.1) < 0.02
    bound = np.sqrt(6 / 20)
    assert 0.9 * bound < np.abs(weights["layer_0"]).max() < bound
    assert 0.8 * 0.25 < np.abs(weights["value"]).max() < 0.25
    assert not weights["layer_0_bias"].any()


def test_the_layers_of_a_store_lie_in_one_row(rng):
    arrays = initial_weights(BASE, rng)
    store = WeightStore(arrays)
    assert all(np.array_equal(store.by_name[name], arrays[name]) for name in arrays)
    store.layers[:] = 0.0
    assert not any(store.by_name[name].any() for name in arrays if "layer" in name)
    assert store.by_name["users"].any()
    assert store.layers.shape == (1, 4 * 3 + 3 + 3 * 2 + 2)
    assert arrays["layer_0"].any()  # a copy


@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_weights_of_recent_items_have_the_precision_of_their_places(precision):
    places = embedding_rows.place_weights(3, 0.5, precision)
    weights = embedding_rows.recent_weights(np.array([[4, -1, 2]]), places)
    assert (places.dtype, weights.dtype) == (precision, precision)
    assert weights.tolist() == [pytest.approx([0.8, 0.0, 0.2])]


def test_the_loss_is_squared_and_of_what_was_taken_alone_unless_more_is_asked_for():
    terms = LossTerms()
    assert (terms.kind, terms.td_weight) == ("squared", 1.0)
    assert (terms.negative_weight, terms.conservative_weight) == (0.0, 0.0)
    assert not terms.asks_for_others
    assert LossTerms(negative_weight=0.1).asks_for_others
    assert LossTerms(conservative_weight=0.1).asks_for_others


def test_a_shape_has_the_sizes_that_its_page_names():
    shape = NetworkShape(3, 4)
    assert (shape.embedding_dim, shape.hidden, shape.n_recent) == (32, (64,), 5)
    assert (shape.recent_decay, shape.context_dim, shape.dueling, shape.dropout) == (
        0.7, 0, False, 0.0,
    )  # fmt: skip
    assert shape.layers == [(64, 64), (64, 32)]
