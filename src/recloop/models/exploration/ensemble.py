"""Thompson sampling from a finite ensemble: each slot asks one member, drawn afresh and evenly.

M members are draws from the posterior; a member's vote for a slot is the best of the items left,
ties to the lower item code:

    q(a | items left) = #{members who rank a highest among them} / M

exact for the ensemble. One member for the whole slate would make all slots but the first certain.
Chapelle and Li (2011), "An empirical evaluation of Thompson sampling"; Lu and Van Roy (2017),
"Ensemble sampling".
"""

from dataclasses import dataclass

import numpy as np

from recloop.models.exploration.base import Exploration
from recloop.types import BoolArray, FloatArray


@dataclass(frozen=True)
class EnsembleVotes(Exploration):
    """The votes of posterior draws.

    members (M, B, n_items): the values that each member believes in.
    """

    members: FloatArray

    def first(self, rows: slice, is_open: BoolArray) -> FloatArray:
        n_rows, n_items = is_open.shape
        counts = np.zeros(n_rows * n_items)
        some = np.flatnonzero(is_open.any(axis=1))
        for member in self.members:
            vote = np.where(is_open[some], member[rows][some], -np.inf).argmax(axis=1)
            counts += np.bincount(some * n_items + vote, minlength=len(counts))
        return counts.reshape(n_rows, n_items) / len(self.members)
