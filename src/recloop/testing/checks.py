"""The contract of a recommender as a list of checks: `check_recommender` runs them all.

    from recloop.testing import check_recommender
    check_recommender(lambda seed: MyRecommender(n_users=12, n_items=10, seed=seed))

Each check is a function of `make_model(seed)` that raises `ContractBroken`; under pytest,
parametrise over `CHECKS` to see them one by one. A factory gives a fresh model of at least 4 users
and 6 items and should switch exploration on (epsilon above 0), or there is little to draw. The
checks draw with fixed seeds: a model that passes once passes always.
"""

from collections.abc import Callable, Collection

from recloop.testing import choosing, keeping, learning, propensities
from recloop.testing.samples import ContractBroken, MakeModel, fresh
from recloop.utils.names import unknown_name

Check = Callable[[MakeModel], None]

_FUNCTIONS: tuple[Check, ...] = (
    choosing.scores_are_finite_and_one_for_each_pair,
    choosing.recommends_k_distinct_known_items,
    choosing.a_k_beyond_the_catalogue_gives_every_item_once,
    choosing.the_best_items_come_first,
    choosing.a_batch_answers_like_its_rows,
    choosing.excluded_items_never_appear,
    choosing.candidates_are_respected,
    choosing.the_same_seed_recommends_the_same,
    choosing.another_seed_draws_otherwise,
    choosing.histories_of_any_length_are_taken,
    propensities.probabilities_sum_to_one,
    propensities.decisions_carry_their_propensities,
    propensities.items_are_drawn_as_often_as_they_say,
    propensities.slates_are_drawn_as_often_as_they_say,
    learning.looking_does_not_teach,
    learning.learns_which_item_is_liked,
    learning.a_batch_teaches_like_its_rows,
    learning.one_answer_teaches_like_a_batch_of_one,
    learning.nonsense_is_refused_and_teaches_nothing,
    learning.an_empty_log_is_refused_or_harmless,
    keeping.a_saved_model_comes_back_whole,
    keeping.interrupted_training_continues_the_same,
    keeping.parameters_rebuild_the_model,
    keeping.damaged_files_are_refused,
)

CHECKS: dict[str, Check] = {
    function.__name__.replace("_", " "): function for function in _FUNCTIONS
}
"""Every check by the sentence that is false when it fails."""


def check_recommender(make_model: MakeModel, *, except_for: Collection[str] = ()) -> None:
    """Raise `ContractBroken` with every promise that the model does not keep, and how.

    except_for: sentences of `CHECKS` that do not hold for this model by its nature.
    """
    for name in except_for:
        if name not in CHECKS:
            raise unknown_name("check", name, CHECKS)
    owner = type(fresh(make_model)).__name__
    broken = []
    for name, check in CHECKS.items():
        if name not in except_for and (problem := _problem(check, make_model)):
            broken.append(f"  {name}: {problem}")
    if broken:
        raise ContractBroken(
            f"{owner} breaks {len(broken)} of {len(CHECKS)} promises:\n" + "\n".join(broken)
        )


def _problem(check: Check, make_model: MakeModel) -> str:
    """What is wrong, in words; empty when nothing is."""
    try:
        check(make_model)
    except ContractBroken as error:
        return str(error)
    except Exception as error:
        return f"raised {type(error).__name__}: {error}"
    return ""
