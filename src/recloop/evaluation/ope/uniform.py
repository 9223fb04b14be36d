"""The policy that draws uniformly from what could be shown: the yardstick of every log."""

import numpy as np

from recloop.types import BoolArray, FloatArray, LoggedDecisions


def uniform_target(decisions: LoggedDecisions, n_items: int) -> FloatArray:
    """What drawing uniformly from what could be shown gives, as `evaluate` takes it.

    For single items (n, n_items), for slates (n, k): no item twice.
    """
    eligible = eligible_items(decisions, n_items)
    counts = eligible.sum(axis=1)
    if int(decisions.sizes.max()) == 1:
        return eligible / counts[:, None]
    left = counts[decisions.owners] - decisions.ranks
    return decisions.padded(1.0 / left, 1.0)


def uniform_slots(decisions: LoggedDecisions, n_items: int) -> FloatArray:
    """`uniform_target` of slates as (n, k, n_items): every item given the slots above."""
    eligible = eligible_items(decisions, n_items)
    items = decisions.padded(decisions.items, -1)
    table = np.zeros((*items.shape, n_items))
    rows = np.arange(len(items))
    for slot in range(items.shape[1]):
        table[:, slot] = eligible / np.maximum(eligible.sum(axis=1, keepdims=True), 1)
        shown = items[:, slot] >= 0
        eligible[rows[shown], items[shown, slot]] = False
    return table


def eligible_items(decisions: LoggedDecisions, n_items: int) -> BoolArray:
    """(n, n_items) what could be shown in each decision."""
    eligible = np.ones((len(decisions), n_items), dtype=np.bool_)
    if decisions.candidates is not None:
        for row, items in enumerate(decisions.candidates.lists()):
            if len(items):
                eligible[row] = False
                eligible[row, items] = True
    if decisions.excluded is not None:
        for row, items in enumerate(decisions.excluded.lists()):
            eligible[row, items] = False
    return eligible
