"""The small world of the contract checks: a log, steps, moments to ask at, and models taught by it.

Everybody likes one item best; everything else is noise. Sizes are the model's own.
"""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recloop.types import FloatArray, IntArray, Interactions, Transitions
from recloop.utils.history import pushed
from recloop.utils.seeding import stream

MakeModel = Callable[[int], Any]
"""A fresh, untaught model from a seed; everything else about it is up to whoever writes it."""

LEAST_USERS, LEAST_ITEMS = 4, 6
_STEPS_AT_ONCE = 32


class ContractBroken(AssertionError):
    """A model does not keep a promise of the contract; the message says which and how."""


def require(holds: Any, message: str) -> None:
    """Raise `ContractBroken` unless it holds; unlike `assert`, also under `python -O`."""
    if not holds:
        raise ContractBroken(message)


def fresh(make_model: MakeModel, seed: int = 0) -> Any:
    """A model of the factory, large enough for the checks."""
    model = make_model(seed)
    require(
        model.n_users >= LEAST_USERS and model.n_items >= LEAST_ITEMS,
        f"the checks need a model of at least {LEAST_USERS} users and {LEAST_ITEMS} items, "
        f"make_model gave {model.n_users} and {model.n_items}",
    )
    require(model.seed == seed, f"make_model({seed}) must pass its seed on, got {model.seed}")
    return model


def taught(make_model: MakeModel, seed: int = 0, n_steps: int = 512) -> Any:
    """A model that saw the sample log if it is fitted, or sample steps if it is taught."""
    model = fresh(make_model, seed)
    if model.learns == "fit":
        return model.fit(sample_log(model.n_users, model.n_items))
    teach(model, sample_steps(model, n_steps))
    return model


def teach(model: Any, steps: Transitions) -> None:
    """Give the steps to the model, a small batch at a time."""
    for start in range(0, len(steps), _STEPS_AT_ONCE):
        model.update_batch(steps.rows(slice(start, start + _STEPS_AT_ONCE)))


def liked_item(n_items: int) -> int:
    """The item that everybody likes: not the first, which ties go to, nor the last."""
    return n_items - 2


def sample_log(n_users: int, n_items: int) -> Interactions:
    """Everyone took the liked item, another, the liked one, another, the liked one, another."""
    liked = liked_item(n_items)
    others = np.delete(np.arange(n_items), liked)
    stride = len(others) // 3
    picks = (np.arange(n_users)[:, None] + stride * np.arange(3)) % len(others)
    items = np.full((n_users, 6), liked, dtype=np.int64)
    items[:, 1::2] = others[picks]
    n_rows = items.size
    return Interactions(
        users=np.repeat(np.arange(n_users), 6),
        items=items.ravel(),
        weights=np.tile([5.0, 1.0, 4.0, 2.0, 5.0, 3.0], n_users),
        timestamps=np.arange(n_rows, dtype=np.float64),
        n_users=n_users,
        n_items=n_items,
    )


def sample_steps(model: Any, n_steps: int, seed: int = 0) -> Transitions:
    """Steps of people who are shown anything; the liked item earns 1 nine times in ten, others 0.

    Each step ends its session, so that values are mean rewards.
    """
    rng = stream(seed, "sample steps")
    moment = sample_moment(model, n_steps, seed + 1)
    items = rng.integers(model.n_items, size=n_steps)
    is_liked = items == liked_item(model.n_items)
    rewards = (rng.random(n_steps) < np.where(is_liked, 0.9, 0.05)).astype(np.float64)
    histories = moment.history
    if histories is None:
        histories = np.empty((n_steps, 0), dtype=np.int64)
    return Transitions(
        users=moment.users,
        items=items,
        rewards=rewards,
        discounts=np.zeros(n_steps),
        histories=histories,
        next_histories=np.where(rewards[:, None] > 0, pushed(histories, items), histories),
        next_items=rng.integers(model.n_items, size=n_steps),
        contexts=moment.context,
        next_contexts=moment.context,
    )


@dataclass(frozen=True)
class Moment:
    """Who is asked for, and what is passed along: None for what the model does not use."""

    users: IntArray  # (B,)
    history: IntArray | None  # (B, history_length), some padded
    context: FloatArray | None  # (B, context_dim)

    @property
    def given(self) -> dict[str, Any]:
        """The keyword arguments of a batched call."""
        return {"history": self.history, "context": self.context}

    def rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Each user with the keyword arguments of a single call."""
        for row, user in enumerate(self.users):
            history = None if self.history is None else self.history[row]
            context = None if self.context is None else self.context[row]
            yield int(user), {"history": history, "context": context}


def sample_moment(model: Any, n_rows: int, seed: int = 0) -> Moment:
    """Random people with histories and contexts of the widths that the model declares."""
    rng = stream(seed, "sample moment")
    width, context_dim = model.history_length, getattr(model, "context_dim", 0)
    history = rng.integers(model.n_items, size=(n_rows, width))
    n_known = rng.integers(width + 1, size=(n_rows, 1))
    return Moment(
        users=rng.integers(model.n_users, size=n_rows),
        history=np.where(np.arange(width) < n_known, history, -1) if width else None,
        context=rng.random((n_rows, context_dim)) if context_dim else None,
    )


def saved_bytes(model: Any) -> bytes:
    """Everything that a model keeps, as the bytes of its file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.npz"
        model.save(path)
        return path.read_bytes()


def learned_state(model: Any) -> tuple[dict[str, bytes], dict[str, Any]]:
    """What a model has learned, without the state of its random stream."""
    return {name: value.tobytes() for name, value in model.arrays().items()}, model.counters()


def plain_arrays(model: Any) -> dict[str, np.ndarray]:
    """The learned arrays; one of records becomes an array for each of its columns."""
    plain = {}
    for name, array in model.arrays().items():
        if array.dtype.names is None:
            plain[name] = array
        else:
            plain |= {f"{name}.{column}": array[column] for column in array.dtype.names}
    return plain


def close(first: np.ndarray, second: np.ndarray) -> bool:
    """Equal up to the rounding of a matrix product in another order.

    1e-9 of the largest number for float64, 1e-4 for float32.
    """
    if first.dtype.names is not None:  # records: field by field
        return first.dtype == second.dtype and all(
            close(first[name], second[name]) for name in first.dtype.names
        )
    share = 1e-4 if np.float32 in (first.dtype.type, second.dtype.type) else 1e-9
    known = np.abs(first[np.isfinite(first)])  # empty places of a table may be infinite
    scale = max(known.max(initial=0.0), 1e-30)
    return first.shape == second.shape and np.allclose(
        first, second, rtol=share, atol=share * scale
    )
