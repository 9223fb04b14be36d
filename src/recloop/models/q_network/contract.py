"""What a Q network is: the small contract between DQN and the networks that it learns with.

The default architecture; `numpy_network` and `torch_network` give it the same initial weights:

    x     = [user embedding ; decayed mean of the recent items' embeddings ; context]
    h_l   = relu(h_{l-1} W_l + b_l),  h_0 = x,  dropout on every h_l
    query = h_L W + b + the decayed mean
    A(a)  = query . embedding of item a + bias of item a
    Q(a)  = A(a), or with dueling  V + A(a) - mean of A,  V = h_L w + c

The item embeddings are tied: the same rows say what was taken lately and what may be taken now.
Dueling: Wang et al. (2016), eq. 9.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from recloop.types import FloatArray, IntArray

Weights = dict[str, NDArray]


@dataclass(frozen=True)
class NetworkShape:
    """The sizes that decide every array of the network; what each means stands in DQN."""

    n_users: int
    n_items: int
    embedding_dim: int = 32
    hidden: tuple[int, ...] = (64,)
    n_recent: int = 5
    recent_decay: float = 0.7
    context_dim: int = 0
    dueling: bool = False
    dropout: float = 0.0

    @property
    def layers(self) -> list[tuple[int, int]]:
        """(inputs, outputs) of every fully connected layer, the one that makes the query last."""
        n_inputs = 2 * self.embedding_dim + self.context_dim
        widths = [n_inputs, *self.hidden, self.embedding_dim]
        return list(pairwise(widths))


class States(NamedTuple):
    """What a value depends on, for a batch of people."""

    users: IntArray  # (B,)
    histories: IntArray  # (B, n_recent) newest first, -1 padded
    contexts: NDArray | None = None  # (B, context_dim), None where the network takes none


class Lesson(NamedTuple):
    """One batch to fit: what was taken, what it is worth, who stands for all other items.

    others: codes (k,) of a uniform sample of the catalogue, None for the catalogue itself. They
    matter only to the terms of the loss that ask for them.
    """

    states: States
    items: IntArray  # (B,)
    targets: FloatArray  # (B,)
    others: IntArray | None = None


@dataclass(frozen=True)
class LossTerms:
    """How much each part of the loss weighs; the equation stands in `loss`."""

    kind: str = "squared"  # or "huber"
    td_weight: float = 1.0
    negative_weight: float = 0.0
    conservative_weight: float = 0.0

    @property
    def asks_for_others(self) -> bool:
        """Whether the items that were not taken have a part in the loss."""
        return self.negative_weight > 0 or self.conservative_weight > 0


class QNetwork(Protocol):
    """Everything that DQN asks of a network. Looking changes nothing."""

    rng: np.random.Generator
    """Draws what is dropped out; its state is saved with the model."""

    def q_values(self, states: States) -> NDArray:
        """(B, n_items) float32: the value of every item."""
        ...

    def q_taken(self, states: States, items: IntArray) -> NDArray:
        """(B,) float32: the value of one item for each state."""
        ...

    def fit_step(self, lesson: Lesson, terms: LossTerms, learning_rate: float) -> NDArray:
        """(B,) Q minus target before the step of Adam that this makes."""
        ...

    def copy_from(self, other: Any) -> None:
        """Take over the weights of a network of the same class and shape."""
        ...

    def arrays(self) -> Weights:
        """The weights by name."""
        ...

    def moments(self) -> Weights:
        """The optimiser's state by name: n_steps, and two moments of each array it moves."""
        ...

    def take(self, weights: Weights, moments: Weights) -> None:
        """Continue from saved weights and the optimiser's state; without one from its start."""
        ...
