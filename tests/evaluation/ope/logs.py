"""Small decision logs for the tests of the evaluator."""

import numpy as np

from recloop.types import Labels, LoggedDecisions


def log_of(items, propensities, rewards, sizes=None, kind="conditional", **more) -> LoggedDecisions:
    """A log of items one after the other; sizes: how many slots each decision has, else one."""
    sizes = np.ones(len(items), int) if sizes is None else np.array(sizes)
    n = len(sizes)
    same = Labels.same
    fields = {
        "ids": np.array([f"d{i}" for i in range(n)]),
        "timestamps": np.zeros(n),
        "users": np.zeros(n, np.int64),
        "offsets": np.concatenate([[0], np.cumsum(sizes)]),
        "items": np.array(items),
        "propensities": np.array(propensities, dtype=float),
        "propensity_kinds": same(kind, n),
        "policies": same("p", n),
        "versions": same("1", n),
        "catalogues": same("", n),
        "activated": np.ones(n, np.bool_),
        "rewards": np.array(rewards, dtype=float),
    } | more
    return LoggedDecisions(**fields)
