"""Learning in a table, one step after the other; the equations stand in `td.py`.

A state is one row, or a few rows with weights that sum to one:

    Q(s, a) = sum_j w_j * theta[row_j, a],    theta = stored value / visits of the row

What was shown moves theta[row_j, a] by step * w_j * error (semi-gradient, S&B eq. 9.7; with one row
the ordinary step). What was chosen makes every theta[row_j, .] the mean of its targets, where a
step counts as w_j visits of row j: with one row the step is 1 / N(s). At its first logged visit a
row forgets what was tried in it: a log says of every item what it earned.

The kernels stop where the slab has no room; `table.py` makes room and goes on from there.
"""

from typing import NamedTuple

from recloop.models.tables.cells import (
    NO_ROOM,
    at,
    best_item_of,
    best_of,
    find,
    forget,
    mean_of,
    place,
    read_row,
    scaled,
    stored_at,
    touch,
    write,
)
from recloop.models.td import DOUBLE, EXPECTED, GREEDY, next_value, td_error, td_target
from recloop.types import BoolArray, FloatArray, IntArray
from recloop.utils.kernels import bare_kernel, kernel_part

AHEAD = 128
"""Steps whose places are read together."""

IN_CACHE = 1 << 20
"""Numbers up to which a table is read fast without reading ahead: 8 MiB."""


class Steps(NamedTuple):
    """What is learned from: B steps between states of N rows, -1 with weight 0 for fewer."""

    rows: IntArray  # (B, N)
    weights: FloatArray  # (B, N)
    items: IntArray  # (B,)
    rewards: FloatArray  # (B,)
    discounts: FloatArray  # (B,)
    next_rows: IntArray  # (B, N)
    next_weights: FloatArray  # (B, N)
    next_items: IntArray  # (B,) -1 where the action that followed is not known
    coins: BoolArray  # (B,) which of two tables learns; (0,) with one table


class Method(NamedTuple):
    """How it is learned: the rule of `td.py`, its epsilon, the step, and the kind of feedback."""

    rule: int
    epsilon: float
    step: float
    chosen: bool
    n_rows: int  # of one table; with two, the second one's rows follow


@bare_kernel
def learn_rows(cells, steps, method, first):
    """Learn steps first.. of states with one row; (steps done, sum of the changes of Q)."""
    change = 0.0
    for i in range(first, len(steps.items)):
        if len(cells.values) > IN_CACHE and (i - first) % AHEAD == 0:
            cells.end[1] = _read_ahead(cells, steps, method, i)
        shift = method.n_rows * steps.coins[i] if method.rule == DOUBLE else 0
        row = steps.rows[i, 0] + shift
        if method.chosen and cells.heads[row]["visits"] == 0.0:
            forget(cells, row)
        slot = place(cells, row, steps.items[i])
        if slot == NO_ROOM:
            return i, change
        following = 0.0
        if steps.discounts[i] != 0.0:
            following = _value_of_row(
                cells, steps.next_rows[i, 0], steps.next_items[i], method, shift
            )
        stored = cells.values[at(cells, row, slot)]
        value = scaled(cells, row, stored)
        target = td_target(steps.rewards[i], steps.discounts[i], following)
        if method.chosen:
            cells.heads[row]["visits"] += 1.0
            new = stored + target
            change += abs(scaled(cells, row, new) - value)
        else:
            move = method.step * td_error(target, value)
            visits = cells.heads[row]["visits"]
            new = stored + (move * visits if visits > 0.0 else move)
            change += abs(move)
        write(cells, row, slot, new)
    return len(steps.items), change


@bare_kernel
def _read_ahead(cells, steps, method, first):
    """Bring what the next steps need into the cache, all at once instead of one after the other."""
    seen = 0
    for i in range(first, min(first + AHEAD, len(steps.items))):
        shift = method.n_rows * steps.coins[i] if method.rule == DOUBLE else 0
        seen += touch(cells, steps.rows[i, 0] + shift, steps.items[i])
        seen += cells.heads[steps.next_rows[i, 0]]["best"] > 0.0
    return seen


@kernel_part
def _value_of_row(cells, row, named, method, shift):
    """V(s') of a state with one row."""
    mean, value = 0.0, 0.0
    if method.rule == DOUBLE:
        named = best_item_of(cells, row + shift)
        row += method.n_rows - shift
    if method.rule != GREEDY:
        mean = mean_of(cells, row)
        if method.rule != EXPECTED and named >= 0:
            value = stored_at(cells, row, named)
    best = best_of(cells, row)
    following = next_value(method.rule, best, mean, value, named >= 0, method.epsilon)
    return scaled(cells, row, following)


@bare_kernel
def learn_mixed(cells, steps, method, first, scratch):
    """Learn steps first.. of states with several rows; (steps done, sum of the changes of Q).

    scratch: (2, n_items) room for the values of a state.
    """
    change = 0.0
    for i in range(first, len(steps.items)):
        shift = method.n_rows * steps.coins[i] if method.rule == DOUBLE else 0
        rows, weights, item = steps.rows[i], steps.weights[i], steps.items[i]
        if not _place_all(cells, rows, weights, shift, item, method.chosen):
            return i, change
        following = 0.0
        if steps.discounts[i] != 0.0:
            following = _value_of_mixture(
                cells,
                steps.next_rows[i],
                steps.next_weights[i],
                steps.next_items[i],
                method,
                shift,
                scratch,
            )
        target = td_target(steps.rewards[i], steps.discounts[i], following)
        value = _mixed_value(cells, rows, weights, shift, item)
        move = target if method.chosen else method.step * td_error(target, value)
        for j in range(len(rows)):
            if weights[j] > 0.0:
                _move(cells, rows[j] + shift, item, weights[j], move, method.chosen)
        change += abs(_mixed_value(cells, rows, weights, shift, item) - value)
    return len(steps.items), change


@bare_kernel
def _place_all(cells, rows, weights, shift, item, chosen):
    """Give the pairs of a mixture their slots; False when the slab has no room for one."""
    for j in range(len(rows)):
        if weights[j] > 0.0:
            if chosen and cells.heads[rows[j] + shift]["visits"] == 0.0:
                forget(cells, rows[j] + shift)
            if place(cells, rows[j] + shift, item) == NO_ROOM:
                return False
    return True


@bare_kernel
def _move(cells, row, item, weight, move, chosen):
    """Let one row of a mixture take its share: of a target it was told, or of a step."""
    slot = find(cells, row, item)
    stored = cells.values[at(cells, row, slot)]
    visits = cells.heads[row]["visits"]
    if chosen:
        cells.heads[row]["visits"] = visits + weight
    elif visits > 0.0:
        move *= visits
    write(cells, row, slot, stored + weight * move)


@bare_kernel
def _mixed_value(cells, rows, weights, shift, item):
    """Q(s, a) of one item in a state of several rows."""
    value = 0.0
    for j in range(len(rows)):
        if weights[j] > 0.0:
            row = rows[j] + shift
            value += weights[j] * scaled(cells, row, stored_at(cells, row, item))
    return value


@bare_kernel
def _value_of_mixture(cells, rows, weights, named, method, shift, scratch):
    """V(s') of a state with several rows."""
    values = scratch[0]
    if method.rule == DOUBLE:
        _mix(cells, rows, weights, shift, values, scratch[1])
        named = _best_and_mean(values)[0]
        shift = method.n_rows - shift
    _mix(cells, rows, weights, shift, values, scratch[1])
    best, mean = _best_and_mean(values)
    value = values[named] if named >= 0 else 0.0
    return next_value(method.rule, values[best], mean, value, named >= 0, method.epsilon)


@bare_kernel
def _mix(cells, rows, weights, shift, out, scratch):
    """Write Q(s, .) of a state of several rows to out (n_items,)."""
    out[:] = 0.0
    for j in range(len(rows)):
        if weights[j] > 0.0:
            row = rows[j] + shift
            read_row(cells, row, scratch)
            for item in range(len(out)):
                out[item] += weights[j] * scaled(cells, row, scratch[item])


@bare_kernel
def _best_and_mean(values):
    """The place of the first largest number, and the mean."""
    best, total = 0, 0.0
    for item in range(len(values)):
        total += values[item]
        if values[item] > values[best]:
            best = item
    return best, total / len(values)


@bare_kernel
def score(cells, rows, weights, prior, n_tables, n_rows, out, scratch):
    """Write what every item is ranked by to out (B, n_items), for states of N rows (B, N).

        sum_j w_j * (stored values of row_j + prior) / visits of row_j

    Rows of two tables count together. prior (n_items,): a tie-breaker, see `tabular.py`.
    """
    out[:] = 0.0
    for i in range(len(rows)):
        for j in range(rows.shape[1]):
            if weights[i, j] > 0.0:
                _add_row(cells, rows[i, j], weights[i, j], prior, n_tables, n_rows, out[i], scratch)


@bare_kernel
def _add_row(cells, row, weight, prior, n_tables, n_rows, out, scratch):
    visits = 0.0
    for table in range(n_tables):
        visits += cells.heads[row + table * n_rows]["visits"]
    factor = weight / (visits if visits > 0.0 else n_tables)
    for item in range(len(out)):
        out[item] += factor * prior[item]
    for table in range(n_tables):
        part = row + table * n_rows
        if visits == 0.0 or cells.heads[part]["visits"] > 0.0:
            read_row(cells, part, scratch)
            for item in range(len(out)):
                out[item] += factor * scratch[item]
