"""What every recommender promises about how likely its choices are: exact, and drawn accordingly.

Off-policy estimates divide by these numbers; a wrong one makes every later proof wrong.
"""

from itertools import permutations
from typing import Any

import numpy as np

from recloop.testing.samples import MakeModel, Moment, fresh, require, sample_moment, taught
from recloop.testing.statistics import chi_square_p_value

FALSE_ALARM_RATE = 0.001
"""How often a correct model of some seed fails each of the checks that draw."""

_N_DRAWS = 20_000
_FEW = 4


def probabilities_sum_to_one(make_model: MakeModel) -> None:
    """Every row of `probabilities` is a distribution over the catalogue."""
    for model in (fresh(make_model), taught(make_model)):
        moment = sample_moment(model, 12)
        chances = model.probabilities(moment.users, **moment.given)
        require(
            chances.shape == (12, model.n_items) and (chances >= 0).all(),
            f"probabilities must be (12, {model.n_items}) and not negative",
        )
        require(
            np.allclose(chances.sum(axis=1), 1.0, rtol=0, atol=1e-9),
            f"probabilities must sum to one, got {chances.sum(axis=1).tolist()}",
        )


def decisions_carry_their_propensities(make_model: MakeModel) -> None:
    """`decide` and `choose_batch` report what `slate_propensities` says of the same slates."""
    model = taught(make_model)
    moment = sample_moment(model, 12)
    candidates = [0, 2, 3, model.n_items - 1]
    for row, (user, given) in enumerate(moment.rows()):
        one = {name: None if value is None else value[None] for name, value in given.items()}
        for choice in (None, candidates):
            made = model.decide(user, 3, candidates=choice, **given)
            said = model.slate_propensities(
                moment.users[row : row + 1],
                made.items[None],
                candidates=None if choice is None else [choice],
                **one,
            )[0]
            require(
                np.allclose(made.propensities, said, rtol=1e-9, atol=0),
                f"decide says {made.propensities.tolist()}, slate_propensities {said.tolist()} of "
                "the same slate",
            )
            require((made.propensities > 0).all(), "what was shown must have had a chance")
    for hidden in (None, [[row % model.n_items, 1] for row in range(12)]):
        slates = model.choose_batch(moment.users, 3, exclude=hidden, **moment.given)
        said = model.slate_propensities(moment.users, slates.items, exclude=hidden, **moment.given)
        require(
            np.allclose(slates.propensities, said, rtol=1e-9, atol=0),
            "choose_batch and slate_propensities disagree about the same slates",
        )


def items_are_drawn_as_often_as_they_say(make_model: MakeModel) -> None:
    """20,000 first choices agree with `probabilities` (chi-square at `FALSE_ALARM_RATE`)."""
    for model in (fresh(make_model), taught(make_model)):
        everyone = _same_person(model, _N_DRAWS)
        drawn = model.choose_batch(everyone.users, 1, **everyone.given).items[:, 0]
        counts = np.bincount(drawn, minlength=model.n_items)
        chances = model.probabilities(everyone.users, **everyone.given)[0]
        p_value = chi_square_p_value(counts, chances)
        require(
            p_value > FALSE_ALARM_RATE,
            f"{_N_DRAWS} draws give {counts.tolist()}, which probabilities say is {p_value:.1e} "
            "likely",
        )


def slates_are_drawn_as_often_as_they_say(make_model: MakeModel) -> None:
    """20,000 slates of two among four agree with the product of their slots' propensities."""
    model = taught(make_model)
    everyone = _same_person(model, _N_DRAWS)
    closed = list(range(_FEW, model.n_items))
    drawn = model.choose_batch(
        everyone.users, 2, exclude=[closed] * _N_DRAWS, **everyone.given
    ).items
    pairs = np.array(list(permutations(range(_FEW), 2)))
    one = _same_person(model, len(pairs))
    slots = model.slate_propensities(
        one.users, pairs, candidates=[range(_FEW)] * len(pairs), **one.given
    )
    hidden = model.slate_propensities(one.users, pairs, exclude=[closed] * len(pairs), **one.given)
    require(
        np.array_equal(slots, hidden),
        "slate_propensities must not depend on whether items are hidden by candidates or exclude",
    )
    chances = slots.prod(axis=1)
    require(
        np.isclose(chances.sum(), 1.0, rtol=0, atol=1e-9),
        f"the propensities of all slates must sum to one, got {chances.sum()}",
    )
    counts = [int((drawn == pair).all(axis=1).sum()) for pair in pairs]
    p_value = chi_square_p_value(counts, chances)
    require(
        sum(counts) == _N_DRAWS and p_value > FALSE_ALARM_RATE,
        f"{_N_DRAWS} slates give {counts}, which slate_propensities say is {p_value:.1e} likely",
    )


def _same_person(model: Any, n_rows: int) -> Moment:
    """The same moment of the same person, many times over."""
    moment = sample_moment(model, 1)
    history, context = moment.history, moment.context
    return Moment(
        users=np.repeat(moment.users, n_rows),
        history=None if history is None else np.repeat(history, n_rows, axis=0),
        context=None if context is None else np.repeat(context, n_rows, axis=0),
    )
