"""What every recommender promises about learning, and about not learning."""

from dataclasses import replace
from typing import Any

import numpy as np

from recloop.errors import InvalidData, InvalidParameter
from recloop.testing.samples import (
    MakeModel,
    close,
    fresh,
    learned_state,
    liked_item,
    plain_arrays,
    require,
    sample_log,
    sample_moment,
    sample_steps,
    saved_bytes,
    taught,
)
from recloop.types import Transitions
from recloop.utils.seeding import stream


def looking_does_not_teach(make_model: MakeModel) -> None:
    """Scores, probabilities and best items leave every byte; choices move the random stream only.

    An evaluator that teaches what it measures measures something else.
    """
    for model in (fresh(make_model), taught(make_model)):
        moment = sample_moment(model, 5)
        user, given = next(moment.rows())
        before, learned = saved_bytes(model), learned_state(model)
        model.scores(moment.users)
        model.scores(moment.users, **moment.given)
        model.recommend(user, 3, explore=False)
        model.recommend(user, 3, explore=False, **given)
        model.recommend_batch(moment.users, 3, explore=False, **moment.given)
        model.probabilities(moment.users, **moment.given)
        model.slate_propensities(moment.users, np.zeros((5, 1), dtype=np.int64), **moment.given)
        model.decide(user, 2, rng=stream(0, "a look"), **given)
        require(saved_bytes(model) == before, "a look without exploration changed what is saved")
        model.recommend(user, 3)
        model.recommend_batch(moment.users, 3, **moment.given)
        model.choose_batch(moment.users, 3, **moment.given)
        model.decide(user, 3, **given)
        require(learned_state(model) == learned, "an exploring choice changed what was learned")


def learns_which_item_is_liked(make_model: MakeModel) -> None:
    """After the sample log, or 2,048 sample steps, the liked item scores best on average."""
    model = taught(make_model, n_steps=2048)
    moment = sample_moment(model, 64, seed=9)
    mean_scores = model.scores(moment.users, **moment.given).mean(axis=0)
    liked = liked_item(model.n_items)
    require(
        int(mean_scores.argmax()) == liked,
        f"everybody likes item {liked}, mean scores are {np.round(mean_scores, 4).tolist()}",
    )


def a_batch_teaches_like_its_rows(make_model: MakeModel) -> None:
    """`update_batch` learns its rows in their order, as if they came one by one, up to rounding.

    Models with a `batch_size` learn from batches drawn by themselves and do not promise this. An
    empty batch teaches nothing to anybody.
    """
    together, one_by_one = taught(make_model), taught(make_model)
    before = learned_state(together)[0]
    together.update_batch(sample_steps(together, 0))
    require(learned_state(together)[0] == before, "an empty batch changed what was learned")
    if getattr(together, "batch_size", None) is not None:
        return
    steps = sample_steps(together, 40, seed=3)
    together.update_batch(steps)
    for row in range(len(steps)):
        one_by_one.update_batch(steps.rows(slice(row, row + 1)))
    _require_same_arrays(together, one_by_one, "40 rows at once and one by one")


def one_answer_teaches_like_a_batch_of_one(make_model: MakeModel) -> None:
    """`update` is `update_batch` of one row, and remembers what was liked."""
    told, batched = taught(make_model), taught(make_model)
    user, given = next(sample_moment(told, 1).rows())
    context = given["context"]
    empty = np.full((1, told.history_length), -1, dtype=np.int64)
    before = told._own_history(np.array([user])) if told.history_length else None
    told.update(user, 2, 1.0, context=context, next_context=context, next_item=1, discount=0.5)
    after = None
    if before is not None:
        after = np.concatenate([np.full_like(empty, 2)[:, :1], before[:, :-1]], axis=1)
        remembered = told._own_history(np.array([user]))
        require(
            np.array_equal(remembered, after),
            f"after item 2 was liked the short memory is {remembered[0]}, not {after[0]}",
        )
    contexts = None if context is None else context[None]
    batched.update_batch(
        Transitions(
            users=np.array([user]),
            items=np.array([2]),
            rewards=np.array([1.0]),
            discounts=np.array([0.5]),
            histories=before,
            next_histories=after,
            next_items=np.array([1]),
            contexts=contexts,
            next_contexts=contexts,
        )
    )
    _require_same_arrays(told, batched, "update and update_batch of one row")


def _require_same_arrays(first: Any, second: Any, what: str) -> None:
    left, right = plain_arrays(first), plain_arrays(second)
    for name in (left.keys() | right.keys()) - {"_recent_items"}:
        require(close(left[name], right[name]), f"{what} leave different values in {name}")


def nonsense_is_refused_and_teaches_nothing(make_model: MakeModel) -> None:
    """Unknown codes, k = 0, NaN, unequal columns: InvalidParameter, and nothing half done."""
    model = taught(make_model)
    before = saved_bytes(model)
    for what, call in _nonsense(model):
        try:
            call()
        except InvalidParameter:
            require(saved_bytes(model) == before, f"{what} was refused but changed the model")
        else:
            require(False, f"{what} must raise InvalidParameter")


def _nonsense(model: Any) -> list[tuple[str, Any]]:
    nobody, nothing = model.n_users, model.n_items
    one = np.array([0])
    return [
        ("recommend to an unknown user", lambda: model.recommend(nobody)),
        ("recommend to user -1", lambda: model.recommend(-1)),
        ("recommend with k = 0", lambda: model.recommend(0, 0)),
        ("recommend with k = 2.5", lambda: model.recommend(0, 2.5)),
        ("recommend with k = 0, explore=False", lambda: model.recommend(0, 0, explore=False)),
        ("excluding an unknown item", lambda: model.recommend(0, 1, exclude=[nothing])),
        ("excluding item -1", lambda: model.recommend(0, 1, exclude=[-1])),
        ("excluding item 1.5", lambda: model.recommend(0, 1, exclude=[1.5])),
        (
            "two exclusions for one row",
            lambda: model.recommend_batch(one, 1, exclude=[[1], [2]]),
        ),
        ("choosing for an unknown user", lambda: model.choose_batch(np.array([nobody]))),
        ("choosing 0 items", lambda: model.choose_batch(one, 0)),
        ("deciding for an unknown user", lambda: model.decide(nobody)),
        ("an unknown candidate", lambda: model.decide(0, 1, candidates=[nothing])),
        ("probabilities of an unknown user", lambda: model.probabilities(np.array([nobody]))),
        (
            "propensities of an unknown item",
            lambda: model.slate_propensities(one, np.array([[nothing]])),
        ),
        ("update of an unknown user", lambda: model.update(nobody, 0, 1.0)),
        ("update of user -1", lambda: model.update(-1, 0, 1.0)),
        ("update with an unknown item", lambda: model.update(0, nothing, 1.0)),
        ("update with item -1", lambda: model.update(0, -1, 1.0)),
        ("update with reward NaN", lambda: model.update(0, 0, float("nan"))),
        ("update with an infinite reward", lambda: model.update(0, 0, float("inf"))),
        *_nonsense_steps(model),
        *_nonsense_moments(model),
    ]


def _nonsense_steps(model: Any) -> list[tuple[str, Any]]:
    """Batches whose last row is wrong, so that learning the rows before it would show."""
    steps = sample_steps(model, 6, seed=4)
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("an unknown user in the last row", {"users": _with_last(steps.users, model.n_users)}),
        ("an unknown item in the last row", {"items": _with_last(steps.items, model.n_items)}),
        ("item -1 in the last row", {"items": _with_last(steps.items, -1)}),
        ("reward NaN in the last row", {"rewards": _with_last(steps.rewards, np.nan)}),
        ("discount NaN in the last row", {"discounts": _with_last(steps.discounts, np.nan)}),
        ("an unknown next item", {"next_items": _with_last(steps.next_items, model.n_items)}),
        ("one reward too few", {"rewards": steps.rewards[:-1]}),
    ]
    if model.history_length:
        bad = _with_last(steps.histories, model.n_items)
        wrong += [
            ("an unknown item in a history", {"histories": bad}),
            ("an unknown item in a next history", {"next_histories": bad}),
        ]
    if steps.contexts is not None:
        wrong += [
            ("NaN in a context", {"contexts": _with_last(steps.contexts, np.nan)}),
            ("a context that is too narrow", {"contexts": steps.contexts[:, 1:]}),
        ]
    return [
        (
            f"update_batch with {what}",
            lambda change=change: model.update_batch(replace(steps, **change)),
        )
        for what, change in wrong
    ]


def _with_last(values: Any, wrong: float) -> np.ndarray:
    changed = values.copy()
    changed[-1] = wrong
    return changed


def _nonsense_moments(model: Any) -> list[tuple[str, Any]]:
    calls: list[tuple[str, Any]] = []
    if model.history_length:
        unknown = np.full(model.history_length, model.n_items)
        calls.append(("an unknown item in a history", lambda: model.recommend(0, history=unknown)))
    if context_dim := getattr(model, "context_dim", 0):
        blank = np.full(context_dim, np.nan)
        calls.append(("NaN in a context", lambda: model.recommend(0, context=blank)))
        wide = np.zeros(context_dim + 1)
        calls.append(("a context that is too wide", lambda: model.recommend(0, context=wide)))
    if model.learns == "fit":
        log = sample_log(model.n_users + 1, model.n_items)
        calls.append(("fitting a log of other sizes", lambda: model.fit(log)))
    return calls


def an_empty_log_is_refused_or_harmless(make_model: MakeModel) -> None:
    """Models that are fitted either say that there is nothing to fit, or keep finite scores."""
    model = fresh(make_model)
    if model.learns != "fit":
        return
    log = sample_log(model.n_users, model.n_items)
    before = saved_bytes(model)
    try:
        model.fit(log.keep(np.zeros(len(log), dtype=np.bool_)))
    except InvalidData:
        require(saved_bytes(model) == before, "a refused log changed the model")
        return
    moment = sample_moment(model, 3)
    require(
        np.isfinite(model.scores(moment.users, **moment.given)).all(),
        "an empty log leaves scores that are not finite",
    )
