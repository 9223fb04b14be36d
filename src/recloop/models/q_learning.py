"""Q-learning: learn what the best next choice would be worth, whatever is chosen next.

Watkins (1989), Learning from delayed rewards; van Hasselt (2010), Double Q-learning. Equations:
`td.py`; state, feedback and table: `tabular.py`.
"""

from dataclasses import dataclass, field

from recloop.models import td
from recloop.models.tabular import AbstractTabularRecommender
from recloop.types import BoolArray
from recloop.utils.checks import check_flag
from recloop.utils.seeding import generator_state, restored_generator, stream


@dataclass
class QLearningRecommender(AbstractTabularRecommender):
    """Off-policy: the value that follows is the maximum.

    double: two tables, each naming the best action for the other to value, so that noise is not
        mistaken for worth.
    """

    double: bool = field(default=False, kw_only=True)

    type_name = "q_learning"

    @property
    def draws(self) -> bool:
        """Whether what it learns from a log depends on the seed."""
        return self.double

    def _start(self) -> None:
        super()._start()
        self._coin_rng = stream(self.seed, self.type_name, "coins")

    def _check(self) -> None:
        super()._check()
        self.double = check_flag("QLearningRecommender", "double", self.double)

    @property
    def rule(self) -> int:
        return td.DOUBLE if self.double else td.GREEDY

    @property
    def n_tables(self) -> int:
        return 2 if self.double else 1

    def _coins(self, n_steps: int) -> BoolArray:
        if not self.double:
            return super()._coins(n_steps)
        return self._coin_rng.random(n_steps) < 0.5

    def counters(self) -> dict:
        """The last change of Q, and where the stream of coins is."""
        return super().counters() | {"coins": generator_state(self._coin_rng)}

    def _set_counters(self, counters: dict) -> None:
        super()._set_counters(counters)
        self._coin_rng = restored_generator(counters["coins"])
