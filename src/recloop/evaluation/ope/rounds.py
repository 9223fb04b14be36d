"""A log of single choices and what another policy would have done: the input of `single`."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from recloop.errors import InvalidData
from recloop.evaluation.ope import checking
from recloop.types import FloatArray, IntArray


@dataclass(frozen=True)
class Rounds:
    """n logged choices among A items, checked when made; the arrays given are not changed.

    target: the new policy's probabilities (n, A); or (n,) of the item taken alone, which is enough
    for importance weights; or (n, A, P) by place on the page, read at `positions`.
    logging: all probabilities of the policy that logged (n, A), where they are known: the support
    check, calibration, MIPS and OffCEM need them.
    """

    actions: IntArray  # (n,) the item shown
    rewards: FloatArray  # (n,)
    propensities: FloatArray  # (n,) in (0, 1] with which it was shown
    target: FloatArray
    logging: FloatArray | None = None
    positions: IntArray | None = None  # (n,) from 0
    ids: Any = None  # (n,) of the decisions, each once

    def __post_init__(self) -> None:
        rewards = checking.numbers("rewards", self.rewards, (None,))
        n = len(rewards)
        if n == 0:
            raise InvalidData("off-policy evaluation: the log must have at least one row, got 0.")
        target = np.asarray(self.target)
        if target.ndim not in (1, 2, 3):
            raise InvalidData(
                "off-policy evaluation: target must have shape (rows,), (rows, items) or "
                f"(rows, items, positions), got {target.shape}."
            )
        n_items = None if target.ndim == 1 else target.shape[1]
        fields: dict[str, Any] = {
            "rewards": rewards,
            "actions": checking.codes("actions", self.actions, (n,), n_items),
            "propensities": checking.propensities("propensities", self.propensities, (n,)),
        }
        if self.positions is not None:
            n_places = target.shape[2] if target.ndim == 3 else None
            fields["positions"] = checking.codes("positions", self.positions, (n,), n_places)
        fields["target"] = self._target(target, n, fields)
        if self.logging is not None:
            fields["logging"] = self._logging(n, n_items, fields)
        if self.ids is not None:
            fields["ids"] = checking.distinct("ids", self.ids, n)
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def _target(self, target: Any, n: int, fields: dict[str, Any]) -> FloatArray:
        if target.ndim == 1:
            return checking.probabilities("target", target, (n,))
        if target.ndim == 2:
            return checking.distributions("target", target, (n, None))
        if self.positions is None:
            raise InvalidData(
                "off-policy evaluation: a target by position needs positions (rows,), got None."
            )
        whole = checking.distributions("target", target, (n, None, None))
        return whole[np.arange(n), :, fields["positions"]]

    def _logging(self, n: int, n_items: int | None, fields: dict[str, Any]) -> FloatArray:
        logging = checking.distributions("logging", self.logging, (n, n_items))  # type: ignore[arg-type]
        taken = logging[np.arange(n), fields["actions"]]
        differs = np.abs(taken - fields["propensities"]) > checking.TOLERANCE
        checking.refuse(
            "propensities", differs, fields["propensities"], "what logging says of the item shown"
        )
        return logging

    def __len__(self) -> int:
        return len(self.rewards)

    @property
    def n_items(self) -> int:
        """The size of the catalogue; raises where the target is known of the taken items alone."""
        return self.full_target("the number of items").shape[1]

    @cached_property
    def target_taken(self) -> FloatArray:
        """(n,) the new policy's probability of what was shown."""
        return self.target if self.target.ndim == 1 else self.taken(self.target)

    @cached_property
    def weights(self) -> FloatArray:
        """(n,) the new policy's probability over the logging one's."""
        return self.target_taken / self.propensities

    def taken(self, table: FloatArray) -> FloatArray:
        """(n,) the entries of a table (n, A) at the items shown."""
        return np.take_along_axis(table, self.actions[:, None], axis=1)[:, 0]

    def full_target(self, who: str) -> FloatArray:
        """(n, A) the new policy's probabilities of every item."""
        if self.target.ndim == 1:
            raise InvalidData(
                f"{who}: needs target of every item, shape (rows, items), got {self.target.shape}."
            )
        return self.target

    def full_logging(self, who: str) -> FloatArray:
        """(n, A) the logging policy's probabilities of every item."""
        if self.logging is None:
            raise InvalidData(f"{who}: needs logging, the probabilities of every item, got None.")
        return self.logging
