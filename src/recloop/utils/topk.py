"""The k best items of each row: equal scores go to the lower item code, wherever they stand."""

import numpy as np

from recloop.types import BoolArray, FloatArray, IntArray
from recloop.utils.kernels import kernel


def top_k(scores: FloatArray, k: int, eligible: BoolArray | None = None) -> IntArray:
    """(B, k) item codes, best first, -1 where fewer than k are eligible; scores is (B, n_items)."""
    if eligible is None:
        eligible = np.ones(scores.shape, dtype=np.bool_)
    return _top_k_rows(np.ascontiguousarray(scores), np.ascontiguousarray(eligible), k)


@kernel
def _top_k_rows(scores, eligible, k):
    n_rows, n_items = scores.shape
    best = np.full((n_rows, k), -1, dtype=np.int64)
    values = np.empty(k, dtype=scores.dtype)
    for row in range(n_rows):
        filled = 0
        for item in range(n_items):
            if not eligible[row, item]:
                continue
            score = scores[row, item]
            if filled == k and not score > values[k - 1]:
                continue
            place = filled if filled < k else k - 1
            while place > 0 and score > values[place - 1]:
                values[place] = values[place - 1]
                best[row, place] = best[row, place - 1]
                place -= 1
            values[place] = score
            best[row, place] = item
            filled = min(filled + 1, k)
    return best
