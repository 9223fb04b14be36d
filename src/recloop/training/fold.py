"""A policy as a function of a log: the state after the first n records, whoever showed the items.

`fold` teaches a model every slot that has a reward, decision by decision in the order of the log,
so that the state depends on the prefix alone and not on how it was cut into batches. Bandits learn
whole slates by their click model; other models learn each slot as a step that nothing follows.
"""

from typing import Any

import numpy as np

from recloop.errors import InvalidParameter
from recloop.types import LoggedDecisions, Transitions
from recloop.utils.checks import check_count

_AT_ONCE = 4096


def fold(model: Any, decisions: LoggedDecisions, *, batch: int = _AT_ONCE) -> Any:
    """`model` after it learned from `decisions`; contexts are passed where the model takes them.

    Decisions that were prepared only (`activated` False) and slots without a known reward teach
    nothing. batch: decisions that are handed over at once.
    """
    batch = check_count("fold", "batch", batch)
    rewards = _rewards(decisions)
    for start in range(0, len(decisions), batch):
        rows = slice(start, start + batch)
        _learn(model, decisions.rows(rows), decisions.offsets[start], rewards)
    return model


def _rewards(decisions: LoggedDecisions) -> np.ndarray:
    """(m,) reward of every slot, NaN where it teaches nothing."""
    if decisions.rewards is None:
        return np.full(len(decisions.items), np.nan)
    return np.where(decisions.activated[decisions.owners], decisions.rewards, np.nan)


def _learn(model: Any, part: LoggedDecisions, first: int, rewards: np.ndarray) -> None:
    earned = rewards[first : first + len(part.items)]
    context = contexts_for(model, part)
    if hasattr(model, "update_slates"):
        model.update_slates(
            part.users,
            part.padded(part.items, -1),
            part.padded(earned, np.nan),
            context=context,
            propensities=part.padded(part.propensities, 1.0),
        )
        return
    known = np.isfinite(earned)
    owners = part.owners[known]
    model.update_batch(
        Transitions(
            users=part.users[owners],
            items=part.items[known],
            rewards=earned[known],
            discounts=np.zeros(len(owners)),
            contexts=None if context is None else context[owners],
        )
    )


def contexts_for(model: Any, decisions: LoggedDecisions) -> np.ndarray | None:
    """The contexts of the log where both it and the model have one."""
    width = 0 if decisions.contexts is None else decisions.contexts.shape[1]
    return decisions.contexts if takes_context(model, width) else None


def takes_context(model: Any, width: int) -> bool:
    """Whether `model` is given contexts of `width` numbers, 0 for none; it must be its own width.

    A model that would go without what there is to see learns of nobody, and says nothing of it.
    """
    own = getattr(model, "context_dim", 0)
    if own and width and own != width:
        raise InvalidParameter(
            f"{type(model).__name__}: context_dim must be {width}, the width of the contexts that "
            f"it is given, got {own}. Build the model with context_dim={width}."
        )
    return own > 0 and width > 0
