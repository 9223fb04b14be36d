"""A table of values against a plain dictionary: same numbers, and the maximum always true."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recloop.models import td
from recloop.models.tables import QTable
from recloop.models.tables.learning import Method, Steps
from recloop.utils.seeding import stream

ALPHA, EPSILON = 0.5, 0.2


def steps_of(rng, n, n_rows, n_items, discount=0.5, reward=None):
    draw = rng.integers
    ones = np.ones((n, 1))
    rewards = rng.integers(-2, 3, n).astype(float) if reward is None else np.full(n, reward)
    return Steps(
        draw(0, n_rows, (n, 1)), ones, draw(0, n_items, n), rewards,
        rng.choice([0.0, discount], n), draw(0, n_rows, (n, 1)), ones, draw(-1, n_items, n),
        np.zeros(n, dtype=bool),
    )  # fmt: skip


def plain(steps, rule, chosen, n_rows, n_items, initial=0.0, n_passes=1):
    """The same learning in a plain array, one step after the other."""
    sums = np.full((n_rows, n_items), initial)
    visits = np.zeros(n_rows)
    for _ in range(n_passes):
        for i in range(len(steps.items)):
            row, item = steps.rows[i, 0], steps.items[i]
            if chosen and visits[row] == 0:
                sums[row] = 0.0
            values = sums / np.where(visits > 0, visits, 1.0)[:, None]
            following = values[steps.next_rows[i, 0]]
            named = steps.next_items[i]
            worth = {
                td.GREEDY: following.max(),
                td.EXPECTED: (1 - EPSILON) * following.max() + EPSILON * following.mean(),
            }
            worth[td.SAMPLED] = following[named] if named >= 0 else worth[td.EXPECTED]
            target = steps.rewards[i] + steps.discounts[i] * worth[rule]
            if chosen:
                visits[row] += 1
                sums[row, item] += target
            else:
                move = ALPHA * (target - values[row, item])
                sums[row, item] += move * max(visits[row], 1.0)
    return sums / np.where(visits > 0, visits, 1.0)[:, None]


def method(rule, chosen, n_rows):
    return Method(rule, EPSILON, ALPHA, chosen, n_rows)


@pytest.mark.parametrize("kind", ["dense", "hashed"])
@pytest.mark.parametrize("chosen", [False, True])
@pytest.mark.parametrize("rule", [td.GREEDY, td.SAMPLED, td.EXPECTED])
def test_a_table_holds_what_plain_learning_gives(kind, chosen, rule, rng):
    n_rows, n_items = 6, 37
    steps = steps_of(rng, 400, n_rows, n_items)
    table = QTable(n_rows, n_items, kind=kind, initial=0.25)
    table.learn(steps, method(rule, chosen, n_rows))
    wanted = plain(steps, rule, chosen, n_rows, n_items, 0.25)
    found = np.stack([table.row(row) for row in range(n_rows)])
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(table.best(np.arange(n_rows)), found.max(axis=1), rtol=1e-12)
    assert table.best_items(np.arange(n_rows)).tolist() == found.argmax(axis=1).tolist()


@pytest.mark.parametrize("kind", ["dense", "hashed"])
@given(seed=st.integers(0, 10_000), n_items=st.integers(1, 70), n_rows=st.integers(1, 5))
def test_the_kept_maximum_is_the_true_one_when_values_rise_and_fall(kind, seed, n_items, n_rows):
    steps = steps_of(stream(seed, "steps"), 120, n_rows, n_items, discount=0.9)
    table = QTable(n_rows, n_items, kind=kind, initial=-0.5)
    rows = np.arange(n_rows)
    for start in range(0, 120, 40):
        part = Steps(*(array[start : start + 40] for array in steps))
        table.learn(part, method(td.GREEDY, False, n_rows))
        found = np.stack([table.row(row) for row in rows])
        assert table.best(rows).tolist() == found.max(axis=1).tolist()
        assert table.best_items(rows).tolist() == found.argmax(axis=1).tolist()


@given(seed=st.integers(0, 10_000), chosen=st.booleans())
def test_dense_and_hashed_tables_give_the_same_bytes(seed, chosen):
    steps = steps_of(stream(seed, "steps"), 200, 4, 50, discount=0.9)
    tables = [QTable(4, 50, kind=kind) for kind in ("dense", "hashed")]
    changes = [table.learn(steps, method(td.GREEDY, chosen, 4)) for table in tables]
    rows = [np.stack([table.row(row) for row in range(4)]) for table in tables]
    assert (rows[0] == rows[1]).all()
    assert changes[0] == changes[1]


def test_one_batch_and_many_give_the_same(rng):
    steps = steps_of(rng, 300, 5, 40)
    whole, parts = QTable(5, 40, kind="hashed"), QTable(5, 40, kind="hashed")
    whole.learn(steps, method(td.GREEDY, False, 5))
    for start in range(300):
        one = Steps(*(array[start : start + 1] for array in steps))
        parts.learn(one, method(td.GREEDY, False, 5))
    assert all((whole.row(row) == parts.row(row)).all() for row in range(5))


def test_a_hashed_table_grows_and_keeps_only_what_was_visited(rng):
    table = QTable(200, 5000, kind="hashed")
    steps = steps_of(rng, 20_000, 200, 5000, discount=0.0)
    table.learn(steps, method(td.GREEDY, False, 200))
    pairs = set(zip(steps.rows[:, 0].tolist(), steps.items.tolist(), strict=True))
    assert table.n_pairs == len(pairs)
    assert table.n_bytes < 40 * len(pairs) + 100_000
    assert table.kind == "hashed"


def test_auto_takes_the_dense_table_only_while_it_is_small():
    assert QTable(1000, 500).kind == "dense"
    assert QTable(100_000, 10_000).kind == "hashed"


def test_repeated_passes_over_choices_converge_to_the_value_of_the_empirical_process():
    # one state after itself: item 0 chosen 3 of 4 times; Q(0) = 3/4 (1 + g V), V = Q(0)
    n = 4
    zeros = np.zeros((n, 1), dtype=np.int64)
    steps = Steps(zeros, np.ones((n, 1)), np.array([0, 0, 0, 1]), np.ones(n), np.full(n, 0.5),
                  zeros, np.ones((n, 1)), np.full(n, -1), np.zeros(n, dtype=bool))  # fmt: skip
    table = QTable(1, 3)
    for _ in range(3000):
        table.learn(steps, method(td.GREEDY, True, 1))
    v = 0.75 / (1 - 0.75 * 0.5)
    assert table.row(0).tolist() == pytest.approx([v, 0.25 * (1 + 0.5 * v), 0.0], rel=2e-3)


def test_at_discount_zero_passes_change_nothing(rng):
    steps = steps_of(rng, 300, 5, 20, discount=0.0, reward=1.0)
    once, often = QTable(5, 20), QTable(5, 20)
    once.learn(steps, method(td.GREEDY, True, 5))
    for _ in range(7):
        often.learn(steps, method(td.GREEDY, True, 5))
    np.testing.assert_allclose(once.row(2), often.row(2), rtol=1e-12)


def test_a_mixture_moves_every_row_by_its_weight():
    rows, weights = np.array([[0, 1]]), np.array([[0.75, 0.25]])
    steps = Steps(rows, weights, np.array([2]), np.array([4.0]), np.zeros(1), rows, weights,
                  np.array([-1]), np.zeros(1, dtype=bool))  # fmt: skip
    table = QTable(2, 3)
    change = table.learn(steps, method(td.GREEDY, False, 2))
    # error 4, step 0.5: rows move by 0.5 * 0.75 * 4 and 0.5 * 0.25 * 4
    assert table.row(0).tolist() == [0.0, 0.0, 1.5]
    assert table.row(1).tolist() == [0.0, 0.0, 0.5]
    assert change == pytest.approx(0.75 * 1.5 + 0.25 * 0.5)
    prior = np.zeros(3)
    assert table.scores(rows, weights, prior)[0].tolist() == pytest.approx([0, 0, 1.25])


def test_a_mixture_that_was_chosen_counts_a_weight_of_visits():
    rows, weights = np.array([[0, 1]]), np.array([[0.75, 0.25]])
    steps = Steps(rows, weights, np.array([2]), np.array([1.0]), np.zeros(1), rows, weights,
                  np.array([-1]), np.zeros(1, dtype=bool))  # fmt: skip
    other = steps._replace(rows=np.array([[0, -1]]), weights=np.array([[1.0, 0.0]]),
                           items=np.array([1]))  # fmt: skip
    table = QTable(2, 3)
    table.learn(steps, method(td.GREEDY, True, 2))
    table.learn(other, method(td.GREEDY, True, 2))
    assert table.row(0).tolist() == pytest.approx([0.0, 1 / 1.75, 0.75 / 1.75])
    assert table.row(1).tolist() == pytest.approx([0.0, 0.0, 1.0])


def test_a_prior_decides_only_among_what_never_followed():
    rows, weights = np.array([[0]]), np.array([[1.0]])
    table = QTable(1, 3)
    steps = Steps(rows, weights, np.array([1]), np.array([1.0]), np.zeros(1), rows, weights,
                  np.array([-1]), np.zeros(1, dtype=bool))  # fmt: skip
    table.learn(steps, method(td.GREEDY, True, 1))
    scores = table.scores(rows, weights, np.array([1e-3, 0.0, 2e-3]))[0]
    assert scores.tolist() == pytest.approx([1e-3, 1.0, 2e-3])


def test_saved_arrays_of_another_table_are_refused():
    table, other = QTable(3, 20, kind="hashed"), QTable(4, 20, kind="hashed")
    with pytest.raises(ValueError, match="heads are"):
        table.take(other.values, other.items, other.heads, other.end)
    with pytest.raises(ValueError, match="do not fill whole buckets"):
        table.take(table.values, table.items[:-1], table.heads, table.end)
    with pytest.raises(ValueError, match="do not fill whole buckets"):
        table.take(table.values[:, :-1], table.items, table.heads, table.end)
    heads = table.heads.copy()
    heads["n_slots"][1] = 8_000
    with pytest.raises(ValueError, match="a row lies outside the slab"):
        table.take(table.values, table.items, heads, table.end)
    items = table.items.copy()
    items[0, 0] = 20
    with pytest.raises(ValueError, match=r"an item is outside -1\.\.19"):
        table.take(table.values, items, table.heads, table.end)
    with pytest.raises(ValueError, match="another type"):
        table.take(table.values.astype(np.float32), table.items, table.heads, table.end)
    dense = QTable(3, 20, kind="dense")
    with pytest.raises(ValueError, match="a dense table of another size"):
        dense.take(np.zeros((4, 10)), dense.items, dense.heads, dense.end)
