"""A log of sequences and what another policy would have done: the input of `sequential`."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from recloop.errors import InvalidData
from recloop.evaluation.ope import checking
from recloop.types import BoolArray, FloatArray, IntArray
from recloop.utils.checks import check_between


@dataclass(frozen=True)
class Trajectories:
    """n sequences of at most T steps, checked when made; the arrays given are not changed.

    Steps after the end of a sequence are False in `active`: their rewards count as 0 and their
    weights as 1, whatever stands there. Tabular estimators need states, actions and both policies
    by state (S, A); states may differ in meaning from step to step, for everything is kept by step.
    """

    rewards: FloatArray  # (n, T)
    propensities: FloatArray  # (n, T) in (0, 1]
    target_taken: FloatArray  # (n, T) the new policy's probability of what was done
    active: BoolArray = None  # type: ignore[assignment]  # (n, T); None: all
    states: IntArray | None = None  # (n, T)
    actions: IntArray | None = None  # (n, T)
    discount: float = 1.0

    def __post_init__(self) -> None:
        shape = np.shape(self.rewards)
        if len(shape) != 2 or 0 in shape:
            raise InvalidData(
                "off-policy evaluation: rewards must have shape (sequences, steps) and at least "
                f"one of each, got {shape}."
            )
        check_between("Trajectories", "discount", self.discount, 0, 1)
        active = checking.mask("active", self.active, shape)
        after = active[:, 1:] & ~active[:, :-1]
        checking.refuse("active", after, active[:, 1:], "True up to the end of a sequence only")
        fields: dict[str, Any] = {
            "active": active,
            "rewards": checking.numbers("rewards", self._kept("rewards", active, 0), shape),
            "propensities": checking.propensities(
                "propensities", self._kept("propensities", active, 1), shape
            ),
            "target_taken": checking.probabilities(
                "target_taken", self._kept("target_taken", active, 1), shape
            ),
        }
        for name in ("states", "actions"):
            if getattr(self, name) is not None:
                fields[name] = checking.codes(name, self._kept(name, active, 0), shape, None)
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def _kept(self, name: str, active: BoolArray, fill: int) -> np.ndarray:
        return checking.kept(name, getattr(self, name), active, fill)

    def __len__(self) -> int:
        return len(self.rewards)

    @property
    def n_steps(self) -> int:
        """T, the length of the longest sequence."""
        return self.rewards.shape[1]

    @property
    def discounts(self) -> FloatArray:
        """(T,) 1, gamma, gamma^2, ..."""
        return np.power(self.discount, np.arange(self.n_steps, dtype=np.float64))

    @property
    def returns(self) -> FloatArray:
        """(n,) discounted sums of rewards."""
        return self.rewards @ self.discounts

    @property
    def weights(self) -> FloatArray:
        """(n, T) the products of the policies' ratios up to each step, this one included."""
        return np.multiply.accumulate(self.target_taken / self.propensities, axis=1)

    @property
    def weights_before(self) -> FloatArray:
        """(n, T) the products over the steps before each step; 1 at the first."""
        return np.concatenate([np.ones((len(self), 1)), self.weights[:, :-1]], axis=1)

    def visited(self, who: str) -> tuple[IntArray, IntArray]:
        """States and actions (n, T); raises where they are not known."""
        if self.states is None or self.actions is None:
            raise InvalidData(f"{who}: needs states and actions, shape (sequences, steps).")
        return self.states, self.actions
