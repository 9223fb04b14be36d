"""DQN: a deep network as the value of every item, learned from replayed steps and from logs.

    y     = r + discount max_a' Q_target(s', a')                        (Mnih et al. 2015)
    y     = r + discount Q_target(s', argmax_a' Q(s', a'))   double     (van Hasselt et al. 2016)

Q moves toward y by one step of Adam a batch; every `target_every` steps Q_target becomes a copy
of Q. What a state is, how Q comes about and what the loss says stand in `q_network`.

From a log, where a person chose from the whole catalogue, a step is full feedback: every other item
earned 0. Without that all values of a log tend to one number and the ranking to chance; with it
(squared loss, weight w of the others) Q(s, a) tends to p y / (p + w (1 - p) / (N - 1)), p being the
probability that a is chosen in s: it grows with p.
"""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from recloop.errors import DamagedFile, InvalidParameter
from recloop.models import incoming
from recloop.models.base import AbstractRecommender
from recloop.models.q_network.contract import (
    Lesson,
    LossTerms,
    NetworkShape,
    QNetwork,
    States,
)
from recloop.models.q_network.loss import LOSSES
from recloop.models.q_network.numpy_network import NumpyQNetwork
from recloop.models.q_network.weights import initial_weights
from recloop.models.replay import ReplayBuffer
from recloop.models.search import Integer, Real, SearchSpace
from recloop.types import FloatArray, IntArray, Transitions
from recloop.utils.checks import (
    check_between,
    check_choice,
    check_count,
    check_flag,
    finite_or_none,
    number_or_nan,
)
from recloop.utils.history import pushed
from recloop.utils.seeding import generator_state, restored_generator, stream

OBJECTIVES = ("td", "cross_entropy")
_COUNTS = {
    "embedding_dim": 1,
    "n_recent": 0,
    "context_dim": 0,
    "target_every": 1,
    "batch_size": 1,
    "replay_capacity": 1,
    "replay_batch_size": 1,
    "learning_starts": 1,
}
"""Whole numbers and the least that each may be."""

_LARGEST_WHOLE_CATALOGUE = 4096
_SAMPLED_OTHERS = 512


@dataclass
class DQNRecommender(AbstractRecommender):
    """Learns a network's value of every item from replayed steps, or from the steps of a log.

    learning_rate: of Adam.
    discount_factor: of the value that follows, where the steps do not bring their own.
    epsilon: the probability of a uniform draw when exploring.
    network: "numpy"; "torch" for the same architecture by PyTorch; or where the class of a
        torch.nn.Module stands, "package.module:ClassName" (see `torch_network`).
    device: where torch computes.
    objective: "td"; or "cross_entropy", which learns what was chosen and no value: the control.
    loss: "squared" or "huber".
    double: the network being learned picks the next item, the target network values it.
    dueling: the value of the state and the advantages of the items are learned apart.
    embedding_dim, hidden: the width of an embedding and of each hidden layer.
    n_recent, recent_decay: how many recent items a state has, and how much less each older one
        weighs in their mean.
    context_dim: the width of `context`; 0 for none.
    dropout: the share of each layer's inputs that a step of learning leaves out.
    weight_decay: decoupled, times the learning rate.
    target_every: steps of learning between two copies into the target network.
    batch_size: rows of a log for one step of learning.
    negative_weight: from a log, the total weight of the items that were not chosen.
    conservative_weight: from a log, the weight of log sum exp Q - Q(chosen).
    n_negatives: how many items, drawn anew for each batch, stand for those not chosen; 0 takes
        all of them, None takes all of up to 4,096 and draws 512 of more.
    annealing: from a log, step n learns with learning_rate / (1 + n / annealing); 0 for no decay.
    replay_capacity: steps that are kept of what was shown.
    replay_batch_size: rows drawn from them for one step of learning.
    learning_starts: steps that must be there before the first draw.
    updates_per_batch: steps of learning for each batch that comes in; 0.25 makes one in four.
    """

    learning_rate: float = 0.005
    discount_factor: float = 0.9
    epsilon: float = 0.1
    _: KW_ONLY
    network: str = "numpy"
    device: str = "cpu"
    objective: str = "td"
    loss: str = "squared"
    double: bool = True
    dueling: bool = False
    embedding_dim: int = 32
    hidden: tuple[int, ...] = (64,)
    n_recent: int = 5
    recent_decay: float = 0.7
    context_dim: int = 0
    dropout: float = 0.3
    weight_decay: float = 0.0
    target_every: int = 200
    batch_size: int = 256
    negative_weight: float = 20.0
    conservative_weight: float = 0.0
    n_negatives: int | None = None
    annealing: float = 2000.0
    replay_capacity: int = 100_000
    replay_batch_size: int = 64
    learning_starts: int = 32
    updates_per_batch: float = 1.0

    type_name = "dqn"
    learns_row_by_row = True
    learns_slowly = True
    search_space = SearchSpace(
        learning_rate=Real(5e-4, 0.05, log=True),
        discount_factor=Real(0.0, 0.99, limits=("low", "high")),
        dropout=Real(0.0, 0.7, limits=("low",)),
        embedding_dim=Integer(8, 128, log=True),
        negative_weight=Real(1.0, 1000.0, log=True),
        epsilon=Real(0.01, 0.5, log=True, acts=True),
    )

    @property
    def draws(self) -> bool:
        """Whether what it learns from a log depends on the seed."""
        return True

    @property
    def history_length(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """How many recent items `history` must hold."""
        return self.n_recent

    @property
    def n_observed(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """How many numbers `context` holds."""
        return self.context_dim

    def depends_on_user(self, *, with_context: bool) -> bool:
        """A person is an embedding of the network."""
        return True

    def _check(self) -> None:
        owner = "DQNRecommender"
        for name, least in _COUNTS.items():
            setattr(self, name, check_count(owner, name, getattr(self, name), least=least))
        widths = self.hidden if isinstance(self.hidden, Sequence) else (self.hidden,)
        self.hidden = tuple(check_count(owner, "hidden", width) for width in widths)
        if self.n_negatives is not None:
            self.n_negatives = check_count(owner, "n_negatives", self.n_negatives, least=0)
        if self.learning_starts > self.replay_capacity:
            raise InvalidParameter(
                f"{owner}: learning_starts must be at most replay_capacity, "
                f"{self.replay_capacity}, or nothing is ever learned; got {self.learning_starts}."
            )
        for name in ("discount_factor", "epsilon"):
            setattr(self, name, check_between(owner, name, getattr(self, name), 0, 1))
        self.recent_decay = check_between(owner, "recent_decay", self.recent_decay, 0, 1)
        self.dropout = check_between(owner, "dropout", self.dropout, 0, 1, high_open=True)
        for name in ("learning_rate", "updates_per_batch"):
            value = check_between(owner, name, getattr(self, name), 0, np.inf, low_open=True)
            setattr(self, name, value)
        for name in ("weight_decay", "negative_weight", "conservative_weight", "annealing"):
            setattr(self, name, check_between(owner, name, getattr(self, name), 0, np.inf))
        named = isinstance(self.network, str)
        if not named or (self.network not in ("numpy", "torch") and ":" not in self.network):
            raise InvalidParameter(
                f"{owner}: network must be 'numpy', 'torch' or 'package.module:ClassName', got "
                f"{self.network!r}."
            )
        for name in ("double", "dueling"):
            setattr(self, name, check_flag(owner, name, getattr(self, name)))
        self.objective = check_choice(owner, "objective", self.objective, OBJECTIVES)
        self.loss = check_choice(owner, "loss", self.loss, LOSSES)

    def _start(self) -> None:
        self.last_change = float("nan")
        self.n_updates = 0
        self._n_logged_updates = 0
        self._n_batches = 0
        self._others_rng = stream(self.seed, self.type_name, "others")
        replay_rng = stream(self.seed, self.type_name, "replay")
        self._replay = ReplayBuffer(self.replay_capacity, replay_rng)
        self._online = self._new_network()
        self._target = self._new_network()
        self._target.copy_from(self._online)

    def _new_network(self) -> QNetwork:
        shape = NetworkShape(**{f.name: getattr(self, f.name) for f in fields(NetworkShape)})
        rng = stream(self.seed, self.type_name, "dropout")
        weights = initial_weights(shape, stream(self.seed, self.type_name, "start"))
        if self.network == "numpy":
            return NumpyQNetwork(shape, weights, rng, weight_decay=self.weight_decay)
        from recloop.models.torch_network import TorchQNetwork  # an extra: loaded when asked for

        return TorchQNetwork(
            shape,
            weights,
            rng,
            weight_decay=self.weight_decay,
            place=None if self.network == "torch" else self.network,
            device=self.device,
        )

    # How it values

    def scores(
        self,
        users: IntArray,
        *,
        context: FloatArray | None = None,
        history: IntArray | None = None,
    ) -> FloatArray:
        """(B, n_items) in float32, as the network computes them."""
        users = self._known(users)
        return self._online.q_values(
            self._states(users, self._histories(users, history), "context", context)
        )

    def _states(
        self, users: IntArray, histories: IntArray, name: str, contexts: FloatArray | None
    ) -> States:
        if self.context_dim == 0:
            return States(users, histories)
        shape = (len(users), self.context_dim)
        if contexts is None:
            return States(users, histories, np.zeros(shape, dtype=np.float32))
        known = incoming.checked_contexts("DQNRecommender", name, contexts, *shape)
        return States(users, histories, known.astype(np.float32))

    # How it learns

    def update_batch(self, transitions: Transitions) -> None:
        """One step of learning from each `batch_size` rows of a log; shown rows are replayed.

        Shown rows join the replay; then `updates_per_batch` steps are made from rows drawn out of
        all that it holds.
        """
        steps = self._completed(self._checked(transitions))
        if len(steps) == 0:
            return
        if steps.feedback == "chosen":
            for start in range(0, len(steps), self.batch_size):
                self._learn_chosen(steps.rows(slice(start, start + self.batch_size)))
            return
        self._replay.push(steps)
        self._n_batches += 1
        if len(self._replay) < self.learning_starts:
            return
        n_due = int(self._n_batches * self.updates_per_batch)
        n_due -= int((self._n_batches - 1) * self.updates_per_batch)
        for _ in range(n_due):
            self._learn_shown(self._replay.sample(self.replay_batch_size))

    def _completed(self, steps: Transitions) -> Transitions:
        """`steps` with everything that a state and a target need, checked."""
        histories = self._fitting(steps.users, steps.histories)
        after = steps.next_histories
        if after is None:
            liked = (steps.rewards > 0)[:, None]
            after = np.where(liked, pushed(histories, steps.items), histories)
        now = self._states(steps.users, histories, "contexts", steps.contexts)
        later = now
        if steps.next_contexts is not None:
            later = self._states(steps.users, histories, "next_contexts", steps.next_contexts)
        discounts = steps.discounts
        if discounts is None:
            discounts = np.full(len(steps), self.discount_factor)
        return Transitions(
            users=steps.users,
            items=steps.items,
            rewards=steps.rewards,
            discounts=discounts,
            histories=histories,
            next_histories=self._fitting(steps.users, after),
            contexts=now.contexts,
            next_contexts=later.contexts,
            feedback=steps.feedback,
        )

    def _fitting(self, users: IntArray, histories: IntArray | None) -> IntArray:
        """(B, n_recent) histories, as they are if they are that already."""
        if histories is not None and histories.shape == (len(users), self.n_recent):
            return histories
        return self._histories(users, histories)

    def _learn_chosen(self, steps: Transitions) -> None:
        rate = self.learning_rate
        if self.annealing > 0:
            rate /= 1.0 + self._n_logged_updates / self.annealing
        self._n_logged_updates += 1
        if self.objective == "cross_entropy":
            self._learn_what_was_taken(steps, rate)
            return
        terms = LossTerms(self.loss, 1.0, self.negative_weight, self.conservative_weight)
        self._fit(steps, terms, rate)

    def _learn_shown(self, steps: Transitions) -> None:
        if self.objective == "cross_entropy":
            self._learn_what_was_taken(steps, self.learning_rate)
        else:
            self._fit(steps, LossTerms(self.loss), self.learning_rate)

    def _learn_what_was_taken(self, steps: Transitions, rate: float) -> None:
        """Cross-entropy over the catalogue of the rows that earned something."""
        earned = steps.rows(np.flatnonzero(steps.rewards > 0))
        if len(earned):
            self._fit(earned, LossTerms(self.loss, 0.0, 0.0, 1.0), rate)

    def _fit(self, steps: Transitions, terms: LossTerms, rate: float) -> None:
        others = self._drawn_others() if terms.asks_for_others else None
        lesson = Lesson(_states_before(steps), steps.items, self._targets(steps, terms), others)
        errors = self._online.fit_step(lesson, terms, rate)
        self.last_change = float(np.abs(errors).mean())
        self.n_updates += 1
        if self.n_updates % self.target_every == 0:
            self._target.copy_from(self._online)

    def _targets(self, steps: Transitions, terms: LossTerms) -> FloatArray:
        """(B,) y; rewards alone where no step has a discount or none is asked for."""
        assert steps.discounts is not None
        if terms.td_weight == 0 or not steps.discounts.any():
            return steps.rewards
        after = _states_after(steps)
        if self.double:
            best = self._online.q_values(after).argmax(axis=1)
            following = self._target.q_taken(after, best)
        else:
            following = self._target.q_values(after).max(axis=1)
        return steps.rewards + steps.discounts * following

    def _drawn_others(self) -> IntArray | None:
        n_drawn = self.n_negatives
        if n_drawn is None:
            n_drawn = 0 if self.n_items <= _LARGEST_WHOLE_CATALOGUE else _SAMPLED_OTHERS
        return self._others_rng.integers(self.n_items, size=n_drawn) if n_drawn else None

    # How it is kept

    def arrays(self) -> dict[str, np.ndarray]:
        """Weights, target weights, Adam's moments and the replay, each under its own prefix."""
        return super().arrays() | {
            f"{part}.{name}": array
            for part, kept in self._parts().items()
            for name, array in kept.items()
        }

    def _parts(self) -> dict[str, dict[str, np.ndarray]]:
        return {
            "online": self._online.arrays(),
            "target": self._target.arrays(),
            "adam": self._online.moments(),
            "replay": self._replay.arrays(),
        }

    def counters(self) -> dict[str, Any]:
        """How far learning is, and where every random stream stands."""
        return {
            "last_change": finite_or_none(self.last_change),
            "n_updates": self.n_updates,
            "n_logged_updates": self._n_logged_updates,
            "n_batches": self._n_batches,
            "streams": {
                "dropout": generator_state(self._online.rng),
                "others": generator_state(self._others_rng),
                "replay": generator_state(self._replay.rng),
            },
        }

    def _set_counters(self, counters: dict[str, Any]) -> None:
        try:
            self.last_change = number_or_nan(counters["last_change"])
            self.n_updates = int(counters["n_updates"])
            self._n_logged_updates = int(counters["n_logged_updates"])
            self._n_batches = int(counters["n_batches"])
            streams = {
                name: restored_generator(state) for name, state in counters["streams"].items()
            }
            self._online.rng = streams["dropout"]
            self._others_rng = streams["others"]
            self._replay.rng = streams["replay"]
        except (KeyError, TypeError, ValueError) as error:
            raise DamagedFile(f"DQNRecommender: bad counters ({error}).") from None

    def _take(self, path: str | Path, arrays: dict[str, np.ndarray]) -> None:
        found: dict[str, dict[str, np.ndarray]] = {part: {} for part in self._parts()}
        for name in [name for name in arrays if name.partition(".")[0] in found]:
            part, _, short = name.partition(".")
            found[part][short] = arrays.pop(name)
        super()._take(path, arrays)
        for part, wanted in self._parts().items():
            if part != "replay":
                self._fits(path, part, found[part], wanted)
        self._online.take(found["online"], found["adam"])
        self._target.take(found["target"], {})
        if found["replay"]:
            self._take_replay(path, found["replay"])

    def _take_replay(self, path: str | Path, found: dict[str, np.ndarray]) -> None:
        n_seen = int(found.get("n_seen", np.array(0)).max())
        n_rows = min(max(n_seen, 0), self.replay_capacity)
        nobody = np.zeros(n_rows, dtype=np.int64)
        blank = self._completed(Transitions(nobody, nobody, np.zeros(n_rows)))
        template = ReplayBuffer(max(n_rows, 1), self._replay.rng)
        template.push(blank)
        self._fits(path, "replay", found, template.arrays())
        self._replay.take(found)
        try:
            self._checked(self._replay.everything())
        except InvalidParameter as error:
            raise DamagedFile(f"{path}: its replayed steps are damaged ({error})") from None

    def _fits(
        self,
        path: str | Path,
        part: str,
        found: dict[str, np.ndarray],
        wanted: dict[str, np.ndarray],
    ) -> None:
        for name in wanted.keys() | found.keys():
            if name not in wanted:
                raise DamagedFile(f"{path}: has an array '{part}.{name}' that the model lacks.")
            if name not in found:
                raise DamagedFile(f"{path}: lacks the array '{part}.{name}'.")
            self._same_shape(path, f"{part}.{name}", found[name], wanted[name].shape)


def _states_before(steps: Transitions) -> States:
    assert steps.histories is not None
    return States(steps.users, steps.histories, steps.contexts)


def _states_after(steps: Transitions) -> States:
    assert steps.next_histories is not None
    return States(steps.users, steps.next_histories, steps.next_contexts)
