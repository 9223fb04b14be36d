"""Q networks of PyTorch: the default architecture, or any `torch.nn.Module` of one's own.

The only module that imports torch; it comes with the extra `recloop[torch]`. A module of one's own
is named "package.module:ClassName" and is called

    module = ClassName(n_users, n_items, n_recent, context_dim)
    q = module(users, histories, contexts)

with long tensors users (B,) and histories (B, n_recent), newest first and padded with -1, and float
contexts (B, context_dim), None where context_dim is 0; q is (B, n_items). It is made and trained
with torch's random numbers seeded from the model's own streams, and put into `train()` for a step
and into `eval()` for looking.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recloop.errors import InvalidParameter, MissingExtra
from recloop.models.adam import EPSILON, FIRST_DECAY, SECOND_DECAY, StepSize, step_size
from recloop.models.q_network.contract import (
    Lesson,
    LossTerms,
    NetworkShape,
    States,
    Weights,
)
from recloop.models.q_network.weights import TABLES, dropout_masks
from recloop.types import IntArray

try:
    import torch
    from torch import Tensor, nn
    from torch.nn import functional
except ImportError as error:
    raise MissingExtra(
        "The torch network needs PyTorch, which is not installed. "
        "Install it with: pip install 'recloop[torch]', or use network='numpy'."
    ) from error


class DefaultModule(nn.Module):
    """The architecture of `q_network.contract`, for autograd."""

    def __init__(self, shape: NetworkShape, weights: Weights) -> None:
        super().__init__()
        self.shape = shape
        for name, array in weights.items():
            self.register_parameter(name, nn.Parameter(torch.from_numpy(array.copy())))

    def forward(
        self, users: Tensor, histories: Tensor, contexts: Tensor | None, masks: list[Tensor]
    ) -> Tensor:
        """(B, n_items) values; masks: of `dropout_masks`, empty for none."""
        size = self.shape.embedding_dim
        items = self.get_parameter("items")
        embeddings, biases = items[:, :size], items[:, size]
        recent = self._recent_mean(histories, embeddings)
        of_users = self.get_parameter("users")[users]
        parts = [of_users, recent, *([] if contexts is None else [contexts])]
        x = torch.cat(parts, dim=1)
        last = x
        for number in range(len(self.shape.layers)):
            last = functional.relu(x) if number > 0 else x
            if masks:
                last = last * masks[number]
            x = last @ self.get_parameter(f"layer_{number}")
            x = x + self.get_parameter(f"layer_{number}_bias")
        values = (x + recent) @ embeddings.T + biases
        if not self.shape.dueling:
            return values
        of_state = last @ self.get_parameter("value") + self.get_parameter("value_bias")
        return of_state[:, None] + values - values.mean(dim=1, keepdim=True)

    def _recent_mean(self, histories: Tensor, embeddings: Tensor) -> Tensor:
        places = torch.arange(histories.shape[1], device=embeddings.device)
        weights = (histories >= 0) * self.shape.recent_decay ** places.to(embeddings.dtype)
        totals = weights.sum(dim=1, keepdim=True)
        weights = weights / torch.where(totals > 0, totals, torch.ones_like(totals))
        return (weights[:, :, None] * embeddings[histories.clamp(min=0)]).sum(dim=1)


class TorchQNetwork:
    """A Q network of PyTorch; `recloop.models.q_network.contract` says what each method promises.

    place: None for the default architecture, or where the class of a module stands.
    device: where torch computes; "cpu" gives the same bytes every time.
    """

    def __init__(
        self,
        shape: NetworkShape,
        weights: Weights,
        rng: np.random.Generator,
        *,
        weight_decay: float = 0.0,
        place: str | None = None,
        device: str = "cpu",
    ) -> None:
        self.shape = shape
        self.rng = rng
        self.weight_decay = weight_decay
        self.device = torch.device(device)
        self.n_steps = 0
        self._is_default = place is None
        module = DefaultModule(shape, weights) if place is None else self._made(place)
        self.module = module.to(self.device)
        self._dtype = next(self.module.parameters()).dtype
        self._tables = set(TABLES) if place is None else _embedding_names(module)
        self._moments: dict[str, tuple[Tensor, Tensor]] = {}

    def _made(self, place: str) -> nn.Module:
        made = _module_class(place)
        shape = self.shape
        with self._seeded():
            return made(shape.n_users, shape.n_items, shape.n_recent, shape.context_dim)

    @contextmanager
    def _seeded(self) -> Iterator[None]:
        """Torch's own generator set from ours for a while, then given back as it was."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(self.rng.integers(2**63)))
            yield

    # How it values

    def q_values(self, states: States) -> NDArray:
        self.module.eval()
        with torch.no_grad():
            return self._values(states, []).cpu().numpy()

    def q_taken(self, states: States, items: IntArray) -> NDArray:
        return self.q_values(states)[np.arange(len(items)), items]

    def _values(self, states: States, masks: list[NDArray]) -> Tensor:
        contexts = states.contexts
        inputs = (
            self._tensor(states.users),
            self._tensor(states.histories),
            None if contexts is None else self._tensor(contexts).to(self._dtype),
        )
        if self._is_default:
            return self.module(*inputs, [self._tensor(mask) for mask in masks])
        return self.module(*inputs)

    def _tensor(self, array: NDArray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

    # How it learns

    def fit_step(self, lesson: Lesson, terms: LossTerms, learning_rate: float) -> NDArray:
        errors = self.gradients(lesson, terms)
        self.n_steps += 1
        by = step_size(learning_rate, self.weight_decay, self.n_steps)
        with torch.no_grad():
            for name, weights in self.module.named_parameters():
                if weights.grad is not None:
                    self._descend(name, weights, by)
        return errors

    def gradients(self, lesson: Lesson, terms: LossTerms) -> NDArray:
        """Q minus target (B,); every parameter's `grad` is dL/dw."""
        self.module.train()
        self.module.zero_grad()
        if self._is_default:
            masks = dropout_masks(self.shape, len(lesson.items), self.rng)
            values = self._values(lesson.states, masks)
        else:
            with self._seeded():
                values = self._values(lesson.states, [])
        errors, loss = self._loss(values, lesson, terms)
        loss.backward()
        return errors.detach().cpu().numpy()

    def _loss(self, values: Tensor, lesson: Lesson, terms: LossTerms) -> tuple[Tensor, Tensor]:
        """Q minus target (B,), and L of `q_network.loss`."""
        items = self._tensor(lesson.items)[:, None]
        taken = values.gather(1, items)[:, 0]
        errors = taken - self._tensor(lesson.targets).to(taken.dtype)
        loss = terms.td_weight * _penalty(errors, terms.kind).mean()
        if not terms.asks_for_others:
            return errors, loss
        n_items = self.shape.n_items
        codes = np.arange(n_items) if lesson.others is None else lesson.others
        others = self._tensor(codes)[None]
        q_others, is_taken = values[:, others[0]], others == items
        per_drawn = n_items / len(codes)
        pulls = _penalty(q_others, terms.kind).masked_fill(is_taken, 0.0).sum(dim=1)
        loss = loss + terms.negative_weight * per_drawn / (n_items - 1) * pulls.mean()
        counted = q_others.masked_fill(is_taken, -torch.inf) + float(np.log(per_drawn))
        total = torch.cat([taken[:, None], counted], dim=1).logsumexp(dim=1)
        return errors, loss + terms.conservative_weight * (total - taken).mean()

    def _descend(self, name: str, weights: Tensor, by: StepSize) -> None:
        """One step of `adam`; rows of embeddings without a gradient keep still."""
        gradient = weights.grad
        assert gradient is not None
        first, second = self._moments_of(name, weights)
        new_first = FIRST_DECAY * first + (1.0 - FIRST_DECAY) * gradient
        new_second = SECOND_DECAY * second + (1.0 - SECOND_DECAY) * gradient * gradient
        step = by.rate * new_first / ((new_second * by.second_correction).sqrt() + EPSILON)
        moved = by.kept * weights - step
        if name in self._tables:
            moves = (gradient != 0).any(dim=1, keepdim=True)
            moved = torch.where(moves, moved, weights)
            new_first = torch.where(moves, new_first, first)
            new_second = torch.where(moves, new_second, second)
        weights.copy_(moved)
        self._moments[name] = (new_first, new_second)

    def _moments_of(self, name: str, weights: Tensor) -> tuple[Tensor, Tensor]:
        if name not in self._moments:
            zeros = torch.zeros_like(weights, requires_grad=False)
            self._moments[name] = (zeros, zeros.clone())
        return self._moments[name]

    # How it is kept

    def copy_from(self, other: "TorchQNetwork") -> None:
        self.module.load_state_dict(other.module.state_dict())

    def arrays(self) -> Weights:
        return {
            name: tensor.detach().cpu().numpy().copy()
            for name, tensor in self.module.state_dict().items()
        }

    def moments(self) -> Weights:
        kept: Weights = {"n_steps": np.array(self.n_steps)}
        for name, weights in self.module.named_parameters():
            first, second = self._moments_of(name, weights)
            kept[f"first.{name}"] = first.cpu().numpy().copy()
            kept[f"second.{name}"] = second.cpu().numpy().copy()
        return kept

    def take(self, weights: Weights, moments: Weights) -> None:
        self.module.load_state_dict({name: self._copied(array) for name, array in weights.items()})
        self.n_steps = int(moments["n_steps"]) if moments else 0
        self._moments = {
            name: (self._copied(moments[f"first.{name}"]), self._copied(moments[f"second.{name}"]))
            for name, _ in self.module.named_parameters()
            if moments
        }

    def _copied(self, array: NDArray) -> Tensor:
        return torch.from_numpy(np.array(array)).to(self.device)


def _penalty(errors: Tensor, kind: str) -> Tensor:
    """l of `q_network.loss`."""
    zeros = torch.zeros_like(errors)
    if kind == "huber":
        return functional.huber_loss(errors, zeros, reduction="none", delta=1.0)
    return 0.5 * errors * errors


def _embedding_names(module: nn.Module) -> set[str]:
    """The parameters of `module` that are tables of embeddings."""
    tables = {id(part.weight) for part in module.modules() if isinstance(part, nn.Embedding)}
    return {name for name, weights in module.named_parameters() if id(weights) in tables}


def _module_class(place: str) -> Any:
    """The class of a module by "package.module:ClassName"; nothing else is ever called."""
    module_name, _, class_name = place.partition(":")
    try:
        found = getattr(import_module(module_name), class_name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InvalidParameter(
            f"DQNRecommender: no network at '{place}' ({error}). It must be 'numpy', 'torch', or "
            "'package.module:ClassName' of a torch.nn.Module that can be imported."
        ) from error
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise InvalidParameter(
            f"DQNRecommender: network '{place}' must be a subclass of torch.nn.Module, "
            f"got {found!r}."
        )
    return found
