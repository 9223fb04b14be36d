"""Two networks, one architecture: numpy agrees with autograd; modules of one's own are taken."""

import subprocess
import sys
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from recloop.errors import InvalidParameter, MissingExtra
from recloop.models import DQNRecommender
from recloop.models.q_network.contract import Lesson, LossTerms, NetworkShape, States
from recloop.models.q_network.numpy_network import NumpyQNetwork
from recloop.models.q_network.weights import initial_weights
from recloop.models.torch_network import TorchQNetwork
from recloop.testing import CHECKS
from recloop.testing.samples import sample_moment, sample_steps, saved_bytes, teach
from recloop.utils.seeding import stream


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


BASE = NetworkShape(6, 9, embedding_dim=5, hidden=(7,), n_recent=3)
SHAPES = [
    replace(BASE, hidden=hidden, context_dim=context_dim, dueling=dueling, dropout=dropout)
    for hidden, context_dim, dueling, dropout in product(
        [(), (7,), (7, 6)], [0, 2], [False, True], [0.0, 0.3]
    )
] + [replace(BASE, n_recent=0), replace(BASE, recent_decay=1.0), replace(BASE, recent_decay=0.0)]
WEIGHINGS = [
    (1.0, 0.0, 0.0),
    (1.0, 30.0, 0.0),
    (1.0, 0.0, 10.0),
    (1.0, 5.0, 2.0),
    (0.0, 0.0, 1.0),
]
LOSSES = [LossTerms(kind, *weights) for kind, weights in product(["squared", "huber"], WEIGHINGS)]


def in_words(shape: NetworkShape) -> str:
    names = ("hidden", "context_dim", "n_recent", "recent_decay", "dueling", "dropout")
    return ",".join(f"{name}={getattr(shape, name)}" for name in names)


def pair(shape, rng, dtype) -> tuple[NumpyQNetwork, TorchQNetwork]:
    """The two networks with the same weights, far from their start, and the same dropout."""
    weights = {
        name: (array + 0.3 * rng.standard_normal(array.shape)).astype(dtype)
        for name, array in initial_weights(shape, rng).items()
    }
    made = [
        network(shape, weights, stream(0, "dropout"), weight_decay=0.1)
        for network in (NumpyQNetwork, TorchQNetwork)
    ]
    return made[0], made[1]


def lesson_for(shape: NetworkShape, rng, others) -> Lesson:
    """Distinct people and items, so that no two clipped errors cancel but for rounding."""
    states = States(
        rng.permutation(shape.n_users)[:5],
        rng.integers(-1, shape.n_items, size=(5, shape.n_recent)),
        rng.standard_normal((5, shape.context_dim)) if shape.context_dim else None,
    )
    items = rng.permutation(shape.n_items)[:5]
    return Lesson(states, items, 2 * rng.standard_normal(5), others)


@pytest.mark.parametrize("others", [None, [1, 4, 4, 8]], ids=["all others", "others drawn"])
@pytest.mark.parametrize("shape", SHAPES, ids=in_words)
def test_gradients_agree_with_autograd(shape, others, rng):
    drawn = None if others is None else np.array(others)
    for terms in LOSSES:
        ours, theirs = pair(shape, rng, np.float32)
        lesson = lesson_for(shape, rng, drawn)
        our_errors, gradient = ours.gradients(lesson, terms)
        their_errors = theirs.gradients(lesson, terms)
        assert np.abs(our_errors - their_errors).max() < 1e-5
        for name, weights in theirs.module.named_parameters():
            found = np.zeros(weights.shape) if weights.grad is None else weights.grad.numpy()
            scale = max(1.0, np.abs(found).max())
            assert np.abs(gradient[name] - found).max() < 1e-5 * scale, (name, terms)


@pytest.mark.parametrize("others", [None, [1, 4, 4, 8]], ids=["all others", "others drawn"])
@pytest.mark.parametrize("shape", SHAPES, ids=in_words)
def test_weights_agree_after_several_steps(shape, others, rng):
    """In float64: Adam turns a gradient that is zero but for rounding into a whole step."""
    drawn = None if others is None else np.array(others)
    for terms in LOSSES:
        ours, theirs = pair(shape, rng, np.float64)
        for _ in range(3):
            lesson = lesson_for(shape, rng, drawn)
            our_errors = ours.fit_step(lesson, terms, 0.01)
            assert our_errors == pytest.approx(theirs.fit_step(lesson, terms, 0.01), abs=1e-5)
        of_no_gradient = {"value", "value_bias"} if terms.td_weight == 0 else set()
        their_arrays = theirs.arrays()
        for name in ours.arrays().keys() - of_no_gradient:
            assert np.abs(ours.arrays()[name] - their_arrays[name]).max() < 1e-5, (name, terms)
        for name, array in ours.moments().items():
            assert array == pytest.approx(theirs.moments()[name], abs=1e-5), (name, terms)


@pytest.mark.parametrize("shape", SHAPES, ids=in_words)
def test_values_agree(shape, rng):
    ours, theirs = pair(shape, rng, np.float32)
    lesson = lesson_for(shape, rng, None)
    assert np.abs(ours.q_values(lesson.states) - theirs.q_values(lesson.states)).max() < 1e-5
    taken = theirs.q_taken(lesson.states, lesson.items)
    assert np.abs(ours.q_taken(lesson.states, lesson.items) - taken).max() < 1e-5


@pytest.mark.parametrize("params", [{}, {"dueling": True, "double": False, "loss": "huber"}])
def test_a_model_learns_the_same_over_both_networks(params):
    models = [
        DQNRecommender(
            8, 7, embedding_dim=4, hidden=(6,), target_every=3, network=network, **params
        )
        for network in ("numpy", "torch")
    ]
    for model in models:
        teach(model, sample_steps(model, 320))
        assert model.n_updates == 10
    moment = sample_moment(models[0], 8)
    ours, theirs = (model.scores(moment.users, **moment.given) for model in models)
    assert np.abs(ours - theirs).max() < 1e-4
    assert models[0].last_change == pytest.approx(models[1].last_change, abs=1e-4)


class MeanOfRecent(nn.Module):
    """A small network of one's own: what was taken lately, dropped out at random, times a table."""

    def __init__(self, n_users: int, n_items: int, n_recent: int, context_dim: int) -> None:
        super().__init__()
        self.recent = nn.Embedding(n_items + 1, 8, padding_idx=0)
        self.person = nn.Embedding(n_users, 8)
        self.dropout = nn.Dropout(0.5)
        self.norm = nn.BatchNorm1d(8)
        self.context = nn.Linear(max(context_dim, 1), 8)
        self.head = nn.Linear(8, n_items)

    def forward(self, users, histories, contexts):
        hidden = self.recent(histories + 1).sum(dim=1) + self.person(users)
        if contexts is not None:
            hidden = hidden + self.context(contexts)
        return self.head(self.dropout(self.norm(hidden)))


class NotAModule:
    """Something that must not be called."""


OWN = f"{__name__}:MeanOfRecent"


KEEPING = ["a saved model comes back whole", "interrupted training continues the same"]


@pytest.mark.parametrize(
    ("network", "sentence"),
    [*(("torch", sentence) for sentence in KEEPING), *((OWN, sentence) for sentence in CHECKS)],
)
def test_a_model_over_torch_keeps_the_contract(network, sentence):
    CHECKS[sentence](
        lambda seed: DQNRecommender(
            12,
            10,
            seed=seed,
            epsilon=0.2,
            network=network,
            learning_rate=0.02,
            context_dim=2,
            embedding_dim=4,
            hidden=(6,),
            updates_per_batch=0.5,
        )
    )


def test_rows_of_embeddings_without_a_gradient_keep_still_and_no_others(rng):
    network = TorchQNetwork(BASE, {}, stream(0, "dropout"), place=OWN)
    first = lesson_for(BASE, rng, None)
    network.fit_step(first, LossTerms("squared"), 0.1)
    before = network.arrays()
    users = np.array([first.states.users[0], first.states.users[1]])
    states = States(users, first.states.histories[:2])
    second = Lesson(states, first.items[:2], np.ones(2))
    network.fit_step(second, LossTerms("squared"), 0.1)
    after = network.arrays()
    moved = (after["person.weight"] != before["person.weight"]).any(axis=1)
    assert set(np.flatnonzero(moved)) == set(users.tolist())
    # the head is no embedding: all that moved in the first step goes on by its moments
    moved = after["head.bias"] != before["head.bias"]
    assert set(np.flatnonzero(moved)) == set(first.items.tolist())
    assert np.array_equal(after["context.weight"], before["context.weight"])


def test_torch_draws_from_our_streams_and_leaves_its_own_alone():
    torch.manual_seed(5)
    expected = torch.random.get_rng_state()
    models = [DQNRecommender(8, 7, network=OWN, seed=3) for _ in range(2)]
    for model in models:
        teach(model, sample_steps(model, 96))
    assert torch.equal(torch.random.get_rng_state(), expected)
    torch.manual_seed(6)
    assert saved_bytes(models[0]) == saved_bytes(models[1])
    other = DQNRecommender(8, 7, network=OWN, seed=4)
    names = [name for name in other.arrays() if name.endswith("head.weight")]
    assert not np.array_equal(other.arrays()[names[0]], models[0].arrays()[names[0]])


def test_a_file_holds_plain_arrays_by_the_names_of_the_module():
    model = DQNRecommender(8, 7, network=OWN)
    names = model.arrays().keys()
    assert {"online.head.weight", "target.norm.running_mean", "adam.first.head.bias"} <= names
    assert all(type(array) is np.ndarray for array in model.arrays().values())


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ("no_such_package:Net", "no network at 'no_such_package:Net'"),
        (f"{__name__}:NoSuchClass", "no network at"),
        (":Net", "no network at"),
        (f"{__name__}:NotAModule", "must be a subclass of torch.nn.Module, got .*NotAModule"),
        (f"{__name__}:in_words", "must be a subclass of torch.nn.Module"),
        ("tensorflow", "network must be 'numpy', 'torch' or 'package.module:ClassName', got"),
    ],
)
def test_what_is_no_network_is_refused(network, message):
    with pytest.raises(InvalidParameter, match=message):
        DQNRecommender(3, 4, network=network)


def test_without_torch_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "recloop.models.torch_network")
    with pytest.raises(MissingExtra, match=r"pip install 'recloop\[torch\]'"):
        DQNRecommender(3, 4, network="torch")


def test_the_default_network_loads_no_torch():
    code = (
        "import sys; from recloop.models import DQNRecommender; "
        "DQNRecommender(3, 4).update(0, 1, 1.0); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
