"""Click rates of items, those of seldom shown ones drawn toward the mean.

Clicks c_i are Poisson with mean m_i a_i for m_i looks at item i; a_i is gamma with the mean and
variance of the log's own items. The posterior mean is (c_i + s mu) / (m_i + s), s = mu / variance.

Robbins (1956); the variance is DerSimonian and Laird's (1986), equation 8, for Poisson counts.
"""

import numpy as np

from recloop.types import FloatArray


def shrunk_rates(clicks: FloatArray, looks: FloatArray) -> FloatArray:
    """(n_items,) click rates; an item that was never looked at has the mean rate."""
    n_looks = float(looks.sum())
    mean = float(clicks.sum()) / n_looks if n_looks > 0 else 0.0
    seen = looks > 0
    if mean <= 0 or seen.sum() < 2:
        return np.full(len(clicks), max(mean, 0.0))
    rates = clicks[seen] / looks[seen]
    spread = float(looks[seen] @ (rates - mean) ** 2) - (seen.sum() - 1) * mean
    variance = spread / (n_looks - float(looks @ looks) / n_looks)
    if variance <= 0:
        return np.full(len(clicks), mean)
    strength = mean / variance
    return (np.maximum(clicks, 0.0) + strength * mean) / (looks + strength)
