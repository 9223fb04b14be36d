"""Tables to the last number: every node of the trees, mixtures, two tables, packing, borders."""

import numpy as np
import pytest

from recloop.models import td
from recloop.models.tables import QTable, cells, learning, max_tree
from recloop.models.tables.learning import Method, Steps
from recloop.models.tables.table import _pack

FAR = 1e6
"""Stands where nothing may be read: it would win every comparison."""

ALPHA, EPSILON = 0.5, 0.25


# the tree


def levels_of(leaves):
    """The nodes over `leaves` by level, lowest first: 8 leaves each, then 16 nodes each."""
    levels = [[max(leaves[at : at + 8]) for at in range(0, len(leaves), 8)]]
    while len(levels[-1]) > 16:
        below = levels[-1]
        levels.append([max(below[at : at + 16]) for at in range(0, len(below), 16)])
    return levels


def stored(leaves, width, first):
    """The memory of a row without its nodes: FAR wherever there is no leaf."""
    values = np.full(first + (len(leaves) + 7) // 8 * width + 2 * width, FAR)
    for leaf, value in enumerate(leaves):
        values[first + leaf // 8 * width + leaf % 8] = value
    return values


def with_nodes(leaves, width, first):
    """The memory as it must be: leaves, nodes, and FAR in all other places."""
    values, levels = stored(leaves, width, first), levels_of(leaves)
    for group, node in enumerate(levels[0]):
        values[first + group * width + 8] = node
    for place, node in enumerate(node for level in levels[1:] for node in level):
        values[first + place * width + 9] = node
    return values


SIZES = [1, 2, 7, 8, 9, 15, 16, 17, 72, 120, 127, 128, 129, 136, 137, 200, 256, 257, 300]
LARGE = [2041, 2047, 2048, 2049, 2056, 2180, 2300]


@pytest.mark.parametrize("width", [10, 16])
@pytest.mark.parametrize("n_leaves", SIZES + LARGE)
def test_a_tree_is_built_with_every_node_in_its_place(n_leaves, width, rng):
    leaves = rng.permutation(n_leaves).astype(float).tolist()
    values = stored(leaves, width, 3)
    assert max_tree.build(values, width, 3, n_leaves) == max(leaves)
    assert values.tolist() == with_nodes(leaves, width, 3).tolist()


@pytest.mark.parametrize("n_leaves", SIZES + LARGE)
def test_every_node_is_true_after_each_number_that_rises_or_falls(n_leaves, rng):
    """Few different numbers, so that the same maximum often stands in several places."""
    width, first = 10, 3
    leaves = rng.integers(0, 4, n_leaves).astype(float).tolist()
    values = with_nodes(leaves, width, first)
    best = max(leaves)
    n_puts = 60 if n_leaves > 1000 else 150
    for number in range(n_puts):
        highest = [leaf for leaf, value in enumerate(leaves) if value == best]
        leaf = int(rng.choice(highest)) if number % 3 == 0 else int(rng.integers(n_leaves))
        new = float(rng.integers(0, 6)) - (3.0 if number % 3 == 0 else 0.0)
        best = max_tree.put(values, width, first, n_leaves, leaf, new, best)
        leaves[leaf] = new
        assert best == max(leaves)
        assert values.tolist() == with_nodes(leaves, width, first).tolist()


@pytest.mark.parametrize("n_leaves", SIZES + LARGE)
def test_only_one_leaf_large_is_found_wherever_it_stands_and_again_when_it_falls(n_leaves):
    width, first = 16, 5
    places = {0, 7, 8, 127, 128, 255, 256, 2047, 2048, n_leaves // 2, n_leaves - 1}
    none = np.empty(0, dtype=np.int32)
    for leaf in sorted(place for place in places if place < n_leaves):
        leaves = [float(-k) for k in range(n_leaves)]
        values = with_nodes(leaves, width, first)
        best = max_tree.put(values, width, first, n_leaves, leaf, 9.0, 0.0)
        assert best == 9.0
        assert max_tree.first_best(values, width, first, n_leaves, none, 0, best) == leaf
        best = max_tree.put(values, width, first, n_leaves, leaf, leaves[leaf], best)
        assert best == 0.0
        assert values.tolist() == with_nodes(leaves, width, first).tolist()


@pytest.mark.parametrize("n_leaves", [5, 8, 20, 128, 130, 300, 2100])
def test_the_lowest_key_decides_among_equal_numbers(n_leaves, rng):
    width, first = 16, 0
    leaves = rng.integers(0, 3, n_leaves).astype(float).tolist()
    values, keys = with_nodes(leaves, width, first), rng.permutation(10 * n_leaves)[:n_leaves]
    memory = np.full(2 * len(values), -7, dtype=np.int32)
    for leaf in range(n_leaves):
        memory[20 + 2 * width * (leaf // 8) + leaf % 8] = keys[leaf]
    for best in (0.0, 1.0, 2.0):
        holding = [int(keys[leaf]) for leaf in range(n_leaves) if leaves[leaf] == best]
        top = [value if value <= best else best - 1 for value in leaves]
        found = max_tree.first_best(
            with_nodes(top, width, first), width, first, n_leaves, memory, 20, best
        )
        assert found == min(holding, default=-1)
    assert max_tree.first_best(values, width, first, n_leaves, memory, 20, 7.0) == -1


# learning


def plain(steps, method, n_items, n_tables=1, initial=0.0, chosen=None):
    """Values (n_tables, n_rows, n_items) and the sum of the changes, by the docstring's equations.

    sums / visits is theta; a state is a weighted sum of the rows that have a weight.
    chosen (B,): which steps were chosen rather than shown, where they differ.
    """
    chosen = np.full(len(steps.items), method.chosen) if chosen is None else chosen
    sums = np.full((n_tables, method.n_rows, n_items), initial)
    visits = np.zeros((n_tables, method.n_rows))

    def theta(table):
        return sums[table] / np.where(visits[table] > 0, visits[table], 1.0)[:, None]

    def state(table, rows, weights):
        return sum(w * theta(table)[r] for r, w in zip(rows, weights, strict=True) if w > 0)

    change = 0.0
    for i, item in enumerate(steps.items):
        one = int(steps.coins[i]) if method.rule == td.DOUBLE else 0
        parts = [(r, w) for r, w in zip(steps.rows[i], steps.weights[i], strict=True) if w > 0]
        if chosen[i]:
            for row, _ in parts:
                if visits[one, row] == 0:
                    sums[one, row] = 0.0
        following = 0.0
        if steps.discounts[i] != 0:
            at = steps.next_rows[i], steps.next_weights[i]
            values, named = state(one, *at), steps.next_items[i]
            if method.rule == td.DOUBLE:
                named, values = int(np.argmax(values)), state(1 - one, *at)
            expected = (1 - EPSILON) * values.max() + EPSILON * values.mean()
            following = values.max() if method.rule == td.GREEDY else expected
            if method.rule in (td.SAMPLED, td.DOUBLE) and named >= 0:
                following = values[named]
        target = steps.rewards[i] + steps.discounts[i] * following
        before = state(one, steps.rows[i], steps.weights[i])[item]
        for row, weight in parts:
            if chosen[i]:
                visits[one, row] += weight
                sums[one, row, item] += weight * target
            else:
                count = visits[one, row] if visits[one, row] > 0 else 1.0
                sums[one, row, item] += count * weight * ALPHA * (target - before)
        change += abs(state(one, steps.rows[i], steps.weights[i])[item] - before)
    return np.stack([theta(table) for table in range(n_tables)]), change


def steps_between(rng, n, n_rows, n_items, width):
    """Steps between states of one row, or of up to `width` different rows and -1 for fewer."""

    def states():
        rows = np.stack([rng.permutation(n_rows)[:width] for _ in range(n)])
        weights = rng.random((n, width)) + 0.05
        n_parts = rng.integers(1, width + 1, n)
        missing = np.arange(width) >= n_parts[:, None]
        rows[missing], weights[missing] = -1, 0.0
        return rows, weights / weights.sum(axis=1, keepdims=True)

    (rows, weights), (next_rows, next_weights) = states(), states()
    return Steps(
        rows, weights, rng.integers(0, n_items, n), rng.integers(-2, 3, n).astype(float),
        rng.choice([0.0, 0.25, 0.75], n), next_rows, next_weights,
        rng.integers(-1, n_items, n), rng.random(n) < 0.5,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["dense", "hashed"])
@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("rule", [td.GREEDY, td.SAMPLED, td.EXPECTED, td.DOUBLE])
@pytest.mark.parametrize("feedback", ["shown", "chosen", "both"])
def test_learning_is_that_of_the_equations(kind, width, rule, feedback, rng):
    """Both: 80 steps shown, 80 chosen, 80 shown, so that rows with and without visits meet."""
    n_rows, n_items, n_tables = 7, 21, 2 if rule == td.DOUBLE else 1
    table = QTable(n_rows, n_items, n_tables=n_tables, kind=kind, initial=0.5)
    steps = steps_between(rng, 240, n_rows, n_items, width)
    thirds = np.repeat([feedback == "chosen", feedback != "shown", feedback == "chosen"], 80)
    moved = 0.0
    for start in range(0, 240, 80):
        part = Steps(*(array[start : start + 80] for array in steps))
        moved += table.learn(part, Method(rule, EPSILON, ALPHA, bool(thirds[start]), n_rows))
    method = Method(rule, EPSILON, ALPHA, False, n_rows)
    wanted, wanted_moved = plain(steps, method, n_items, n_tables, 0.5, thirds)
    assert moved == pytest.approx(wanted_moved, rel=1e-9)
    rows = np.arange(n_tables * n_rows)
    found = np.stack([table.row(row) for row in rows])
    np.testing.assert_allclose(found, wanted.reshape(found.shape), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(table.best(rows), found.max(axis=1), rtol=1e-12)
    assert_consistent(table)


def assert_consistent(table):
    """Sums, counts and nodes of every row are those of its slots."""
    width, memory = table.values.shape[1], table.cells.values.reshape(len(table.values), -1)
    assert width == 10
    for row, head in enumerate(table.heads):
        stored_values = table.row(row) * (head["visits"] if head["visits"] > 0 else 1.0)
        total = (stored_values - head["blank"]).sum()
        assert head["total"] == pytest.approx(total, rel=1e-9, abs=1e-9)
        assert head["n_used"] + head["n_left"] == table.n_items
        n_buckets = -(-head["n_slots"] // 8)
        mine = memory[head["bucket"] : head["bucket"] + n_buckets]
        leaves = mine[:, :8].ravel()[: head["n_slots"]].tolist()
        if table.kind == "hashed":
            items = table.items[head["bucket"] : head["bucket"] + n_buckets].ravel()
            assert (items >= 0).sum() == head["n_used"]
            assert 8 * head["n_used"] <= 7 * head["n_slots"]
        if leaves:
            levels = levels_of(leaves)
            assert mine[:, 8].tolist() == levels[0]
            above = [node for level in levels[1:] for node in level]
            assert mine[: len(above), 9].tolist() == above
            assert head["best"] == max(leaves)


@pytest.mark.parametrize("width", [1, 2])
def test_rows_of_many_sizes_grow_move_and_are_packed_without_losing_a_number(width, rng):
    n_rows, n_items = 40, 400
    n = 3000
    steps = steps_between(rng, n, n_rows, n_items, width)
    skewed = np.minimum(rng.geometric(0.15, (n, 1)) - 1, n_rows - 1)
    steps.rows[:, :1] = skewed
    if width == 2:
        steps.rows[:, 1] = np.where(steps.rows[:, 1] >= 0, (skewed[:, 0] + 1) % n_rows, -1)
    table = QTable(n_rows, n_items, kind="hashed", initial=-0.25)
    method = Method(td.GREEDY, EPSILON, ALPHA, False, n_rows)
    for start in range(0, n, 150):
        table.learn(Steps(*(array[start : start + 150] for array in steps)), method)
        before = np.stack([table.row(row) for row in range(n_rows)])
        assert_consistent(table)
        cells_before = table.n_pairs
        n_live = int(table.heads["n_slots"].sum()) >> 3
        gaps = table.end[0] > n_live
        table._make_room()
        assert_consistent(table)
        assert table.n_pairs == cells_before
        assert (np.stack([table.row(row) for row in range(n_rows)]) == before).all()
        assert table.end[0] in ((n_live,) if not gaps else (n_live, table.end[0]))
    wanted, _ = plain(steps, method, n_items, initial=-0.25)
    np.testing.assert_allclose(before, wanted[0], rtol=1e-9, atol=1e-12)


def test_packing_leaves_no_gap_and_keeps_what_stands_close_already(rng):
    steps = steps_between(rng, 200, 3, 60, 1)
    table = QTable(30, 60, kind="hashed")
    method = Method(td.GREEDY, EPSILON, ALPHA, False, 30)
    order = np.concatenate([np.full(20, 4), np.arange(30), np.full(150, 9)])[:200]
    steps.rows[:, 0] = order  # rows of 1 bucket stand behind the places that rows 4 and 9 left
    table.learn(steps, method)
    before = [table.row(row).tolist() for row in range(30)]
    _pack(table.cells, np.argsort(table.heads["bucket"]))
    assert [table.row(row).tolist() for row in range(30)] == before
    assert table.end[0] == table.heads["n_slots"].sum() // 8
    places = np.sort(table.heads["bucket"][table.heads["n_slots"] > 0])
    sizes = table.heads["n_slots"][np.argsort(table.heads["bucket"])] // 8
    assert places.tolist() == (np.cumsum(sizes) - sizes)[sizes > 0].tolist()
    assert_consistent(table)


def test_a_row_of_a_saved_table_may_end_where_the_slab_ends_and_not_behind_it():
    table = QTable(2, 1000, kind="hashed")
    heads, end = table.heads.copy(), np.array([20, 0])
    heads["bucket"], heads["n_slots"] = [0, 10], [80, 80]
    QTable(2, 1000, kind="hashed").take(table.values, table.items, heads, end)
    for wrong in ([0, 11], [-1, 10]):
        heads["bucket"] = wrong
        with pytest.raises(ValueError, match="a row lies outside the slab"):
            table.take(table.values, table.items, heads, end)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"end": np.array([0, 0], dtype=np.int32)}, "an array has another type"),
        ({"heads": {"bucket": 1, "n_slots": 8}}, "a row lies outside the slab"),
        ({"heads": {"n_slots": -8}}, "a row lies outside the slab"),
        ({"items": -2}, "an item is outside -1..9"),
        ({"items": 10}, "an item is outside -1..9"),
    ],
)
def test_what_is_wrong_with_a_saved_table_is_said_to_the_letter(change, words):
    table = QTable(1, 10, kind="hashed")
    heads, items = table.heads.copy(), table.items.copy()
    for name, value in change.get("heads", {}).items():
        heads[name] = value
    items[0, 0] = change.get("items", -1)
    with pytest.raises(ValueError, match=r"^the table") as caught:
        table.take(table.values, items, heads, change.get("end", table.end))
    assert str(caught.value) == f"the table is not consistent: {words}. It was not loaded."


def test_a_new_hashed_table_gives_out_nothing_and_begins_at_a_cache_line():
    table = QTable(1000, 10, kind="hashed")
    assert table.end.tolist() == [0, 0]
    assert table.values.shape == (64, 10)
    for _ in range(3):
        assert table.cells.values.ctypes.data % 128 == 0
        table._resize(table.values.shape[0] * 40)


@pytest.mark.parametrize("kind", ["dense", "hashed"])
@pytest.mark.parametrize("n_tables", [1, 2])
def test_items_are_ranked_by_all_that_was_stored_over_all_visits(kind, n_tables, rng):
    """Rows 0 to 2 were chosen in both tables, row 3 in the first only, row 4 was shown only."""
    n_rows, n_items = 6, 9
    rule = td.DOUBLE if n_tables == 2 else td.GREEDY
    table = QTable(n_rows, n_items, n_tables=n_tables, kind=kind, initial=0.5)
    steps = steps_between(rng, 120, n_rows, n_items, 1)
    steps.rows[:, 0] = np.minimum(steps.rows[:, 0], 4)
    steps.coins[steps.rows[:, 0] == 3] = False
    shown = steps.rows[:, 0] == 4
    for chosen, kept in ((False, shown), (False, steps.rows[:, 0] == 3), (True, ~shown)):
        both = np.full(kept.sum(), True) if chosen is False and kept is not shown else None
        part = Steps(*(array[kept] for array in steps))
        part = part if both is None else part._replace(coins=both)
        table.learn(part, Method(rule, EPSILON, ALPHA, chosen, n_rows))
    prior = rng.random(n_items)
    rows = np.array([[0, 3], [4, -1], [5, 2], [1, 4]])
    weights = np.array([[0.5, 0.5], [1.0, 0.0], [0.25, 0.75], [0.0, 1.0]])
    found = table.scores(rows, weights, prior)
    visits = table.heads["visits"].reshape(n_tables, n_rows)
    for i in range(len(rows)):
        wanted = np.zeros(n_items)
        for row, weight in zip(rows[i], weights[i], strict=True):
            if weight > 0:
                parts = [one for one in range(n_tables) if visits[one, row] > 0]
                numbers = [one * n_rows + row for one in parts or range(n_tables)]
                sums = [table.row(n) * (table.heads[n]["visits"] or 1.0) for n in numbers]
                count = visits[:, row].sum() or n_tables
                wanted += weight * (np.sum(sums, axis=0) + prior) / count
        np.testing.assert_allclose(found[i], wanted, rtol=1e-12)


# reading ahead


@pytest.mark.parametrize("kind", ["dense", "hashed"])
def test_touching_a_pair_reads_the_bucket_where_it_lies(kind):
    table = QTable(3, 20, kind=kind)
    method = Method(td.GREEDY, EPSILON, 1.0, False, 3)
    one = np.ones((1, 1))
    steps = Steps(np.array([[1]]), one, np.array([13]), np.array([5.0]), np.zeros(1),
                  np.array([[0]]), one, np.array([-1]), np.zeros(1, dtype=bool))  # fmt: skip
    assert cells.touch(table.cells, 1, 13) == 0
    table.learn(steps, method)
    assert cells.touch(table.cells, 1, 13) > 0
    assert cells.touch(table.cells, 2, 13) == 0
    for reward in (0.0, -5.0):
        table.learn(steps._replace(rewards=np.array([reward])), method)
        assert cells.touch(table.cells, 1, 13) == 0


def test_of_a_row_of_many_buckets_that_of_the_item_is_touched():
    table = QTable(1, 500, kind="hashed")
    items = np.arange(0, 500, 7)
    n, one = len(items), np.ones((len(items), 1))
    zeros = np.zeros((n, 1), dtype=np.int64)
    steps = Steps(zeros, one, items, np.where(items == 490, 1.0, -1.0), np.zeros(n), zeros, one,
                  np.full(n, -1), np.zeros(n, dtype=bool))  # fmt: skip
    table.learn(steps, Method(td.GREEDY, EPSILON, 1.0, False, 1))
    n_buckets = table.heads[0]["n_slots"] // 8
    home = cells.first_bucket(490, n_buckets)
    held = table.cells.values.reshape(-1, 16)[table.heads[0]["bucket"] + np.arange(n_buckets)]
    assert held[home, 8] == 1.0
    assert cells.touch(table.cells, 0, 490) > 0
    other = next(item for item in items if cells.first_bucket(int(item), n_buckets) != home)
    assert cells.touch(table.cells, 0, int(other)) == 0


def test_a_large_table_reads_the_places_of_128_steps_ahead_and_learns_the_same(rng):
    n_rows, n_items, n = 1100, 1000, 300
    table = QTable(n_rows, n_items)
    assert len(table.cells.values) > learning.IN_CACHE
    steps = steps_between(rng, n, n_rows, n_items, 1)
    method = Method(td.GREEDY, EPSILON, ALPHA, False, n_rows)
    table.learn(steps, method)
    rows = np.unique(steps.rows)
    wanted, _ = plain(steps, method, n_items)
    np.testing.assert_allclose([table.row(row) for row in rows], wanted[0][rows], rtol=1e-12)
    signs = [
        int(table.row(row)[item] > 0) + int(table.best(following)[0] > 0)
        for (row,), item, following in zip(steps.rows, steps.items, steps.next_rows, strict=True)
    ]
    assert learning._read_ahead(table.cells, steps, method, 100) == sum(signs[100:228])
    assert learning._read_ahead(table.cells, steps, method, 290) == sum(signs[290:])


def test_the_second_of_two_tables_is_touched_where_its_coin_says(rng):
    table = QTable(4, 10, n_tables=2)
    steps = steps_between(rng, 1, 4, 10, 1)._replace(coins=np.array([True]))
    steps.rewards[:], steps.discounts[:] = 3.0, 0.0
    method = Method(td.DOUBLE, EPSILON, 1.0, False, 4)
    table.learn(steps, method)
    steps.next_rows[:] = (steps.rows + 1) % 4
    assert learning._read_ahead(table.cells, steps, method, 0) == 1
    heads_up = steps._replace(coins=np.array([False]))
    assert learning._read_ahead(table.cells, heads_up, method, 0) == 0
    assert learning._read_ahead(table.cells, steps, method._replace(rule=td.GREEDY), 0) == 0
