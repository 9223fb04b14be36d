"""What every recommender promises about the items it names."""

from typing import Any

import numpy as np

from recloop.testing.samples import (
    MakeModel,
    close,
    fresh,
    require,
    sample_moment,
    taught,
)
from recloop.utils.topk import top_k

_MANY = 12


def scores_are_finite_and_one_for_each_pair(make_model: MakeModel) -> None:
    """(B, n_items) finite numbers, before and after learning, for no user and for many."""
    for model in (fresh(make_model), taught(make_model)):
        for n_rows in (0, 1, _MANY):
            moment = sample_moment(model, n_rows)
            for given in (moment.given, {"context": moment.context}):
                scores = model.scores(moment.users, **given)
                require(
                    scores.shape == (n_rows, model.n_items),
                    f"scores of {n_rows} users must have shape ({n_rows}, {model.n_items}), got "
                    f"{scores.shape}",
                )
                require(np.isfinite(scores).all(), "scores must be finite numbers")


def recommends_k_distinct_known_items(make_model: MakeModel) -> None:
    """Lists of k Python ints within the catalogue, none twice; batches as (B, k) int64."""
    model = taught(make_model)
    moment = sample_moment(model, _MANY)
    for k in (1, 3, model.n_items):
        for explore in (False, True):
            for user, given in moment.rows():
                _require_distinct(model, model.recommend(user, k, explore=explore, **given), k)
            batch = model.recommend_batch(moment.users, k, explore=explore, **moment.given)
            require(
                batch.shape == (_MANY, k) and batch.dtype == np.int64,
                f"a batch must be ({_MANY}, {k}) of int64, got {batch.shape} of {batch.dtype}",
            )
            for row in batch.tolist():
                _require_distinct(model, row, k)


def _require_distinct(model: Any, items: list[int], k: int) -> None:
    known = all(type(item) is int and 0 <= item < model.n_items for item in items)
    require(
        known and len(items) == len(set(items)) == k,
        f"asked for {k} of {model.n_items} items, got {items}",
    )


def a_k_beyond_the_catalogue_gives_every_item_once(make_model: MakeModel) -> None:
    """A single list is shorter, a batch ends in -1; nothing is repeated to fill it."""
    model = taught(make_model)
    moment = sample_moment(model, 2)
    k = model.n_items + 3
    everything = list(range(model.n_items))
    for explore in (False, True):
        user, given = next(moment.rows())
        alone = model.recommend(user, k, explore=explore, **given)
        require(sorted(alone) == everything, f"k = {k} must give every item once, got {alone}")
        batch = model.recommend_batch(moment.users, k, explore=explore, **moment.given)
        for row in batch.tolist():
            require(
                sorted(row[:-3]) == everything and row[-3:] == [-1] * 3,
                f"k = {k} must give every item once and then -1, got {row}",
            )


def the_best_items_come_first(make_model: MakeModel) -> None:
    """Without exploration items stand in the order of `scores`, ties to the lower code."""
    for model in (fresh(make_model), taught(make_model)):
        moment = sample_moment(model, _MANY)
        scores = model.scores(moment.users, **moment.given)
        batch = model.recommend_batch(moment.users, 5, explore=False, **moment.given)
        require(
            np.array_equal(batch, top_k(scores, 5)),
            "recommend_batch(explore=False) must rank by scores, ties to the lower code",
        )


def a_batch_answers_like_its_rows(make_model: MakeModel) -> None:
    """Asking for many at once gives what asking one by one gives, up to rounding."""
    for model in (fresh(make_model), taught(make_model)):
        moment = sample_moment(model, _MANY)
        scores = model.scores(moment.users, **moment.given)
        chances = model.probabilities(moment.users, **moment.given)
        batch = model.recommend_batch(moment.users, 5, explore=False, **moment.given)
        for row, (user, given) in enumerate(moment.rows()):
            alone = model.scores(moment.users[row : row + 1], **_batch_of_one(given))[0]
            require(close(scores[row], alone), f"scores of user {user} alone and in a batch differ")
            chance = model.probabilities(moment.users[row : row + 1], **_batch_of_one(given))[0]
            require(
                close(chances[row], chance),
                f"probabilities of user {user} are {np.round(chance, 4).tolist()} alone and "
                f"{np.round(chances[row], 4).tolist()} in a batch",
            )
            items = model.recommend(user, 5, explore=False, **given)
            require(
                close(alone[items], alone[batch[row]]),
                f"user {user} gets {items} alone and {batch[row].tolist()} in a batch",
            )


def _batch_of_one(given: dict[str, Any]) -> dict[str, Any]:
    return {name: None if value is None else value[None] for name, value in given.items()}


def excluded_items_never_appear(make_model: MakeModel) -> None:
    """Each row has exclusions of its own; excluding everything leaves an empty list."""
    model = taught(make_model)
    moment = sample_moment(model, _MANY)
    best = model.recommend_batch(moment.users, 3, explore=False, **moment.given)
    everything = list(range(model.n_items))
    for explore in (False, True):
        batch = model.recommend_batch(
            moment.users, model.n_items, exclude=list(best), explore=explore, **moment.given
        )
        for row, (user, given) in enumerate(moment.rows()):
            gone = best[row].tolist()
            alone = model.recommend(user, model.n_items, exclude=gone, explore=explore, **given)
            left = sorted(set(everything) - set(gone))
            shown = [item for item in batch[row].tolist() if item >= 0]
            require(
                sorted(alone) == left and sorted(shown) == left,
                f"without {gone} the items {left} are left, got {alone} alone and {shown} in a "
                "batch",
            )
        user, given = next(moment.rows())
        nothing = model.recommend(user, 3, exclude=everything, explore=explore, **given)
        require(nothing == [], f"with everything excluded the list must be empty, got {nothing}")


def candidates_are_respected(make_model: MakeModel) -> None:
    """`decide` shows candidates that are not excluded, and nothing else."""
    model = taught(make_model)
    user, given = next(sample_moment(model, 1).rows())
    candidates = [model.n_items - 1, 0, 3]
    for _ in range(20):
        shown = model.decide(user, model.n_items, candidates=candidates, exclude=[3], **given).items
        require(
            sorted(shown.tolist()) == [0, model.n_items - 1],
            f"candidates {candidates} without 3 leave two items, got {shown.tolist()}",
        )


def the_same_seed_recommends_the_same(make_model: MakeModel) -> None:
    """Two models of one seed, taught alike, make the same exploring choices."""
    first, second = taught(make_model, 5), taught(make_model, 5)
    moment = sample_moment(first, _MANY)
    for _ in range(5):
        left = first.recommend_batch(moment.users, 4, **moment.given)
        right = second.recommend_batch(moment.users, 4, **moment.given)
        require(np.array_equal(left, right), "two models of the same seed choose differently")


def another_seed_draws_otherwise(make_model: MakeModel) -> None:
    """Where chance decides, through exploration or initial values, the seed decides chance."""
    first, second = taught(make_model, 5), taught(make_model, 6)
    moment = sample_moment(first, 200)
    if first.exploration_rate > 0:
        left = first.recommend_batch(moment.users, 4, **moment.given)
        right = second.recommend_batch(moment.users, 4, **moment.given)
        require(not np.array_equal(left, right), "seeds 5 and 6 explore alike")
    if getattr(first, "draws", False):
        left, right = (m.scores(moment.users, **moment.given) for m in (first, second))
        require(
            not np.array_equal(left, right), "the model declares draws, yet seeds 5 and 6 agree"
        )


def histories_of_any_length_are_taken(make_model: MakeModel) -> None:
    """What is older than the model looks back is ignored, what is missing counts as unknown."""
    model = taught(make_model)
    moment = sample_moment(model, _MANY)
    width = model.history_length
    history = np.full((_MANY, 0), -1) if moment.history is None else moment.history
    longer = np.concatenate([history, np.zeros((_MANY, 3), dtype=np.int64)], axis=1)
    known = {"context": moment.context}
    require(
        close(
            model.scores(moment.users, history=longer, **known),
            model.scores(moment.users, history=history, **known),
        ),
        f"items before the last {width} of a history must not count",
    )
    for kept in range(width):
        padded = history.copy()
        padded[:, kept:] = -1
        require(
            close(
                model.scores(moment.users, history=history[:, :kept], **known),
                model.scores(moment.users, history=padded, **known),
            ),
            f"a history of {kept} items must count like one padded with -1",
        )
